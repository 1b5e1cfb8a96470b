"""Reads an invalid memory address."""

import ctypes

print("before", flush=True)
ctypes.string_at(1)

"""The C library, for the calls that Python has no name for."""

from __future__ import annotations

import ctypes
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux":  # elsewhere nothing here is called: the tier report says so
    libc.syscall.restype = ctypes.c_long
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

PR_SET_PDEATHSIG = 1


def check(result: int, what: str) -> int:
    """Return `result`, or raise OSError for what the C library calls a failure."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result

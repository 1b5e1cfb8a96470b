"""Reads the request of a model call: what it asks for, and what that may cost."""

"""Checks of single values, and their messages."""

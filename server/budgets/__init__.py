"""Caps on money, tokens and calls."""

"""Reads JSON from untrusted sources within limits."""

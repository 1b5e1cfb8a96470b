"""Renders a spec as Python source and verifies the result."""

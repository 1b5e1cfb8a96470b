"""Small harmless attacks on the sandbox, for `doctor --attack` and the tests."""

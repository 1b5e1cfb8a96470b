"""One engine for each sandbox tier."""

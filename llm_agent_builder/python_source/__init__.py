"""Python source: literals, syntax trees, names."""

"""The built-in model, a child process."""

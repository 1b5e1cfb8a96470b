"""The built-in local model, which runs in a child process."""

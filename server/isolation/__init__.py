"""The sandbox: its part in the server process, and in `child` the part in other processes."""

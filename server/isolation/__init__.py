"""The sandbox's inside: the part that runs in the server process."""

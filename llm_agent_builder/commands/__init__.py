"""The commands of the command line, apart from those that need the server."""

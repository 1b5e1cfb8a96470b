"""The HTTP interface: routes, errors, and who may use the server."""

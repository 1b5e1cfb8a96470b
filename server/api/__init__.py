"""The HTTP interface: routes, their answers and errors, and access control."""

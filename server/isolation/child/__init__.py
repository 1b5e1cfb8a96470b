"""What runs outside the server process. Standard library only; no secret."""

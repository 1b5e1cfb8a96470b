"""Code that runs outside the server process. It uses only the standard library, and no secret."""

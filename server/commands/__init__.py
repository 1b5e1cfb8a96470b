"""The commands run, serve and doctor."""

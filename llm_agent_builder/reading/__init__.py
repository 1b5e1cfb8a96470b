"""Reads agent files, edited ones too, back into specs."""

"""The model lists of providers, fetched and cached."""

"""Agent files as they are written today; see `snapshot_specs.py`."""

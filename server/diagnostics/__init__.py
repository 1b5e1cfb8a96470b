"""The checks, probes and reports of the command doctor."""

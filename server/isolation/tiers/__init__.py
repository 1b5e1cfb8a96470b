"""The sandbox tiers, each with its engine, and the probe that selects one."""

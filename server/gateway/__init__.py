"""A run's only way to the network: the gateway and the egress proxy."""

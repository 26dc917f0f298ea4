"""The way out: every request of the registry to hosts that its operator, or a user, names."""

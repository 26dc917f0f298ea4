"""A container registry: see README.md."""

"""The user's commands: programs that speak HTTP to a registry, and import nothing of the server."""

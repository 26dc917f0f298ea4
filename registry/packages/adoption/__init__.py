"""Adoption in place: what distribution, Harbor or GitLab wrote becomes packages, and no layer is copied or read."""

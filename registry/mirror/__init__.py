"""Mirrors: organizations whose packages are fetched from another registry when somebody pulls them."""

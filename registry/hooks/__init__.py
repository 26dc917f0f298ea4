"""Webhooks: what they are, what they are told, and how it is sent."""

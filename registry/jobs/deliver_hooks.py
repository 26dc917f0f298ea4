"""Sends the deliveries of webhooks."""

from registry.services import Services


async def deliver_hooks(services: Services) -> int:
    """Send what is due and return the number of attempts that ended. Raises Unavailable."""
    return await services.sender.send_due()

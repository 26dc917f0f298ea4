"""Makes the deliveries of webhooks of what happened."""

from registry.hooks import telling
from registry.services import Services


async def tell_hooks(services: Services) -> int:
    """Read what happened and return the number of events. Raises Unavailable."""
    return await telling.tell(services.db)

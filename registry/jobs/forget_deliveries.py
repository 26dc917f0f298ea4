"""Forgets deliveries of webhooks that nobody looks at any more."""

from typing import Final

from registry.services import Services
from storage.metadata import deliveries

KEPT_DAYS: Final = 30
_MOST: Final = 1000


async def forget_deliveries(services: Services) -> int:
    """Delete deliveries of more than thirty days ago and return their number. Raises Unavailable."""
    return await deliveries.forget(services.db, KEPT_DAYS, _MOST)

"""Makes the partitions of events for the months to come, and drops those of the past."""

from typing import Final

from registry.services import Services
from storage.metadata import events

_KEPT_MONTHS: Final = 6


async def turn_events(services: Services) -> int:
    """Make and drop partitions and return their number."""
    return await events.turn(services.db, _KEPT_MONTHS)

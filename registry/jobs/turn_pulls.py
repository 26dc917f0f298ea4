"""Makes the partitions of the pull log for the days to come, and drops those of the past; all, where it is off."""

from registry.services import Services
from storage.metadata import pulls


async def turn_pulls(services: Services) -> int:
    """Make and drop partitions and return their number."""
    return await pulls.turn(services.db, services.settings.audit.pull_days or 0)

"""Goes on with the plans of retention: makes those that are due, applies and undoes what was asked for."""

from registry.packages.retention.work import Worker
from registry.services import Services


async def keep_retention(services: Services) -> int:
    """Go a step on with one plan and return the number of things done, 0 if nothing waits. Raises Unavailable."""
    return await Worker(services.db, services.versions, services.tags, services.now).step()

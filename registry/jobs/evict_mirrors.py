"""Deletes from mirrors what nobody asked for in a while, and what is above their bytes."""

from registry.mirror.eviction import Eviction
from registry.services import Services


async def evict_mirrors(services: Services) -> int:
    """Delete some versions of each mirror and return the number of them. Raises StorageError."""
    return await Eviction(services.mirroring, services.versions).step()

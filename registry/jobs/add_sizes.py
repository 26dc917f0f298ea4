"""Adds up the sizes of images that were pushed before sizes were stored, or by a release that stores none."""

from typing import Final

from registry.services import Services
from storage.metadata import sizes

_BATCH: Final = 100


async def add_sizes(services: Services) -> int:
    """Size one batch of images and return their number."""
    return await sizes.add(services.db, _BATCH)

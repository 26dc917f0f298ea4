"""Deletes the objects without a blob, in the store and then in the queue. No key is used twice, so nothing can race."""

from typing import Final

from registry.services import Services
from storage.metadata import garbage

_BATCH: Final = 1000


async def delete_objects(services: Services) -> int:
    """Delete one batch and return the number of objects."""
    keys = await garbage.due_objects(services.db, _BATCH)
    if keys:
        await services.stores.delete(keys)
        await garbage.forget_objects(services.db, keys)
    return len(keys)

"""Sweeps sessions that were abandoned, cancelled, refused, or finished an hour ago: parts, objects, then the row.

The row is all that knows the key, and the store may finish a request long after its writer has gone: so a session that
was not finished is swept once more after an hour, and only then forgotten.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from registry.services import Services
from storage.errors import StorageError
from storage.metadata import garbage, packages, uploads
from storage.metadata.uploads import Expired

_BATCH: Final = 100
_AT_ONCE: Final = 10
#: Longer than a batch takes; after a crash another sweeper takes the rows again.
_LEASE_SECONDS: Final = 120.0
#: Longer than a store takes for a request that its client has given up.
_AGAIN_SECONDS: Final = 3600.0
_UNPUBLISHED_SECONDS: Final = 24 * 3600.0


async def expire_uploads(services: Services) -> int:
    """Delete one batch and return the number of sessions, or if there were none, of packages never published."""
    expired = await uploads.take_expired(services.db, _LEASE_SECONDS, _BATCH)
    await uploads.forget(services.db, [upload.id for upload in expired if not upload.in_store])
    stored = [upload for upload in expired if upload.in_store]
    for start in range(0, len(stored), _AT_ONCE):
        await _sweep(services, stored[start : start + _AT_ONCE])
    return len(expired) or await packages.forget_unpublished(services.db, _UNPUBLISHED_SECONDS, _BATCH)


async def _sweep(services: Services, several: Sequence[Expired]) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for upload in several:
                tasks.create_task(_clear(services, upload))
    except* StorageError as group:
        raise group.exceptions[0] from group
    await uploads.forget(services.db, [upload.id for upload in several if upload.last])
    await uploads.sweep_again(services.db, [upload.id for upload in several if not upload.last], _AGAIN_SECONDS)


async def _clear(services: Services, upload: Expired) -> None:
    """Delete every object and multipart upload under the session's key, except the blob's object."""
    stores = services.stores
    if upload.multipart is not None:
        await stores.abort(upload.object_key, upload.multipart)
    # A process that died between making a multipart upload and noting its id left it under the key.
    async for left in stores.uploads(upload.object_key):
        await stores.abort(left.key, left.multipart)
    keys = [info.key async for info in stores.scan(upload.object_key)]
    kept = await garbage.living(services.db, keys)
    await stores.delete([key for key in keys if key not in kept])

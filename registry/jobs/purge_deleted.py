"""Purges the packages and versions whose restore window is over, one version per transaction.

Blobs are only let go of; whether anybody else has them is the business of ``collect_garbage``.
"""

from typing import Final

from registry.services import Services
from storage.metadata import packages, purges
from storage.metadata.database import Transaction
from storage.metadata.versions import Identified

_BATCH: Final = 200


async def purge_deleted(services: Services) -> int:
    """Purge one batch and return the number of packages and versions that advanced a step."""
    window = services.settings.lifetimes.restore_seconds
    done = await packages.expire(services.db, window)
    for found in await purges.due(services.db, window, _BATCH):
        done += await _purge(services, found, window)
    return done + await packages.purge(services.db)


async def _purge(services: Services, found: Identified, window: float) -> bool:
    async def work(tx: Transaction) -> bool:
        return await purges.purge(tx, found.id, found.digest, window)

    return await services.db.repeat(work)

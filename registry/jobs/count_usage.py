"""Counts the bytes that packages and owners use: folds what pushes and deletions noted, and corrects the sums."""

from typing import Final

from registry.services import Services
from storage.metadata import usage_counts
from storage.metadata.database import Transaction
from storage.metadata.usage_counts import Due

_BATCH: Final = 1000
_OWNERS: Final = 50
_EVERY_SECONDS: Final = 24 * 3600.0


async def fold_usage(services: Services) -> int:
    """Fold one batch of deltas and return their number."""

    async def work(tx: Transaction) -> int:
        return await usage_counts.fold(tx, _BATCH)

    return await services.db.repeat(work)


async def recount_usage(services: Services) -> int:
    """Recount one batch of owners, those first that never were, and return their number."""
    found = await usage_counts.due(services.db, _EVERY_SECONDS, _OWNERS)
    for owner in found:

        async def count(tx: Transaction, owner: Due = owner) -> None:
            await usage_counts.recount(tx, owner)

        await services.db.repeat(count)
    return len(found)


async def note_usage(services: Services) -> int:
    """Note what one batch of owners has had stored for the last hour, and return their number."""
    return await usage_counts.note(services.db, _BATCH)

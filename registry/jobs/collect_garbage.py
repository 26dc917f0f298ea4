"""Garbage collection: deletes the links past their grace that no manifest needs, then the blobs without links.

Online: under row locks that a push waits for, in short transactions; foreign keys are the backstop.
"""

from typing import Final

from registry.services import Services
from storage.metadata import garbage
from storage.metadata.database import ForeignKeyMissing, Transaction
from storage.metadata.garbage import Review

_BATCH: Final = 200
#: A pull that was redirected, or a copy of the bucket, may still read an object this long after its blob went.
_DELAY_SECONDS: Final = 3600.0


async def collect_garbage(services: Services) -> int:
    """Collect one batch and return the number of links examined."""
    grace = services.settings.uploads.link_grace_seconds
    delay = min(_DELAY_SECONDS, grace)
    outcomes: dict[Review, bool | None] = {}

    async def review(tx: Transaction) -> None:
        outcomes.clear()
        for link in await garbage.due_reviews(tx, _BATCH):
            outcomes[link] = await garbage.drop_link(tx, link, grace)

    await services.db.repeat(review)
    for digest in sorted({link.digest for link, dropped in outcomes.items() if dropped}):

        async def drop(tx: Transaction, digest: str = digest) -> None:
            await garbage.drop_blob(tx, digest, delay)

        try:
            await services.db.repeat(drop)
        except ForeignKeyMissing:
            # A push linked it meanwhile: it lives.
            continue
    return sum(dropped is not None for dropped in outcomes.values())

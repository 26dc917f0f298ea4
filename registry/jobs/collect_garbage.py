"""Looks at links whose grace is over: without a manifest they go, and blobs without links after them.

Online: each link in a transaction of its own part, under row locks that a push waits for; foreign keys are the backstop.
"""

from typing import Final

from registry.services import Services
from storage.metadata import garbage
from storage.metadata.database import ForeignKeyMissing, Transaction

_BATCH: Final = 200
#: A pull that was redirected, or a copy of the bucket, may still read an object this long after its blob went.
_DELAY_SECONDS: Final = 3600.0


async def collect_garbage(services: Services) -> int:
    """One batch; how many links are gone."""
    grace = services.settings.uploads.link_grace_seconds
    delay = min(_DELAY_SECONDS, grace)
    dropped: list[str] = []

    async def review(tx: Transaction) -> None:
        dropped.clear()
        for link in await garbage.due_reviews(tx, _BATCH):
            if await garbage.drop_link(tx, link, grace):
                dropped.append(link.digest)

    await services.db.repeat(review)
    for digest in sorted(set(dropped)):

        async def drop(tx: Transaction, digest: str = digest) -> None:
            await garbage.drop_blob(tx, digest, delay)

        try:
            await services.db.repeat(drop)
        except ForeignKeyMissing:
            # A push linked it meanwhile: it lives.
            continue
    return len(dropped)

"""Garbage collection: deletes the links past their grace that no manifest needs, then the blobs without links.

Online: under row locks that a push waits for, in short transactions; foreign keys are the backstop. A collector that is
killed between two of them leaves the reviews that the next round goes on from.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from registry.services import Services
from storage.metadata import garbage
from storage.metadata.database import ForeignKeyMissing, Transaction
from storage.metadata.garbage import Review

_BATCH: Final = 200
#: A pull that was redirected, or a copy of the bucket, may still read an object this long after its blob went.
_DELAY_SECONDS: Final = 3600.0


async def collect_garbage(services: Services) -> int:
    """Collect one batch and return the number of links that were decided upon."""
    grace = services.settings.uploads.link_grace_seconds
    delay = min(_DELAY_SECONDS, grace)
    outcomes: dict[Review, bool | None] = {}

    async def review(tx: Transaction) -> None:
        outcomes.clear()
        for link in await garbage.due_reviews(tx, _BATCH):
            outcomes[link] = await garbage.drop_link(tx, link, grace)

    await services.db.repeat(review)
    gone = defaultdict[str, list[int]](list)
    for link, dropped in outcomes.items():
        if dropped:
            gone[link.digest].append(link.package_id)
    done = sum(dropped is False for dropped in outcomes.values())
    for digest in sorted(gone):
        done += await _drop_blob(services, digest, gone[digest], delay)
    return done


async def _drop_blob(services: Services, digest: str, packages: Sequence[int], delay: float) -> int:
    async def work(tx: Transaction) -> int:
        return await garbage.drop_blob(tx, digest, packages, delay)

    try:
        return await services.db.repeat(work)
    except ForeignKeyMissing:
        return 0  # a push linked it meanwhile: it lives, and the next round sees that

"""Download counts, kept in memory and written every few seconds, so that no pull waits for the write.

A process that is killed loses the counts of its last seconds, and nothing else.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

import structlog

from registry.process.outages import Outages
from storage.errors import StorageError
from storage.metadata import downloads, pulls
from storage.metadata.database import Database, Transaction
from storage.metadata.pulls import Pull

log = structlog.get_logger()

_FLUSH_SECONDS: Final = 3.0
_DAY_SECONDS: Final = 86_400
_ASKED_SECONDS: Final = 3600.0
#: More keys than this are not kept while Postgres is away.
_KEYS_MAX: Final = 100_000


@lru_cache(maxsize=2)
def _day(number: int) -> date:
    return datetime.fromtimestamp(number * _DAY_SECONDS, UTC).date()


class Downloads:
    """The download counts since the last flush; ``pulls``: those of the pull log, None where it is off."""

    def __init__(self, db: Database, *, logged: bool = False) -> None:
        self._db = db
        self._counts = Counter[tuple[int, date]]()
        self._seen: dict[int, float] = {}
        self._asked: dict[int, float] = {}
        self.pulls: Counter[Pull] | None = Counter() if logged else None

    def note(self, version_id: int, now: float) -> None:
        """Count one download of a version at ``now``, Unix seconds."""
        key = version_id, _day(int(now // _DAY_SECONDS))
        self._counts[key] = self._counts.get(key, 0) + 1
        self._seen[version_id] = now

    def ask(self, version_id: int, now: float) -> None:
        """Note that somebody has asked for a version at ``now``, without pulling it: an image that is in use.

        An hour is near enough: what is asked for again and again is not written again and again.
        """
        if now - self._asked.get(version_id, 0.0) < _ASKED_SECONDS:
            return
        if len(self._asked) >= _KEYS_MAX:
            self._asked.clear()
        self._asked[version_id] = self._seen[version_id] = now

    async def flush(self) -> None:
        """Write the counts to Postgres. Raises Unavailable, and then keeps the counts for the next flush."""
        (counts, seen), self._counts, self._seen = (self._counts, self._seen), Counter(), {}
        logged = self.pulls
        if not seen:
            return
        if logged is not None:
            self.pulls = Counter()
        try:
            await self._write(counts, seen, logged)
        except BaseException:
            if len(counts) + len(self._counts) <= _KEYS_MAX:
                self._counts.update(counts)
                self._seen = {**seen, **self._seen}
            if logged is not None and self.pulls is not None and len(logged) + len(self.pulls) <= _KEYS_MAX:
                self.pulls.update(logged)
            raise

    async def _write(
        self, counts: Mapping[tuple[int, date], int], seen: Mapping[int, float], logged: Mapping[Pull, int] | None
    ) -> None:
        if not logged:
            await downloads.add(self._db, counts, seen)
            return

        async def work(tx: Transaction) -> None:
            await downloads.add(tx, counts, seen)
            await pulls.add(tx, logged)

        await self._db.repeat(work)  # one transaction: each ends what look-ups have in memory


@asynccontextmanager
async def counting(
    db: Database, outages: Outages, *, logged: bool, pause_seconds: float = _FLUSH_SECONDS
) -> AsyncIterator[Downloads]:
    """Yield a counter of downloads that is flushed regularly within the block and at its end."""
    counted = Downloads(db, logged=logged)
    async with asyncio.TaskGroup() as tasks:
        flusher = tasks.create_task(_keep_flushing(counted, outages, pause_seconds))
        try:
            yield counted
        finally:
            flusher.cancel()
    try:
        await counted.flush()
    except StorageError as error:
        log.warning("downloads.lost", error=str(error))


async def _keep_flushing(counted: Downloads, outages: Outages, pause_seconds: float) -> None:
    while True:
        await asyncio.sleep(pause_seconds)
        try:
            await counted.flush()
        except StorageError as error:
            outages.note(error, task="downloads")

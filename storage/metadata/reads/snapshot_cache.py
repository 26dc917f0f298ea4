"""Cached lookups: a row stays valid until the next write, as shown by the snapshot's name.

The rows that a statement sees depend on the transactions that had ended when the statement began, and Postgres names
that set (``pg_current_snapshot()``; PostgreSQL's manual, «Transaction ID and Snapshot Information Functions»): the same
name, the same rows. Reading the name costs a sixth of eight lookups. So each batch reads the name, and while it is
unchanged answers from the cache with the rows that the query would return.
"""

import asyncio
from collections.abc import Collection
from typing import Final

import msgspec

from storage.metadata.database import Database
from storage.metadata.query import Query, select
from storage.metadata.reads.batching import Batching, Key, Row

#: What a look-up remembers at most, unless its rows are more than a kilobyte.
KNOWN_ROWS: Final = 1024
#: After a name that was of no use so many batches do not ask for it: where much is written, or everybody looks for
#: something else, it would be a statement more for each.
_REST: Final = 16


class _Snapshot(msgspec.Struct, frozen=True):
    name: str


# With the second, for what ends by the clock, and the start of the server, for another one that took its place.
_NAME: Final = select(
    _Snapshot,
    """
    SELECT concat_ws(' ', pg_current_snapshot(), floor(extract(epoch FROM now())),
                     extract(epoch FROM pg_postmaster_start_time())) AS name
    """,
)


class SnapshotCache(Batching[Row]):
    """A Batching of a read-only query with cached rows; changes by the clock show at the next full second.

    The cache keeps ``known`` rows at most.
    """

    def __init__(self, db: Database, query: Query[Row], tasks: asyncio.TaskGroup, known: int = KNOWN_ROWS) -> None:
        super().__init__(db, query, tasks)
        self._known_most = known
        self._snapshot: _Snapshot | None = None
        self._known: dict[Key, Row] = {}
        self._rest = 0
        self._asked_for = self._read = 0

    @property
    def counts(self) -> tuple[int, int]:
        """The rows that were asked for, and those that were not in memory."""
        return self._asked_for, self._read

    async def _rows(self, keys: Collection[Key]) -> list[Row]:
        self._asked_for += len(keys)
        if self._rest:
            self._rest -= 1
            self._read += len(keys)
            return await super()._rows(keys)
        snapshot = await _NAME.one(self._db)
        if snapshot != self._snapshot:
            self._snapshot = snapshot
            self._known.clear()
        missing = [key for key in keys if key not in self._known]
        self._read += len(missing)
        if missing:
            # These are of a later snapshot, perhaps. But where the name comes again, nothing was written in between.
            self._known.update(zip(missing, await super()._rows(missing), strict=True))
            if len(missing) == len(keys):
                self._rest = _REST
        rows = [self._known[key] for key in keys]
        if len(self._known) > self._known_most:
            self._known.clear()
        return rows

"""Batched lookups: the lookups of one turn of the event loop run as one statement.

No timer delays a lookup: it waits only for the end of the turn and for the running statement, so that a single lookup
is not slowed down. Under load the statements grow instead of the queue: starting a statement costs as much as a dozen
of its rows. Each row is read after the call that asks for it, so no row is older than the last acknowledged write.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from itertools import islice
from typing import Final, Generic, TypeVar

from storage.errors import Unavailable
from storage.metadata.database import Database
from storage.metadata.query import Query
from storage.operations import RECORDING, recorded

Row = TypeVar("Row")
Key = tuple[str, ...]  # of one line each
Answer = Callable[[Row | Exception], None]
_Batch = dict[Key, list[Answer[Row]]]

_MOST: Final = 128
_CANCELLED: Final = Unavailable("the look-up was cancelled")


class Batching(Generic[Row]):
    """A query over ``query.lines``, one parameter for each part of a key, with a row for each key in order.

    ``first``: the query's parameters before these. A batch has ``most`` keys at most.
    """

    def __init__(
        self, db: Database, query: Query[Row], tasks: asyncio.TaskGroup, *first: object, most: int = _MOST
    ) -> None:
        self._db = db
        self._query = query
        self._tasks = tasks
        self._first = first
        self._most = most
        self._loop = asyncio.get_running_loop()
        #: Who asks for the same thing in the same turn gets the same row.
        self._asked: _Batch[Row] = {}
        self._at_work = False

    def ask(self, key: Key, answer: Answer[Row]) -> None:
        """Call ``answer`` once with the row of ``key``, or with the error; ``answer`` must not raise."""
        asked = self._asked.get(key)
        if asked is not None:
            asked.append(answer)
            return
        self._asked[key] = [answer]
        if not self._at_work:
            self._begin()

    async def one(self, *key: str) -> Row:
        """The row of ``key``. Raises Unavailable."""
        future: asyncio.Future[Row] = self._loop.create_future()
        self.ask(key, partial(_settle, future))
        if RECORDING.get() is None:
            return await future
        return await recorded("look-up", self._query.sql, future)

    def _begin(self) -> None:
        self._at_work = True
        self._tasks.create_task(self._work())

    async def _work(self) -> None:
        """Run batches until no lookup waits."""
        try:
            while self._asked:
                await self._complete()
                await self._answer(self._batch())
        finally:
            self._at_work = False
            if self._asked:
                self._begin()

    async def _complete(self) -> None:
        """Wait until the next batch may run: here not at all."""

    def _batch(self) -> _Batch[Row]:
        batch, self._asked = self._asked, {}
        if len(batch) > self._most:
            self._asked = dict(islice(batch.items(), self._most, None))
            batch = dict(islice(batch.items(), self._most))
        return batch

    async def _answer(self, batch: _Batch[Row]) -> None:
        """Answer every lookup of ``batch``; an error of the batch does not affect lookups that arrived meanwhile."""
        try:
            rows = await self._rows(batch)
        except Exception as error:  # noqa: BLE001 - it is raised where the row was asked for
            _tell(batch, error)
            return
        except asyncio.CancelledError:
            _tell(batch, _CANCELLED)
            raise
        for (key, answers), row in zip(batch.items(), rows, strict=True):
            self._found(key, row, answers)
        await asyncio.sleep(0)  # a turn, in which what came meanwhile is read

    async def _rows(self, keys: Collection[Key]) -> list[Row]:
        """The rows of ``keys``, in their order."""
        columns = ["\n".join(column) for column in zip(*keys, strict=True)]
        rows = await self._query.all(self._db, *self._first, *columns)
        # With a key of more than one line in it, each would get the row of another.
        if len(rows) != len(keys):
            raise ValueError(f"{len(keys)} keys have {len(rows)} rows")
        return rows

    def _found(self, _key: Key, row: Row, answers: list[Answer[Row]]) -> None:
        for answer in answers:
            answer(row)


def _settle(future: asyncio.Future[Row], row: Row | Exception) -> None:
    if future.done():
        return
    if isinstance(row, Exception):
        future.set_exception(row)
    else:
        future.set_result(row)


def _tell(batch: _Batch[Row], error: Exception) -> None:
    for answers in batch.values():
        for answer in answers:
            answer(error)

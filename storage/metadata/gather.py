"""Many look-ups in one statement: what the requests of one turn of the event loop ask is asked together.

A look-up waits for no clock, only for the end of the turn and for its place among the statements under way; so one that
is alone is not slowed down, and under load the statements grow instead of the queue. Each answer is read after it was
asked for: nothing is remembered, nothing is older than the last write that was acknowledged.
"""

import asyncio
from typing import Any, Final, Generic, TypeVar

from storage.metadata.query import Executor, Query

Row = TypeVar("Row")

_UNDER_WAY: Final = 2
_MOST: Final = 128


class Gather(Generic[Row]):
    """A statement over arrays, one for each part of a key, that returns a row a key, in their order."""

    def __init__(self, db: Executor, query: Query[Row], tasks: asyncio.TaskGroup) -> None:
        self._db = db
        self._query = query
        self._tasks = tasks
        self._asked: list[tuple[tuple[object, ...], asyncio.Future[Row]]] = []
        self._begun = False
        self._under_way = 0

    async def one(self, *key: object) -> Row:
        """The row of ``key``. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Row] = loop.create_future()
        self._asked.append((key, answer))
        self._begin(loop)
        return await answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._begun and self._under_way < _UNDER_WAY:
            self._begun = True
            loop.call_soon(self._send)

    def _send(self) -> None:
        self._begun = False
        batch, self._asked = self._asked[:_MOST], self._asked[_MOST:]
        if batch:
            self._under_way += 1
            self._tasks.create_task(self._answer(batch))

    async def _answer(self, batch: list[tuple[tuple[object, ...], Any]]) -> None:
        try:
            columns = zip(*(key for key, _ in batch), strict=True)
            rows = await self._query.all(self._db, *(list(column) for column in columns))
            for (_, answer), row in zip(batch, rows, strict=True):
                if not answer.done():
                    answer.set_result(row)
        except Exception as error:  # noqa: BLE001 - it is raised where the row was asked for
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
        finally:
            for _, answer in batch:
                answer.cancel()  # of those that are done, nothing happens
            self._under_way -= 1
            if self._asked:
                self._begin(asyncio.get_running_loop())

"""A database whose statements and commits are recorded for the requests that they are of."""

import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from storage.metadata.database import Database, Transaction
from storage.operations import record, recorded

_COMMIT: Final = "COMMIT"


class RecordedDatabase(Database):
    """A database that records its operations in the recording of the current task."""

    def fetch(self, query: str, *args: object) -> Coroutine[Any, Any, list[asyncpg.Record]]:
        return recorded("statement", query, super().fetch(query, *args))

    def fetchrow(self, query: str, *args: object) -> Coroutine[Any, Any, asyncpg.Record | None]:
        return recorded("statement", query, super().fetchrow(query, *args))

    def execute(self, query: str, *args: object) -> Coroutine[Any, Any, str]:
        return recorded("statement", query, super().execute(query, *args))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with super().transaction() as tx:
            yield _RecordedTransaction(tx)
            ending = time.monotonic()
        record("statement", _COMMIT, ending)


class _RecordedTransaction(Transaction):
    """A transaction that records its statements."""

    def __init__(self, tx: Transaction) -> None:  # the connection stays with what it wraps
        self._tx = tx

    def fetch(self, query: str, *args: object) -> Coroutine[Any, Any, list[asyncpg.Record]]:
        return recorded("statement", query, self._tx.fetch(query, *args))

    def fetchrow(self, query: str, *args: object) -> Coroutine[Any, Any, asyncpg.Record | None]:
        return recorded("statement", query, self._tx.fetchrow(query, *args))

    def execute(self, query: str, *args: object) -> Coroutine[Any, Any, str]:
        return recorded("statement", query, self._tx.execute(query, *args))

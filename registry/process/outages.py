"""Outages of PostgreSQL and of the object store: two lines of the log for each, whatever fails meanwhile.

A process that works pays nothing: only a failure has the store asked, again and again, until the store answers.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import structlog

from storage.errors import DatabaseUnavailable, StorageError, StoreUnavailable

log = structlog.get_logger()

#: Asks a store whether the store is there. Raises StorageError.
Probe: TypeAlias = Callable[[], Awaitable[object]]

_PAUSE_SECONDS: Final = 1.0
_NAMES: Final[Mapping[type[StorageError], str]] = {
    DatabaseUnavailable: "PostgreSQL",
    StoreUnavailable: "the object store",
}


class Outages:
    """The outages that a process sees: from a failure until the store answers and nothing has failed for a while."""

    def __init__(self, probes: Mapping[type[StorageError], Probe], tasks: asyncio.TaskGroup) -> None:
        self._probes = probes
        self._tasks = tasks
        self._failures: dict[type[StorageError], int] = {}
        self._watchers: set[asyncio.Task[None]] = set()

    def note(self, error: StorageError, **where: object) -> None:
        """Log a failure, unless the failure is part of an outage that is known; ``where``: fields of the line."""
        kind = next((kind for kind in self._probes if isinstance(error, kind)), None)
        if kind in self._failures:
            self._failures[kind] += 1
            return
        named = {} if kind is None else {"store": _NAMES[kind]}
        log.warning("storage.unavailable", **named, error=str(error), **where)
        if kind is not None:
            self._failures[kind] = 1
            watcher = self._tasks.create_task(self._watch(kind))
            self._watchers.add(watcher)
            watcher.add_done_callback(self._watchers.discard)

    async def _watch(self, kind: type[StorageError]) -> None:
        """Ask until the store answers and nothing has failed since the last time, and log the end of the outage."""
        loop = asyncio.get_running_loop()
        began, known = loop.time(), 0
        while True:
            known = self._failures[kind]
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                await self._probes[kind]()
            except Exception:  # noqa: BLE001, S112 - whatever there is instead of an answer
                continue
            if known == self._failures[kind]:
                break
        failures = self._failures.pop(kind)
        seconds = round(loop.time() - began, 1)
        log.warning("storage.available", store=_NAMES[kind], failures=failures, outage_seconds=seconds)

    def stop(self) -> None:
        """Ask no more: the process ends."""
        for watcher in self._watchers:
            watcher.cancel()


@asynccontextmanager
async def noting_outages(database: Probe, store: Probe) -> AsyncIterator[Outages]:
    """Yield the outages of a process within the block."""
    async with asyncio.TaskGroup() as tasks:
        outages = Outages({DatabaseUnavailable: database, StoreUnavailable: store}, tasks)
        try:
            yield outages
        finally:
            outages.stop()

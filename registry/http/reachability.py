"""Gauges of what a process can reach: the database and the store, whether the registry is read-only, a disk's room."""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.process.gauges import Gauges
from registry.process.metrics import Catalog, Family
from registry.services import Services
from storage.metadata import read_only
from storage.metadata.readiness import require_ready

_PAUSE_SECONDS: Final = 10.0
#: What takes longer is no answer to anybody.
_LOOK_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Found:
    """The state at the last look. A process that has just begun has reached its database, and knows no fault yet."""

    database: float = 1.0
    store: float = 1.0
    read_only: float = 0.0
    free_bytes: float = 0.0
    disk_bytes: float = 0.0


class Reachability:
    """The families of what is reached; ``disk``: the directory that is the store, None where it is none."""

    def __init__(self, catalog: Catalog, disk: Path | None) -> None:
        self._disk = disk
        self._database = catalog.add(
            Family("moorage_database_up", "gauge", "1: PostgreSQL writes, with our schema.", merge="each", begins=1.0)
        )
        self._store = catalog.add(
            Family("moorage_store_up", "gauge", "1: the store answers.", merge="each", begins=1.0)
        )
        self._read_only = catalog.add(
            Family("moorage_read_only", "gauge", "1: an operator made the registry read-only.", merge="max")
        )
        self._room = [] if disk is None else [
            catalog.add(Family("moorage_store_free_bytes", "gauge", "Room on the disk of the store.", merge="max")),
            catalog.add(Family("moorage_store_disk_bytes", "gauge", "Size of the disk of the store.", merge="max")),
        ]  # fmt: skip

    def watch(self, gauges: Gauges, services: Services) -> Coroutine[None, None, None]:
        """Have the gauges read from now on, and return what looks again and again until cancelled."""
        found = _Found()
        gauges.gauge(self._database.slot, lambda: found.database)
        gauges.gauge(self._store.slot, lambda: found.store)
        gauges.gauge(self._read_only.slot, lambda: found.read_only)
        for family, read in zip(self._room, (lambda: found.free_bytes, lambda: found.disk_bytes), strict=False):
            gauges.gauge(family.slot, read)
        return self._look(found, services)

    async def _look(self, found: _Found, services: Services) -> None:
        while True:
            await asyncio.gather(_look_at_database(found, services), _look_at_store(found, services))
            if self._disk is not None:
                found.free_bytes, found.disk_bytes = await asyncio.to_thread(_room, self._disk)
            await asyncio.sleep(_PAUSE_SECONDS)


async def _look_at_database(found: _Found, services: Services) -> None:
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await require_ready(services.db)
            found.read_only = float(await read_only.state(services.db) is not None)
    except Exception:  # noqa: BLE001 - whatever it is, nothing is reached; and who looks must not end the process
        found.database = 0.0
    else:
        found.database = 1.0


async def _look_at_store(found: _Found, services: Services) -> None:
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await services.stores.ping()
    except Exception:  # noqa: BLE001 - as above
        found.store = 0.0
    else:
        found.store = 1.0


def _room(disk: Path) -> tuple[float, float]:
    """Return the bytes that this user may still write, and the size of the disk; zeros where nobody tells."""
    try:
        told = os.statvfs(disk)
    except OSError:
        return 0.0, 0.0
    return float(told.f_bavail * told.f_frsize), float(told.f_blocks * told.f_frsize)

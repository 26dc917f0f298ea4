"""The metrics of a node: their catalog, and where each is read in the objects of a process.

Nothing of it exists, and nothing is counted, unless there is an address to show it at (MOORAGE_ADMIN_LISTEN).
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from registry.http.admin_listener import admin_listener
from registry.http.metrics import HttpMetrics
from registry.http.router import Router
from registry.http.server.access_log import Line
from registry.http.server.protocol import Server
from registry.jobs.runner import Runs
from registry.jobs.schedule import SCHEDULE
from registry.process.gauges import Gauges, LoopLag, ProcessMetrics
from registry.process.metrics import Catalog, Family, Slab, Slabs
from registry.services import Services
from registry.version import VERSION
from storage.errors import StorageError
from storage.metadata import administration
from storage.metadata.administration import Counts
from storage.timings import SECONDS, Timings

WORKER: Final = "worker"
_INVENTORY_SECONDS: Final = 30.0
#: The operations of S3's API that the store performs.
_OPERATIONS: Final = (
    "AbortMultipartUpload", "CompleteMultipartUpload", "CreateBucket", "CreateMultipartUpload", "DeleteObjects",
    "GetObject", "HeadBucket", "HeadObject", "ListMultipartUploads", "PutObject", "UploadPart",
)  # fmt: skip


class StoreMetrics:
    """The families of the database and of the object store, as each process sees them."""

    def __init__(self, catalog: Catalog) -> None:
        self._pool = [
            catalog.add(Family(f"moorage_db_pool_{name}", "gauge", text)).slot
            for name, text in (
                ("size", "Open connections to PostgreSQL."),
                ("in_use", "Connections to PostgreSQL that are at work."),
                ("waiting", "Requests that wait for a connection to PostgreSQL."),
            )
        ]
        self._lookups = catalog.add(
            Family("moorage_db_lookups", "counter", "Rows that pulls needed: in memory, or read.", ("result",))
        )
        self._buffers = catalog.add(
            Family("moorage_upload_bytes_in_memory", "gauge", "Memory that holds parts of uploads under way.")
        )
        self._requests = catalog.add(
            Family("moorage_store_requests", "counter", "Requests to the object store.", ("operation", "result"))
        )
        self._seconds = catalog.add(
            Family("moorage_store_request_seconds", "histogram", "Until the object store answers.", ("operation",))
        )
        catalog.slots(self._lookups, ("remembered", "asked"))
        catalog.slots(self._seconds, _OPERATIONS)
        catalog.slots(self._requests, _OPERATIONS, ("ok", "failed", "cancelled"))

    def read_into(self, gauges: Gauges, services: Services) -> None:
        """Have the measures of these services read."""
        db, lookups, pool = services.db, services.lookups, services.uploads.pool
        for number, slot in enumerate(self._pool):
            gauges.gauge(slot, lambda number=number: db.use[number])  # type: ignore[misc]  # a lambda's default
        gauges.counter(self._lookups.series["remembered",], lambda: lookups.counts[0] - lookups.counts[1])
        gauges.counter(self._lookups.series["asked",], lambda: lookups.counts[1])
        gauges.gauge(self._buffers.slot, lambda: pool.taken_bytes)
        timings = getattr(services.stores, "timings", None)
        if isinstance(timings, Timings):  # a directory has none
            for (operation, result), slot in self._requests.series.items():
                gauges.counter(slot, partial(timings.results.__getitem__, (operation, result)))
            for (operation,), slot in self._seconds.series.items():
                gauges.histogram(slot, len(SECONDS) + 2, partial(timings.durations.__getitem__, operation))


class JobMetrics:
    """The families of the background jobs, and of how much there is and waits for them."""

    def __init__(self, catalog: Catalog) -> None:
        self._runs = catalog.add(Family("moorage_job_runs", "counter", "Runs of a job.", ("job", "result")))
        self._items = catalog.add(Family("moorage_job_items", "counter", "The work that a job has done.", ("job",)))
        self._succeeded = catalog.add(
            Family(
                "moorage_job_last_success_timestamp_seconds", "gauge", "When a job last ended well.", ("job",), "max"
            )
        )
        jobs = tuple(SCHEDULE)
        catalog.slots(self._items, jobs)
        catalog.slots(self._succeeded, jobs)
        catalog.slots(self._runs, jobs, ("ok", "failed"))
        self._inventory = [
            (catalog.add(Family(name, "gauge", text, merge="max")).slot, read) for name, text, read in _INVENTORY
        ]

    def read_into(self, gauges: Gauges, runs: Runs, inventory: "Inventory") -> None:
        """Have the measures of a worker read."""
        for (job, result), slot in self._runs.series.items():
            gauges.counter(slot, partial(runs.results.__getitem__, (job, result)))
        for (job,), slot in self._items.series.items():
            gauges.counter(slot, partial(runs.items.__getitem__, job))
        for (job,), slot in self._succeeded.series.items():
            gauges.gauge(slot, partial(runs.succeeded_at.__getitem__, job))
        for slot, read in self._inventory:
            gauges.gauge(slot, partial(inventory.read, read))


class Inventory:
    """How much there is, and waits for the jobs, as it was a moment ago."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._counts: Counts | None = None

    async def watch(self) -> None:
        """Look again and again, until cancelled; what a database that is away would say stays as it was."""
        while True:
            with suppress(StorageError):
                self._counts = await administration.counts(self._services.db)
            await asyncio.sleep(_INVENTORY_SECONDS)

    def read(self, read: Callable[[Counts, float], float]) -> float:
        """Return one number of it; 0 as long as nothing is known."""
        return 0.0 if self._counts is None else read(self._counts, self._services.now())


def _overdue(since: datetime | None, now: float) -> float:
    return 0.0 if since is None else max(0.0, now - since.timestamp())


_INVENTORY: Final[tuple[tuple[str, str, Callable[[Counts, float], float]], ...]] = (
    ("moorage_packages", "Packages.", lambda all_, _: all_.packages),
    ("moorage_versions", "Versions of packages: manifests.", lambda all_, _: all_.versions),
    ("moorage_storage_bytes", "Bytes of all blobs.", lambda all_, _: all_.stored),
    ("moorage_uploads_open", "Open upload sessions.", lambda all_, _: all_.open_uploads),
    ("moorage_gc_reviews", "Links that wait for the garbage collector.", lambda all_, _: all_.reviews),
    ("moorage_gc_oldest_review_seconds", "How long the first of them has been due.",
     lambda all_, now: _overdue(all_.oldest_review, now)),
    ("moorage_dead_objects", "Objects that wait to be deleted.", lambda all_, _: all_.dead_objects),
    ("moorage_dead_objects_oldest_seconds", "How long the first of them has been due.",
     lambda all_, now: _overdue(all_.oldest_dead_object, now)),
)  # fmt: skip


class Monitoring:
    """The metrics of the processes of a node, one of which may be its WORKER; made before the fork."""

    def __init__(self, processes: Sequence[str]) -> None:
        catalog = Catalog()
        build = catalog.add(Family("moorage_build_info", "gauge", "The release.", ("version", "python"), "max"))
        catalog.slots(build, (VERSION,), (".".join(map(str, sys.version_info[:3])),))
        (self._build,) = build.series.values()
        self._process = ProcessMetrics(catalog)
        self._stores = StoreMetrics(catalog)
        self._jobs = JobMetrics(catalog) if WORKER in processes else None
        self._http = HttpMetrics(catalog) if any(process != WORKER for process in processes) else None
        self.slabs = Slabs(catalog, processes)

    @asynccontextmanager
    async def measuring(
        self, process: str, services: Services, listener: socket.socket | None
    ) -> AsyncIterator["Measured"]:
        """Measure a process within the block, and show the metrics of all of them on ``listener``."""
        slab = self.slabs.of(process)
        slab[self._build] = 1.0
        gauges, lag, inventory, runs = Gauges(slab), LoopLag(), Inventory(services), Runs()
        self._process.read_into(gauges, lag)
        self._stores.read_into(gauges, services)
        watching = [gauges.run(), lag.watch()]
        if self._jobs is not None and process == WORKER:
            self._jobs.read_into(gauges, runs, inventory)
            watching.append(inventory.watch())
        async with admin_listener(self.slabs, gauges, listener), asyncio.TaskGroup() as tasks:
            watchers = [tasks.create_task(one) for one in watching]
            try:
                yield Measured(gauges, runs, self._http, slab)
            finally:
                for watcher in watchers:
                    watcher.cancel()


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a process in the monitoring of its node; ``listener``: where it shows all metrics, if it does."""

    monitoring: Monitoring
    process: str
    listener: socket.socket | None


@asynccontextmanager
async def measuring(services: Services, place: Place | None) -> AsyncIterator["Measured | None"]:
    """Measure a process within the block; without a place, nothing is measured."""
    if place is None:
        yield None
        return
    async with place.monitoring.measuring(place.process, services, place.listener) as measured:
        yield measured


@dataclass(frozen=True, slots=True)
class Measured:
    """A process that is measured; ``runs`` is for its jobs."""

    gauges: Gauges
    runs: Runs
    http: HttpMetrics | None
    slab: Slab

    def counter(self) -> Callable[[Sequence[Line]], None] | None:
        """Return what counts the requests that the process answers."""
        return None if self.http is None else self.http.counter(self.slab)

    def watch(self, router: Router, server: Server) -> None:
        """Have the measures of a process that answers read."""
        if self.http is not None:
            self.http.read_into(self.gauges, router, server)

"""The metrics of a node: their catalog, and where each is read in the objects of a process.

Nothing of it exists, and nothing is counted, unless there is an address to show it at (MOORAGE_ADMIN_LISTEN).
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from registry.http.admin_listener import admin_listener
from registry.http.metrics import HttpMetrics
from registry.http.mirror_metrics import MirrorMetrics
from registry.http.owner_metrics import OwnerMetrics
from registry.http.reachability import Reachability
from registry.http.router import Router
from registry.http.server.access_log import Count
from registry.http.server.protocol import Server
from registry.packages.tag_rules import CHANGES
from registry.process.gauges import Gauges, LoopLag, ProcessMetrics
from registry.process.metrics import Catalog, Family, Slab, Slabs
from registry.services import Services
from registry.version import VERSION
from storage.metadata.statement_watch import modules
from storage.timings import SECONDS, Timings

if TYPE_CHECKING:
    from registry.jobs.metrics import JobMetrics
    from registry.jobs.runner import Runs

WORKER: Final = "worker"
#: The values of a histogram.
_HISTOGRAM: Final = len(SECONDS) + 2
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
        self._refusals = catalog.add(Family("moorage_quota_refusals", "counter", "Uploads that a quota refused."))
        self._requests = catalog.add(
            Family("moorage_store_requests", "counter", "Requests to the object store.", ("operation", "result"))
        )
        self._seconds = catalog.add(
            Family("moorage_store_request_seconds", "histogram", "Until the object store answers.", ("operation",))
        )
        self._stolen = catalog.add(
            Family("moorage_upload_leases_stolen", "counter", "Uploads that were taken from requests that had died.")
        )
        self._waits = catalog.add(
            Family("moorage_db_pool_wait_seconds", "histogram", "Until a connection was had, where none was at hand.")
        )
        self._statements = catalog.add(
            Family("moorage_db_statement_seconds", "histogram", "Until PostgreSQL answers.", ("module",), sparse=1)
        )
        catalog.slots(self._statements, modules())
        kept = "Changes of tags that the owner's rules refused."
        self._refused = catalog.add(Family("moorage_tag_changes_refused", "counter", kept, ("change",)))
        catalog.slots(self._refused, CHANGES)
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
        for (change,), slot in self._refused.series.items():
            gauges.counter(slot, partial(db.refused_changes.__getitem__, change))
        gauges.gauge(self._buffers.slot, lambda: pool.taken_bytes)
        gauges.counter(self._stolen.slot, lambda: services.uploads.counts["stolen"])
        gauges.histogram(self._waits.slot, _HISTOGRAM, lambda: db.waits.durations[""])
        if db.watch is not None:
            asked = db.watch.timings.durations
            for (module,), slot in self._statements.series.items():
                gauges.histogram(slot, _HISTOGRAM, partial(asked.__getitem__, module))
        gauges.counter(self._refusals.slot, lambda: services.uploads.counts["over_quota"])
        timings = getattr(services.stores, "timings", None)
        if isinstance(timings, Timings):  # a directory has none
            for (operation, result), slot in self._requests.series.items():
                gauges.counter(slot, partial(timings.results.__getitem__, (operation, result)))
            for (operation,), slot in self._seconds.series.items():
                gauges.histogram(slot, _HISTOGRAM, partial(timings.durations.__getitem__, operation))


class Monitoring:
    """The metrics of the processes of a node, one of which may be its WORKER; made before the fork.

    ``owners``: those that have series of their own; ``disk``: the directory that is the store, if it is one.
    """

    def __init__(self, processes: Sequence[str], owners: Sequence[str] = (), disk: Path | None = None) -> None:
        catalog = Catalog()
        build = catalog.add(Family("moorage_build_info", "gauge", "The release.", ("version", "python"), "max"))
        catalog.slots(build, (VERSION,), (".".join(map(str, sys.version_info[:3])),))
        (self._build,) = build.series.values()
        self._process = ProcessMetrics(catalog)
        self._stores = StoreMetrics(catalog)
        self._mirrors = MirrorMetrics(catalog)
        self._reachability = Reachability(catalog, disk)
        self._jobs = _job_metrics(catalog) if WORKER in processes else None
        self._http = HttpMetrics(catalog) if any(process != WORKER for process in processes) else None
        self._owners = OwnerMetrics(catalog, owners) if owners and self._http is not None else None
        self.slabs = Slabs(catalog, processes)

    @asynccontextmanager
    async def measuring(
        self, process: str, services: Services, listener: socket.socket | None, runs: "Runs | None"
    ) -> AsyncIterator["Measured"]:
        """Measure a process within the block, and show the metrics of all of them on ``listener``."""
        slab = self.slabs.of(process)
        slab[self._build] = 1.0
        gauges, lag = Gauges(slab), LoopLag()
        self._process.read_into(gauges, lag)
        self._stores.read_into(gauges, services)
        self._mirrors.read_into(gauges, services.mirroring)
        watching = [gauges.run(), lag.watch(), self._reachability.watch(gauges, services)]
        if self._jobs is not None and runs is not None:
            watching.append(self._jobs.watch(gauges, runs, services))
        async with admin_listener(self.slabs, gauges, listener), asyncio.TaskGroup() as tasks:
            watchers = [tasks.create_task(one) for one in watching]
            try:
                yield Measured(gauges, self._http, self._owners, slab)
            finally:
                for watcher in watchers:
                    watcher.cancel()


def _job_metrics(catalog: Catalog) -> "JobMetrics":
    from registry.jobs.metrics import JobMetrics  # noqa: PLC0415 - a process that serves does no jobs

    return JobMetrics(catalog)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a process in the monitoring of its node; ``listener``: where it shows all metrics, if it does."""

    monitoring: Monitoring
    process: str
    listener: socket.socket | None

    def measuring(self, services: Services, runs: "Runs | None" = None) -> AbstractAsyncContextManager["Measured"]:
        """Measure the process within the block; ``runs``: those of its jobs."""
        return self.monitoring.measuring(self.process, services, self.listener, runs)


@dataclass(frozen=True, slots=True)
class Measured:
    """A process that is measured."""

    gauges: Gauges
    http: HttpMetrics | None
    owners: OwnerMetrics | None
    slab: Slab

    def counts(self) -> list[Count]:
        """Return what counts the requests that the process answers."""
        return [family.counter(self.slab) for family in (self.http, self.owners) if family is not None]

    def watch(self, router: Router, server: Server) -> None:
        """Have the measures of a process that answers read."""
        if self.http is not None:
            self.http.read_into(self.gauges, router, server)

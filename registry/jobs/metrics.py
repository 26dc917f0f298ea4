"""Metrics of a worker: the runs of its jobs, and how much there is and waits for them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

from registry.jobs.runner import Runs
from registry.jobs.schedule import SCHEDULE
from registry.process.gauges import Gauges
from registry.process.metrics import Catalog, Family
from registry.services import Services
from storage.errors import StorageError
from storage.metadata import administration
from storage.metadata.administration import Counts

_INVENTORY_SECONDS: Final = 30.0
#: How an attempt to deliver ends: it is taken, tried again later, or given up.
_ATTEMPTS: Final = ("delivered", "again", "failed")


class JobMetrics:
    """The families of the background jobs, and of how much there is and waits for them."""

    def __init__(self, catalog: Catalog) -> None:
        self._runs = catalog.add(Family("moorage_job_runs", "counter", "Runs of a job.", ("job_name", "result")))
        self._items = catalog.add(
            Family("moorage_job_items", "counter", "The work that a job has done.", ("job_name",))
        )
        self._succeeded = catalog.add(
            Family(
                "moorage_job_last_success_timestamp_seconds",
                "gauge",
                "When a job last ended well.",
                ("job_name",),
                "max",
            )
        )
        jobs = tuple(SCHEDULE)
        catalog.slots(self._items, jobs)
        catalog.slots(self._succeeded, jobs)
        catalog.slots(self._runs, jobs, ("ok", "failed"))
        self._attempts = catalog.add(
            Family("moorage_hook_attempts", "counter", "Attempts to deliver to a webhook.", ("result",))
        )
        catalog.slots(self._attempts, _ATTEMPTS)
        self._inventory = [
            (catalog.add(Family(name, "gauge", text, merge="max")).slot, read) for name, text, read in _INVENTORY
        ]

    async def watch(self, gauges: Gauges, runs: Runs, services: Services) -> None:
        """Have the measures of a worker read, and look what there is again and again, until cancelled."""
        inventory = Inventory(services)
        for (job, result), slot in self._runs.series.items():
            gauges.counter(slot, partial(runs.results.__getitem__, (job, result)))
        for (job,), slot in self._items.series.items():
            gauges.counter(slot, partial(runs.items.__getitem__, job))
        for (job,), slot in self._succeeded.series.items():
            gauges.gauge(slot, partial(runs.succeeded_at.__getitem__, job))
        for (result,), slot in self._attempts.series.items():
            gauges.counter(slot, partial(services.sender.results.__getitem__, result))
        for slot, read in self._inventory:
            gauges.gauge(slot, partial(inventory.read, read))
        await inventory.watch()


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
    ("moorage_hook_deliveries_waiting", "Deliveries of webhooks that wait, counted as far as 10,000.",
     lambda all_, _: all_.hook_deliveries),
)  # fmt: skip

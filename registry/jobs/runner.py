"""Runs the jobs of ``schedule``, each again after its pause, on as many replicas as there are.

Every job is idempotent and takes its rows with SKIP LOCKED or a lease, so no leader is needed.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from registry.jobs.schedule import COLLECTOR, SCHEDULE, Job
from registry.services import Services
from storage.errors import DatabaseUnavailable, ReadOnly, StorageError, StoreUnavailable
from storage.metadata import job_runs, read_only

log = structlog.get_logger()

#: Not done while the registry is read-only.
_CHANGES_CONTENT: Final = frozenset({*COLLECTOR, "add_sizes", "keep_retention"})
_AFTER_FAILURE_SECONDS: Final = 10.0
#: What a job does is recorded for administrators when it is idle again, and as often as this in any case.
_RECORDED_SECONDS: Final = 300.0
_FAILURE_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of the jobs of this process: how many ended how, what they have done, and when the last ended well."""

    results: Counter[tuple[str, str]] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)
    succeeded_at: defaultdict[str, float] = field(default_factory=partial(defaultdict, float))  # Unix seconds


async def run(
    services: Services,
    stopping: asyncio.Event,
    schedule: Mapping[str, tuple[Job, float]] = SCHEDULE,
    *,
    runs: Runs,
) -> None:
    """Runs every job until ``stopping`` is set; a job under way is finished first."""
    async with asyncio.TaskGroup() as tasks:
        for name, (job, pause_seconds) in schedule.items():
            tasks.create_task(_repeat(Record(services, name, pause_seconds, runs), job, stopping))


async def _repeat(record: "Record", job: Job, stopping: asyncio.Event) -> None:
    services, name, pause_seconds = record.services, record.name, record.pause_seconds
    while not stopping.is_set():
        pause = pause_seconds
        try:
            await _require_writable(services, name)
            done = await job(services)
        except ReadOnly:
            pass
        except StorageError as error:
            await record.failed(error)
            pause = _AFTER_FAILURE_SECONDS
        else:
            await record.ran(done)
            if done:
                log.info("job.done", job=name, items=done)
                continue  # there may be more: a pause after each batch would be a limit on how much is ever done
        try:
            async with asyncio.timeout(pause):
                await stopping.wait()
        except TimeoutError:
            continue


async def _require_writable(services: Services, name: str) -> None:
    """Raise ReadOnly for a job that changes what a read-only registry keeps."""
    if name in _CHANGES_CONTENT:
        await read_only.require_off(services.db)


class Record:
    """The record of a job's runs: in ``runs``, and seldom in the database; one that cannot be written is left out."""

    def __init__(self, services: Services, name: str, pause_seconds: float, runs: Runs) -> None:
        self.services = services
        self.name = name
        self.pause_seconds = pause_seconds
        self._runs = runs
        self._items = 0
        self._recorded = False
        self._ran_at = services.now()
        self._failed_at = float("-inf")
        self._failure = ""  # of the last run, if the log has it

    async def ran(self, done: int) -> None:
        """Record a run that ended well, if the job has come to rest after some work, or not for a while."""
        if self._failure:
            log.info("job.recovered", job=self.name)
            self._failure = ""
        self._items += done
        self._runs.results[self.name, "ok"] += 1
        self._runs.items[self.name] += done
        self._runs.succeeded_at[self.name] = self.services.now()
        now = self.services.now()
        if (not done and (self._items or not self._recorded)) or now - self._ran_at >= _RECORDED_SECONDS:
            with suppress(StorageError):
                await job_runs.ran(self.services.db, self.name, self.pause_seconds, self._items)
                self._items, self._ran_at, self._recorded = 0, now, True

    async def failed(self, error: StorageError) -> None:
        """Record a failure: in the log unless the log has it, in the database unless one was recorded not long ago."""
        if isinstance(error, DatabaseUnavailable | StoreUnavailable):
            self.services.outages.note(error, job=self.name)
        elif str(error) != self._failure:
            self._failure = str(error)
            log.warning("job.failed", job=self.name, error=self._failure)
        self._runs.results[self.name, "failed"] += 1
        now = self.services.now()
        if now - self._failed_at >= _RECORDED_SECONDS:
            with suppress(StorageError):
                await job_runs.failed(self.services.db, self.name, self.pause_seconds, str(error)[:_FAILURE_MAX])
                self._failed_at = now


async def run_once(services: Services, names: Iterable[str] = SCHEDULE) -> dict[str, int]:
    """Run the jobs of these names in the order of the schedule until all are idle; return the items of each.

    Safe beside any number of workers, as the jobs are. Raises StorageError, ReadOnly among it.
    """
    jobs = {name: job for name, (job, _pause) in SCHEDULE.items() if name in frozenset(names)}
    totals = dict.fromkeys(jobs, 0)
    while True:
        round_total = 0
        for name, job in jobs.items():
            await _require_writable(services, name)
            done = await job(services)
            totals[name] += done
            round_total += done
        if not round_total:
            return totals

"""Runs the jobs of ``schedule``, each again after its pause, on as many replicas as there are.

Every job is idempotent and takes its rows with SKIP LOCKED or a lease, so no leader is needed.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

import structlog

from registry.jobs.schedule import SCHEDULE, Job
from registry.services import Services
from storage.errors import StorageError
from storage.metadata import job_runs

log = structlog.get_logger()

_AFTER_FAILURE_SECONDS: Final = 10.0
#: What a job does is recorded for administrators when it is idle again, and as often as this in any case.
_RECORDED_SECONDS: Final = 300.0
_FAILURE_MAX: Final = 300


async def run(
    services: Services, stopping: asyncio.Event, schedule: Mapping[str, tuple[Job, float]] = SCHEDULE
) -> None:
    """Runs every job until ``stopping`` is set; a job under way is finished first."""
    async with asyncio.TaskGroup() as tasks:
        for name, (job, pause_seconds) in schedule.items():
            tasks.create_task(_repeat(services, name, job, pause_seconds, stopping))


async def _repeat(services: Services, name: str, job: Job, pause_seconds: float, stopping: asyncio.Event) -> None:
    record = Record(services, name, pause_seconds)
    while not stopping.is_set():
        pause = pause_seconds
        try:
            done = await job(services)
        except StorageError as error:
            log.warning("job.failed", job=name, error=str(error))
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


class Record:
    """The record of a job's runs in the database, written seldom; one that cannot be written is left out."""

    def __init__(self, services: Services, name: str, pause_seconds: float) -> None:
        self._services = services
        self._name = name
        self._pause_seconds = pause_seconds
        self._items = 0
        self._recorded = False
        self._ran_at = services.now()
        self._failed_at = float("-inf")

    async def ran(self, done: int) -> None:
        """Record a run that ended well, if the job has come to rest after some work, or not for a while."""
        self._items += done
        now = self._services.now()
        if (not done and (self._items or not self._recorded)) or now - self._ran_at >= _RECORDED_SECONDS:
            with suppress(StorageError):
                await job_runs.ran(self._services.db, self._name, self._pause_seconds, self._items)
                self._items, self._ran_at, self._recorded = 0, now, True

    async def failed(self, error: StorageError) -> None:
        """Record a failure, unless one was recorded not long ago."""
        now = self._services.now()
        if now - self._failed_at >= _RECORDED_SECONDS:
            with suppress(StorageError):
                await job_runs.failed(self._services.db, self._name, self._pause_seconds, str(error)[:_FAILURE_MAX])
                self._failed_at = now


async def run_once(services: Services, names: Iterable[str] = SCHEDULE) -> dict[str, int]:
    """Run the jobs of these names in the order of the schedule until all are idle; return the items of each.

    Safe beside any number of workers, as the jobs are. Raises StorageError.
    """
    jobs = {name: job for name, (job, _pause) in SCHEDULE.items() if name in frozenset(names)}
    totals = dict.fromkeys(jobs, 0)
    while True:
        round_total = 0
        for name, job in jobs.items():
            done = await job(services)
            totals[name] += done
            round_total += done
        if not round_total:
            return totals

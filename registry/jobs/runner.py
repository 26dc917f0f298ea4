"""Runs the jobs of ``schedule``, each again after its pause, on as many replicas as there are.

Every job is idempotent and takes its rows with SKIP LOCKED or a lease, so no leader is needed.
"""

import asyncio
import signal
from collections.abc import Iterable
from typing import Final

import structlog

from registry.jobs.schedule import SCHEDULE, Job
from registry.services import Services
from storage.errors import StorageError

log = structlog.get_logger()

_AFTER_FAILURE_SECONDS: Final = 10.0


def stop_signals(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def run(services: Services, stopping: asyncio.Event) -> None:
    """Runs every job until ``stopping`` is set; a job under way is finished first."""
    async with asyncio.TaskGroup() as tasks:
        for name, (job, pause_seconds) in SCHEDULE.items():
            tasks.create_task(_repeat(services, name, job, pause_seconds, stopping))


async def _repeat(services: Services, name: str, job: Job, pause_seconds: float, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        pause = pause_seconds
        try:
            done = await job(services)
        except StorageError as error:
            log.warning("job.failed", job=name, error=str(error))
            pause = _AFTER_FAILURE_SECONDS
        else:
            if done:
                log.info("job.done", job=name, items=done)
                continue  # there may be more: a pause after each batch would be a limit on how much is ever done
        try:
            async with asyncio.timeout(pause):
                await stopping.wait()
        except TimeoutError:
            continue


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

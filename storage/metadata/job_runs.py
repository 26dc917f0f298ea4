"""Runs of the background jobs, as far as workers record them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class JobRun:
    """The last runs of a job. ``items``: the work that was recorded at ``worked_at``; ``late``: no worker runs it."""

    job: str
    pause_seconds: float
    ran_at: datetime | None
    worked_at: datetime | None
    items: int
    failed_at: datetime | None
    failure: str | None
    late: bool


_RAN: Final = command(
    """
    INSERT INTO job_runs AS known (job, pause_seconds, ran_at, worked_at, items)
    VALUES ($1, $2, now(), CASE WHEN $3::bigint > 0 THEN now() END, $3)
    ON CONFLICT (job) DO UPDATE SET
        pause_seconds = excluded.pause_seconds, ran_at = excluded.ran_at,
        worked_at = coalesce(excluded.worked_at, known.worked_at),
        items = CASE WHEN excluded.items > 0 THEN excluded.items ELSE known.items END
    """
)


async def ran(db: Executor, job: str, pause_seconds: float, items: int) -> None:
    """Record that a job ran well, with the number of items since the record before."""
    await _RAN.run(db, job, pause_seconds, items)


_FAILED: Final = command(
    """
    INSERT INTO job_runs (job, pause_seconds, failed_at, failure) VALUES ($1, $2, now(), $3)
    ON CONFLICT (job) DO UPDATE SET
        pause_seconds = excluded.pause_seconds, failed_at = excluded.failed_at, failure = excluded.failure
    """
)


async def failed(db: Executor, job: str, pause_seconds: float, failure: str) -> None:
    """Record that a job failed, and why."""
    await _FAILED.run(db, job, pause_seconds, failure)


# A worker records each job every five minutes at least, a slower job after each of its pauses.
_ALL: Final = select(
    JobRun,
    """
    SELECT job, pause_seconds, ran_at, worked_at, items, failed_at, failure,
           ran_at IS NULL OR ran_at < now() - interval '15 minutes' - make_interval(secs => pause_seconds) AS late
      FROM job_runs ORDER BY job LIMIT 100
    """,
)


async def listed(db: Executor) -> list[JobRun]:
    """List the jobs that a worker has recorded, by name."""
    return await _ALL.all(db)

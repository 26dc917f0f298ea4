"""What workers record of the background jobs: seldom, and with what failed."""

import asyncio
from dataclasses import replace

import pytest

from registry.jobs import runner
from registry.services import Services
from storage.errors import Unavailable
from storage.metadata import job_runs
from storage.metadata.job_runs import JobRun
from tests.support.server import Registry


class _Job:
    """A job that does as much as it is told in each run, and stops the runner after the last."""

    def __init__(self, runs: list[int | None]) -> None:
        self.runs = runs
        self.stopping = asyncio.Event()

    async def __call__(self, _services: Services) -> int:
        done = self.runs.pop(0)
        if not self.runs:
            self.stopping.set()
        if done is None:
            raise Unavailable("S3: no answer")
        return done


async def _recorded(registry: Registry, runs: list[int | None], *, step: float = 0.0) -> list[JobRun]:
    """Runs a job, whose clock goes on by ``step`` seconds with each look at it; what is recorded then."""
    clock = iter(range(10**6))
    services = replace(registry.services, now=lambda: next(clock) * step)
    job = _Job(runs)
    await runner.run(services, job.stopping, {"collect_garbage": (job, 0.0)}, runs=runner.Runs())
    return await job_runs.listed(services.db)


@pytest.mark.parametrize(
    ("runs", "step", "items"),
    [([0], 0.0, 0), ([200, 200, 7, 0, 0], 0.0, 407), ([0, 0, 0], 400.0, 0), ([5, 5, 0], 400.0, 5)],
)
async def test_a_run_is_recorded_with_its_work(
    registry: Registry, runs: list[int | None], step: float, items: int
) -> None:
    (one,) = await _recorded(registry, runs, step=step)
    assert (one.job, one.items, one.worked_at is not None, one.failure) == ("collect_garbage", items, items > 0, None)
    assert one.ran_at is not None
    assert not one.late


async def test_idle_runs_are_not_recorded_each(registry: Registry) -> None:
    await _recorded(registry, [0])
    before = await registry.services.db.fetchrow("SELECT xmin::text FROM job_runs")
    services = registry.services
    record = runner.Record(services, "collect_garbage", 30.0, runner.Runs())
    await record.ran(0)
    first = await services.db.fetchrow("SELECT xmin::text FROM job_runs")
    for _ in range(20):
        await record.ran(0)
    assert await services.db.fetchrow("SELECT xmin::text FROM job_runs") == first
    assert first != before
    await record.ran(3)
    await record.ran(0)
    assert await services.db.fetchrow("SELECT xmin::text FROM job_runs") != first


async def test_a_failure_is_recorded(registry: Registry) -> None:
    (one,) = await _recorded(registry, [None])
    assert (one.ran_at, one.failure, one.failed_at is not None, one.late) == (None, "S3: no answer", True, True)


async def test_a_job_that_no_worker_runs_is_late(registry: Registry) -> None:
    await registry.services.db.execute("INSERT INTO job_runs VALUES ('a', 30, now() - interval '1 hour')")
    await registry.services.db.execute("INSERT INTO job_runs VALUES ('b', 3600, now() - interval '1 hour')")
    assert [(one.job, one.late) for one in await job_runs.listed(registry.services.db)] == [("a", True), ("b", False)]

"""What the log tells of a PostgreSQL that restarts, and of an object store or a sink that is away: two lines, once each."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.processes import free_ports
from registry.devservers.seaweed import EmbeddedS3
from registry.jobs.runner import Record, Runs
from registry.jobs.stream_audit import stream_audit
from storage.errors import Unavailable
from storage.metadata.migrate import migrate
from tests.support.processes import ready, serving, started, worker
from tests.support.scratch import scratch
from tests.support.server import Registry, running, settings_env
from tests.support.tcp import TcpProxy


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of the test's own, to be restarted."""
    with scratch(tmp_path / "postgres") as folder, EmbeddedPostgres(folder, {"fsync": "off"}) as server:
        yield server


def told(log: Path) -> Counter[str]:
    """The events in a log that are not of one request or one batch of work; a line that is no JSON is one by itself."""
    events = Counter[str]()
    for line in log.read_bytes().splitlines():
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            events[line.decode()] += 1
            continue
        assert "exception" not in event, event
        events[event["event"]] += 1
    for usual in ("http.request", "job.done", "serve.ready", "serve.leaving"):
        del events[usual]
    return events


ONCE = Counter({"storage.unavailable": 1, "storage.available": 1})


@asynccontextmanager
async def load(registry: Registry, url: str, token: str, *targets: tuple[str, str]) -> AsyncIterator[Counter[int]]:
    """Ask for each of the targets all the time within the block; the statuses."""
    statuses, over = Counter[int](), asyncio.Event()

    async def ask(method: str, path: str) -> None:
        while not over.is_set():
            statuses[(await registry.call(method, url + path, token)).status] += 1
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        for target in targets:
            tasks.create_task(ask(*target))
        yield statuses
        over.set()


async def said(event: str, *logs: Path, seconds: float = 30.0) -> None:
    """Until the event is in the logs."""
    async with asyncio.timeout(seconds):
        while not all(told(log)[event] for log in logs):  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.1)


@pytest.mark.timeout(120)
async def test_a_restart_of_postgres_under_load(own: EmbeddedPostgres, s3: EmbeddedS3, tmp_path: Path) -> None:
    await migrate(own.dsn())
    more = {"MOORAGE_WORKERS": "1", "MOORAGE_AUDIT_SINK": str(tmp_path / "audit")}
    env = settings_env(own.dsn(), s3, "outages-postgres", **more)
    logs = served, worked = tmp_path / "served", tmp_path / "worked"
    async with running(env) as registry, serving(env, served) as (_, url), worker(env, worked):
        token = await registry.user("alice")
        await registry.push_image("alice/app", "v1", token)
        targets = [("GET", path) for path in ("/v2/alice/app/manifests/v1", "/api/v3/user", "/alice/app", "/token")]
        async with load(registry, url, token, *targets, ("POST", "/v2/alice/app/blobs/uploads/")) as statuses:
            await asyncio.sleep(1)
            await asyncio.to_thread(own.stop)
            await said("storage.unavailable", *logs)  # the worker asks every five seconds for what to stream
            await asyncio.sleep(2)
            await asyncio.to_thread(own.start)
            await said("storage.available", *logs)
            assert statuses[503] > 50
            assert statuses[500] == 0
            statuses.clear()
            await asyncio.sleep(1)
            assert set(statuses) == {200, 202, 404}
    assert [told(log) for log in logs] == [ONCE, ONCE]


@pytest.mark.timeout(120)
async def test_a_start_before_postgres(own: EmbeddedPostgres, s3: EmbeddedS3, tmp_path: Path) -> None:
    await migrate(own.dsn())
    env = settings_env(own.dsn(), s3, "outages-start", MOORAGE_WORKERS="1")
    logs = served, worked = tmp_path / "served", tmp_path / "worked"
    async with running(env):
        pass  # it makes the bucket
    await asyncio.to_thread(own.stop)
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    process = await started(env, url, served)
    try:
        async with worker(env, worked):
            await said("storage.unavailable", *logs)
            await asyncio.sleep(2)
            await asyncio.to_thread(own.start)
            await said("storage.available", *logs)
            await ready(url)
    finally:
        process.terminate()
        status = await process.wait()
    assert status == 0
    assert [told(log) for log in logs] == [ONCE, ONCE]


async def test_an_object_store_that_is_away(env: dict[str, str], s3: EmbeddedS3, tmp_path: Path) -> None:
    log = tmp_path / "served"
    async with TcpProxy(s3.endpoint) as away, running(env) as registry:
        token = await registry.user("alice")
        digest = await registry.push_blob("alice/app", bytes(100_000), token)
        through = {**env, "MOORAGE_S3_ENDPOINT": away.through(env["MOORAGE_S3_ENDPOINT"]), "MOORAGE_WORKERS": "1"}
        async with serving(through, log) as (_, url):
            async with load(registry, url, token, *[("GET", f"/v2/alice/app/blobs/{digest}")] * 4) as statuses:
                await asyncio.sleep(1)
                await away.refuse()
                async with asyncio.timeout(60):
                    while statuses[503] < 5:  # noqa: ASYNC110 - of what runs beside
                        await asyncio.sleep(0.1)
                await away.heal()
                await said("storage.available", log)
            assert (statuses[200] > 0, statuses[500]) == (True, 0)
    assert told(log) == ONCE


async def test_a_process_that_only_probes_reach(env: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "served"
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as away, running(env) as registry:
        through = {**env, "MOORAGE_DATABASE_URL": away.through(env["MOORAGE_DATABASE_URL"]), "MOORAGE_WORKERS": "1"}
        async with serving(through, log) as (_, url):
            await away.refuse()
            for _ in range(3):
                assert (await registry.call("GET", f"{url}/readyz")).status == 503
            await away.heal()
            await said("storage.available", log)
    assert told(log) == ONCE


async def test_an_audit_sink_that_is_away(
    env: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its job fails again and again, which is told at first, and when the sink is back."""
    sink = tmp_path / "later" / "audit"
    async with running({**env, "MOORAGE_AUDIT_SINK": str(sink)}) as registry:
        await registry.user("alice")
        record = Record(registry.services, "stream_audit", 5.0, Runs())
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                await stream_audit(registry.services)
            await record.failed(caught.value)
        await asyncio.to_thread(sink.parent.mkdir)
        for _ in range(2):
            await record.ran(await stream_audit(registry.services))
    output = "".join(capfd.readouterr())
    assert (output.count("job.failed"), output.count("job.recovered")) == (1, 1), output

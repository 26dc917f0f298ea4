"""The alerts of the chart in a real Prometheus: each fires on a fault that is planted in a running registry.

The rules are those of helm/files/alerts.yaml but for how long they look back and wait, which is seconds here.
MoorageJobSilent takes four hours: tests/helm/test_alerts.py has it by promtool alone, with the others once more.
"""

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import aiohttp
import asyncpg
import orjson
import pytest
import yaml  # type: ignore[import-untyped]

from registry.accounts.organizations import create
from registry.devservers.processes import free_ports
from storage.metadata import read_only
from tests.support.processes import children_of, serving
from tests.support.raw import Wire, ask, request
from tests.support.server import Registry, basic, on_disk
from tests.support.tcp import TcpProxy
from tests.watch.fleet import Clients, Fleet, fleet
from tests.watch.prometheus import Prometheus, prometheus, until

pytestmark = [pytest.mark.watch, pytest.mark.timeout(7200)]

ALERTS = Path(__file__).parent.parent.parent / "helm" / "files" / "alerts.yaml"
#: How far the rules of the test look back, and how long they wait: those of jobs see two runs.
SHORT = {"5m": "6s", "30m": "25s"}
#: What is looked at every ten seconds has to be wrong twice.
WAITS = {"2m": "16s"}
WAIT = "3s"
FIRES_SECONDS, QUIET_SECONDS = 90.0, 120.0
#: MoorageSlow, as the rules of the test have it.
WINDOW_SECONDS, SLOW_SECONDS = 6, 0.25
LARGE = 200_000


def shortened(folder: Path) -> Path:
    """The rules with short windows, in a file."""
    text = ALERTS.read_text()
    for long, short in SHORT.items():
        assert f"[{long}]" in text
        text = text.replace(f"[{long}]", f"[{short}]")
    path = folder / "alerts.yaml"
    text = re.sub(r"^( +for: )(.*)$", lambda one: one[1] + WAITS.get(one[2], WAIT), text, flags=re.MULTILINE)
    path.write_text(text)
    return path


def names() -> set[str]:
    rules = yaml.safe_load(ALERTS.read_text())
    return {rule["alert"] for group in rules["groups"] for rule in group["rules"]}


@dataclass
class Registries:
    """A fleet behind proxies, its clients, and its Prometheus."""

    running: Fleet
    clients: Clients
    registry: Registry
    database: TcpProxy
    store: TcpProxy
    watching: Prometheus
    sink: Path
    url: str


@asynccontextmanager
async def asking(call: Callable[[], Awaitable[object]], clients: int = 1, pause: float = 0.05) -> AsyncIterator[None]:
    """So many clients call again and again within the block."""

    async def repeat() -> None:
        while True:
            with suppress(aiohttp.ClientError):
                await call()
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(repeat()) for _ in range(clients)]
        try:
            yield
        finally:
            for one in running:
                one.cancel()


def pulling(all_: Registries, *, at: int | None = None) -> AbstractAsyncContextManager[None]:
    clients = all_.clients
    path = "/v2/alice/app/manifests/v1"
    return asking(lambda: clients.call("manifest_get", "GET", path, clients.tokens["alice"], at=at), 2)


@asynccontextmanager
async def a_slow_database(all_: Registries) -> AsyncIterator[None]:
    all_.database.slow(0.2)
    async with pulling(all_):
        yield
    await all_.database.heal()


def listing(all_: Registries, clients: int) -> AbstractAsyncContextManager[None]:
    told = all_.clients
    path = "/v2/alice/app/tags/list"
    return asking(lambda: told.call("tags_list", "GET", path, told.tokens["alice"], at=0), clients, 0.0)


@asynccontextmanager
async def few_connections(all_: Registries) -> AsyncIterator[None]:
    all_.database.slow(0.1)
    async with listing(all_, 100):
        yield
    await all_.database.heal()


@asynccontextmanager
async def a_crowd(all_: Registries) -> AsyncIterator[None]:
    all_.database.slow(0.1)
    async with listing(all_, 800):
        yield
    await all_.database.heal()


@asynccontextmanager
async def no_store(all_: Registries) -> AsyncIterator[None]:
    clients, token = all_.clients, all_.clients.tokens["alice"]

    async def push() -> None:
        begun = await clients.call("upload_start", "POST", "/v2/alice/app/blobs/uploads/", token)
        place, body = begun.headers.get("Location", ""), os.urandom(LARGE)
        sent = await clients.call("upload_chunk", "PATCH", place, token, data=body, kind="application/octet-stream")
        if sent.status == 202:
            await clients.call("upload_finish", "PUT", f"{sent.headers['Location']}?digest=sha256:{'0' * 64}", token)

    await all_.store.refuse()
    async with asking(push, 2):
        yield
    await all_.store.heal()


@asynccontextmanager
async def no_database(all_: Registries) -> AsyncIterator[None]:
    await all_.database.refuse()
    async with pulling(all_):
        yield
    await all_.database.heal()


@asynccontextmanager
async def switched_read_only(all_: Registries) -> AsyncIterator[None]:
    db, clients = all_.registry.services.db, all_.clients
    await read_only.switch_on(db, "a test looks")
    path = "/v2/alice/app/blobs/uploads/"
    async with asking(lambda: clients.call("upload_start", "POST", path, clients.tokens["alice"])):
        yield
    await read_only.switch_off(db)


@asynccontextmanager
async def held(all_: Registries, late: str, rows: str) -> AsyncIterator[None]:
    """Make rows of a queue late, and hold them in a transaction that nobody ends: no job can take them."""
    await all_.registry.services.db.execute(late)
    holder = await asyncpg.connect(all_.url)
    try:
        async with holder.transaction():
            assert await holder.execute(f"SELECT FROM {rows} FOR UPDATE") != "SELECT 0"
            yield
    finally:
        await holder.close()


@asynccontextmanager
async def a_review_that_waits(all_: Registries) -> AsyncIterator[None]:
    await all_.clients.push_blob("alice/app", os.urandom(100), all_.clients.tokens["alice"])
    async with held(all_, "UPDATE link_reviews SET due_at = now() - interval '7 hours'", "link_reviews"):
        yield


@asynccontextmanager
async def an_object_that_waits(all_: Registries) -> AsyncIterator[None]:
    late = "INSERT INTO dead_objects (object_key, not_before) VALUES ('b/00/none', now() - interval '25 hours')"
    async with held(all_, late, "dead_objects WHERE object_key = 'b/00/none'"):
        yield


@asynccontextmanager
async def a_sink_that_is_away(all_: Registries) -> AsyncIterator[None]:
    there = all_.sink.parent
    away = there.rename(there.with_name("away"))
    clients, token = all_.clients, all_.clients.tokens["alice"]
    await clients.push("alice", "v2", 100)
    assert token
    yield
    away.rename(there)


@asynccontextmanager
async def receivers_that_fail(all_: Registries) -> AsyncIterator[None]:
    """What waits for the next attempt: the worker counts it twice a minute."""
    registry, db = all_.registry, all_.registry.services.db
    await create(db, "acme", "alice")
    token = await registry.token("alice", ["admin:org"])
    body = {"config": {"url": "https://hooks.example/"}, "events": ["package"], "active": False}
    made = await registry.call("POST", "/api/v3/orgs/acme/hooks", token, json=body)
    assert made.status == 201, made.body
    await db.execute(
        "INSERT INTO hook_deliveries (hook_id, event, lane, state, due_at)"
        " SELECT $1, 'package', n, 'waiting', now() + interval '1 day' FROM generate_series(1, 10000) n",
        orjson.loads(made.body)["id"],
    )
    yield
    await db.execute("DELETE FROM hook_deliveries")


@asynccontextmanager
async def a_replica_gone(all_: Registries) -> AsyncIterator[None]:
    process = all_.running.serving[2]
    process.send_signal(signal.SIGSTOP)
    children = children_of(process.pid)
    for child in children:
        os.kill(child, signal.SIGSTOP)
    yield
    for child in (*children, process.pid):
        os.kill(child, signal.SIGCONT)


@asynccontextmanager
async def a_worker_gone(all_: Registries) -> AsyncIterator[None]:
    for pid in (*children_of(all_.running.worker.pid), all_.running.worker.pid):
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in (*children_of(all_.running.worker.pid), all_.running.worker.pid):
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def processes_that_die(all_: Registries) -> AsyncIterator[None]:
    """A process dies in the middle of an upload, and its client goes on elsewhere; again and again."""
    token, urls = all_.clients.tokens["alice"], all_.running.urls
    secret = f"Authorization: {basic(token)['Authorization']}"

    async def die() -> None:
        begun = await ask(urls[0], request("POST", "/v2/alice/app/blobs/uploads/", secret, "Content-Length: 0"))
        place = begun.headers["Location"]
        chunk = request("PATCH", place, secret, f"Content-Length: {LARGE}")
        async with Wire.to(urls[1]) as wire:
            await wire.send(chunk + b"x" * 1000)
            await asyncio.sleep(0.3)
            for child in children_of(all_.running.serving[1].pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        assert (await ask(urls[0], chunk + b"x" * LARGE)).status == 202

    async with asking(die):
        yield


Fault = Callable[[Registries], AbstractAsyncContextManager[None]]
#: What wakes somebody, and what else cannot but fire with it.
FAULTS: tuple[tuple[str, Fault, set[str]], ...] = (
    ("MoorageServerGone", a_replica_gone, set()),
    ("MoorageWorkerGone", a_worker_gone, {"MoorageServerGone"}),
    ("MoorageSlow", a_slow_database, set()),
    ("MooragePoolStarved", few_connections, set()),
    ("MoorageBusy", a_crowd, {"MooragePoolStarved", "MoorageErrors"}),
    ("MoorageReadOnly", switched_read_only, set()),
    ("MoorageStoreGone", no_store, {"MoorageStoreFailing", "MoorageErrors"}),
    ("MoorageDatabaseGone", no_database, {"MoorageErrors", "MoorageJobFailing", "MoorageSlow", "MooragePoolStarved"}),
    ("MoorageGcStuck", a_review_that_waits, set()),
    ("MoorageDeadObjectsStuck", an_object_that_waits, {"MoorageJobFailing"}),
    ("MoorageHooksWaiting", receivers_that_fail, set()),
    ("MoorageJobFailing", a_sink_that_is_away, set()),
    ("MoorageUploadsLost", processes_that_die, {"MoorageServerGone"}),
)


@asynccontextmanager
async def registries(env: dict[str, str], registry: Registry, folder: Path) -> AsyncIterator[Registries]:
    tokens = {"alice": await registry.user("alice")}
    sink = folder / "sink" / "audit.log"
    sink.parent.mkdir()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(TcpProxy(env["MOORAGE_DATABASE_URL"]))
        store = await stack.enter_async_context(TcpProxy(env["MOORAGE_S3_ENDPOINT"]))
        settings = {
            **env,
            "MOORAGE_DATABASE_URL": database.through(env["MOORAGE_DATABASE_URL"]),
            "MOORAGE_S3_ENDPOINT": store.through(env["MOORAGE_S3_ENDPOINT"]),
            "MOORAGE_UPLOAD_LEASE_SECONDS": "1",
        }
        running = await stack.enter_async_context(fleet(settings, folder, MOORAGE_AUDIT_SINK=str(sink)))
        rules = shortened(folder)
        watching = await stack.enter_async_context(prometheus(folder / "prometheus", running.targets, rules))
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        await watching.scraped(4)
        clients = Clients(http, running.urls, tokens)
        await clients.push("alice", "v1", 1000)
        yield Registries(running, clients, registry, database, store, watching, sink, env["MOORAGE_DATABASE_URL"])


async def test_each_fires_on_its_fault_alone(
    env: dict[str, str],
    registry: Registry,
    tmp_path: Path,
    table: Callable[[str, str], None],
) -> None:
    ever = set[str]()
    async with registries(env, registry, tmp_path) as all_:
        watching = all_.watching

        async def none() -> bool:
            return not await watching.firing()

        await until(none, QUIET_SECONDS)
        for name, fault, others in FAULTS:
            async with fault(all_):

                async def fires(name: str = name) -> bool:
                    return name in await watching.firing()

                await until(fires, FIRES_SECONDS)
                seen = {name}
                for _ in range(20):
                    seen |= await watching.firing()
                    await asyncio.sleep(0.25)
            table("alerts that fire", f"{fault.__name__:30}{' '.join(sorted(seen))}")
            assert seen <= {name, *others}, name
            ever |= seen
            await until(none, QUIET_SECONDS)
    assert names() - ever == {"MoorageDiskFilling", "MoorageJobSilent"}, "which a test of its own, and promtool, have"


async def test_a_load_wakes_nobody(
    env: dict[str, str],
    registry: Registry,
    tmp_path: Path,
    table: Callable[[str, str], None],
    pytestconfig: pytest.Config,
) -> None:
    """Nobody but the alert of slow manifests, where clients saw the same: tests may share their machine."""
    quiet_seconds = pytestconfig.getoption("--quiet-seconds")
    async with registries(env, registry, tmp_path) as all_:
        watching, seconds = all_.watching, all_.clients.truth.seconds["manifest_get"]
        await until(lambda: firing(watching, set()), QUIET_SECONDS)
        asked, slowest, woken = [len(seconds)], 0.0, set[str]()
        ends = time.monotonic() + quiet_seconds
        clients = all_.clients
        async with pulling(all_), asking(lambda: clients.push("alice", "v2", LARGE), pause=0.5):
            while time.monotonic() < ends:
                await asyncio.sleep(1)
                asked.append(len(seconds))
                last = seconds[asked[-WINDOW_SECONDS:][0] :]
                slowest = max(slowest, quantiles(last, n=100)[98]) if len(last) > 1 else slowest
                woken |= await watching.firing()
        told = (
            f"{quiet_seconds:g} s of load, {len(seconds)} manifests, of which the slowest 1 of 100 took {slowest:.3f} s"
        )
        table("alerts that fire", f"{told}: {' '.join(sorted(woken)) or 'none'}")
        assert woken <= ({"MoorageSlow"} if slowest > SLOW_SECONDS else set())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB, in memory."""
    path = tmp_path / "disk"
    path.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(path)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"only who may mount can fill a disk: {made.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


async def test_a_disk_that_fills(
    env: dict[str, str], registry: Registry, tmp_path: Path, small_disk: Path, table: Callable[[str, str], None]
) -> None:
    assert registry.url
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    settings = on_disk({**env, "MOORAGE_WORKERS": "1", "MOORAGE_ADMIN_LISTEN": admin}, small_disk)
    rules = shortened(tmp_path)
    async with (
        serving(settings, tmp_path / "log"),
        prometheus(tmp_path / "prometheus", {"moorage": [admin]}, rules) as watching,
    ):
        await watching.scraped(1)
        await until(lambda: firing(watching, {"MoorageWorkerGone"}), QUIET_SECONDS)
        large = small_disk / "large"
        large.write_bytes(bytes(60 * 1024**2))
        await until(lambda: firing(watching, {"MoorageWorkerGone", "MoorageDiskFilling"}), FIRES_SECONDS)
        table("alerts that fire", f"{'a_disk_that_fills':30}MoorageDiskFilling")
        large.unlink()
        await until(lambda: firing(watching, {"MoorageWorkerGone"}), QUIET_SECONDS)


async def firing(watching: Prometheus, wanted: set[str]) -> bool:
    return await watching.firing() == wanted


def test_the_page_has_them_all() -> None:
    page = (ALERTS.parent.parent.parent / "docs" / "operate" / "watching.md").read_text()
    assert set(re.findall(r"`(Moorage[A-Z]\w+)`", page)) == names()

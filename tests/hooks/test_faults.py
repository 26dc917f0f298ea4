"""Webhooks whose worker dies at any step, whose receiver hangs, or whose changes are rolled back."""

import asyncio
import itertools
import os
import signal
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import asyncpg
import pytest

from registry.devservers.processes import free_ports
from registry.egress.client import Answer, Egress
from registry.hooks.payloads import Addresses
from registry.hooks.sending import Pace, Sender
from registry.jobs.runner import run_once
from registry.jobs.tell_hooks import tell_hooks
from registry.services import Services
from storage.metadata.database import Database
from tests.conftest import Table
from tests.faults.test_killed_jobs import Death, Killed, _Statements
from tests.hooks.conftest import JOBS, World, made
from tests.support.receiver import ALLOWED, Received, Receiver
from tests.support.server import Registry, running, until


class _Mortal:
    """The one way out, with steps before the request and after the answer."""

    def __init__(self, egress: Egress, death: Death) -> None:
        self._egress, self._death = egress, death

    async def deliver(self, url: str, body: bytes, headers: Any) -> Answer:
        self._death.step("before the request")
        answer = await self._egress.deliver(url, body, headers)
        self._death.step("after the answer")
        return answer


@asynccontextmanager
async def _mortal(services: Services, death: Death) -> AsyncIterator[Services]:
    """Services of a worker that dies at a step: what it has begun ends with it."""
    db = cast("Database", _Statements(services.db, death))
    egress = cast("Egress", _Mortal(Egress(services.settings.egress_allow), death))
    async with asyncio.TaskGroup() as tasks:
        urls = Addresses("http://localhost/api/v3", "http://localhost")
        sender = Sender(db, services.hooks, egress, urls, tasks)
        yield replace(services, db=db, sender=sender)


async def _die(services: Services, death: Death) -> None:
    with suppress(Killed):
        try:
            async with _mortal(services, death) as mortal:
                await run_once(mortal, JOBS)
        except* Killed:
            pass


def _tags(receiver: Receiver, package: str) -> list[str]:
    """The tags that were told of a package, each once, in the order in which they came first."""
    told = [one for one in receiver.got if one.json.get("package", {}).get("name") == package]
    return list(dict.fromkeys(one.what[2] for one in told))


def _guids(receiver: Receiver) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for one in receiver.got:
        if one.event != "ping":
            key = (one.json["package"]["name"], one.what[2])
            found.setdefault(key, set()).add(one.headers["X-GitHub-Delivery"])
    return found


@pytest.mark.timeout(300)
async def test_a_worker_dies_at_each_step(world: World, database_url: str) -> None:
    await world.hook(events=["package"])
    session = await asyncpg.connect(database_url)
    tags = []
    for at in itertools.count(1):
        tags.append(f"v{at}")
        await world.push("app", f"v{at}")
        await world.push("other", f"v{at}")
        transaction = session.transaction()
        await transaction.start()
        await session.execute(_PUBLISHED, f"rolled-back-{at}")
        await transaction.rollback()
        death = Death(at)
        await _die(world.registry.services, death)
        await world.due()
        await world.deliver()
        for package in ("app", "other"):
            assert _tags(world.receiver, package) == tags, (at, death.steps[-2:])
        if death.seen < at:
            break
    assert at > 12
    assert all(len(guids) == 1 for guids in _guids(world.receiver).values())
    rows = await world.registry.services.db.fetchrow(
        "SELECT count(*) FILTER (WHERE state <> 'delivered') AS open, count(*) AS all FROM hook_deliveries"
    )
    assert rows is not None
    assert (rows["open"], rows["all"]) == (0, 1 + 2 * len(tags))
    await session.close()


#: As a push records it.
_PUBLISHED = """
    INSERT INTO events (action, owner_id, package_id, version_id, tag, via)
    SELECT 'packages.tag_created', owner_id, id, (SELECT min(id) FROM manifests WHERE package_id = packages.id), $1,
           'operator'
      FROM packages WHERE name = 'app'
"""


async def test_what_commits_late_is_told(world: World, database_url: str) -> None:
    """Its id and its transaction are older than those of what is told before."""
    await world.hook(events=["package"])
    await world.push("app", "v1")
    await world.deliver()
    session = await asyncpg.connect(database_url)
    transaction = session.transaction()
    await transaction.start()
    await session.execute(_PUBLISHED, "late")
    await world.push("other", "v2")
    await world.deliver()
    assert [what[2] for what in world.receiver.told] == ["v1"]
    await transaction.commit()
    await world.deliver()
    assert sorted(what[2] for what in world.receiver.told) == ["late", "v1", "v2"]
    await session.close()


async def _work(env: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "worker",
        env={"PATH": os.defpath, **env}, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def _push_on(world: World, name: str, tags: list[str], over: asyncio.Event) -> None:
    for number in itertools.count():
        if over.is_set():
            return
        tags.append(f"v{number}")
        await world.push(name, f"v{number}")


async def _kill_five(world: World, env: dict[str, str], over: asyncio.Event) -> None:
    """End five workers, each once it has sent something; what one has taken is due at once."""
    for _ in range(5):
        sent = len(world.receiver.got)
        worker = await _work(env)
        await until(lambda sent=sent: len(world.receiver.got) > sent)  # type: ignore[misc]
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        await world.due()
    over.set()


@pytest.mark.timeout(200)
async def test_workers_are_killed_while_there_are_pushes(env: dict[str, str], receiver: Receiver) -> None:
    """Whole processes, ended by SIGKILL at whatever they are about."""
    env, over = {**env, **ALLOWED}, asyncio.Event()
    async with running(env) as registry:
        world = await made(registry, receiver)
        await world.hook(events=["package"])
        tags: dict[str, list[str]] = {"one": [], "two": []}
        await asyncio.gather(*(_push_on(world, name, tags[name], over) for name in tags), _kill_five(world, env, over))
        await world.due()
        await world.deliver()
        for name, pushed in tags.items():
            assert _tags(receiver, name) == pushed
            assert len(pushed) > 5
        assert all(len(guids) == 1 for guids in _guids(receiver).values())


async def test_two_workers_send_nothing_twice(world: World) -> None:
    await world.hook(events=["package"])
    async with _second(world.registry) as second:
        for number in range(10):
            await world.push(f"app-{number % 3}", f"v{number}")
            await tell_hooks(world.registry.services)
            await asyncio.gather(run_once(world.registry.services, JOBS), run_once(second, JOBS))
    assert sorted(what[2] for what in world.receiver.told) == sorted(f"v{number}" for number in range(10))


@asynccontextmanager
async def _second(registry: Registry) -> AsyncIterator[Services]:
    services = registry.services
    async with asyncio.TaskGroup() as tasks:
        urls = Addresses("http://localhost/api/v3", "http://localhost")
        egress = Egress(services.settings.egress_allow)
        yield replace(services, sender=Sender(services.db, services.hooks, egress, urls, tasks, Pace()))


_ORGANIZATIONS, _EACH, _ROUNDS = 5, 20, 10


@pytest.mark.alone
@pytest.mark.timeout(120)
async def test_a_receiver_that_hangs_costs_others_nothing(
    env: dict[str, str], receiver: Receiver, table: Table
) -> None:
    """One that hangs, and 99 that are good: of the good, 99 of 100 are told within two seconds of the push."""
    env = {**env, **ALLOWED}
    async with running(env) as registry:
        world = await made(registry, receiver)
        receiver.hanging.add("/0/0")
        begun: dict[str, float] = {}
        for org in range(_ORGANIZATIONS):
            await world.call("POST", "/orgs", {"login": f"org-{org}"}, status=201)
            for number in range(_EACH):
                config = {"url": f"{receiver.url}/{org}/{number}", "content_type": "json"}
                await world.call("POST", f"/orgs/org-{org}/hooks", {"config": config}, status=201)
        worker = await _work(env)
        try:
            await until(lambda: len(receiver.got) >= _ORGANIZATIONS * _EACH)
            for turn in range(_ROUNDS):
                for org in range(_ORGANIZATIONS):
                    tag = f"v{turn}-{org}"
                    await registry.push_image(f"org-{org}/app", tag, world.alice)
                    begun[tag] = asyncio.get_running_loop().time()
                await asyncio.sleep(0.5)
            await until(lambda: len(_good(receiver)) >= _ROUNDS * (_ORGANIZATIONS * _EACH - 1))
        finally:
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
    waits = [one.at - begun[one.what[2]] for one in _good(receiver)]
    p99 = statistics.quantiles(waits, n=100)[98]
    head = "webhooks of 99 good receivers beside one that hangs:"
    table(head, f"{len(waits)} deliveries, p50 {statistics.median(waits):.2f} s, p99 {p99:.2f} s")
    assert len(receiver.of("/0/0")) <= 1 + _ROUNDS
    assert p99 < 2


def _good(receiver: Receiver) -> list[Received]:
    return [one for one in receiver.got if one.path not in receiver.hanging and one.event != "ping"]


async def test_a_worker_shows_its_attempts(env: dict[str, str], receiver: Receiver) -> None:
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    env = {**env, **ALLOWED}
    async with running(env) as registry:
        world = await made(registry, receiver)
        await world.hook()
        await world.push("app", "v1")
        worker = await _work({**env, "MOORAGE_ADMIN_LISTEN": admin})
        try:
            async with asyncio.timeout(30):
                while 'moorage_hook_attempts_total{result="delivered"} 1' not in await _metrics(registry, admin):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)  # nobody tells
            assert "moorage_hook_deliveries_waiting 0" in await _metrics(registry, admin)
        finally:
            worker.send_signal(signal.SIGKILL)
            await worker.wait()


async def _metrics(registry: Registry, admin: str) -> str:
    try:
        return (await registry.call("GET", f"http://{admin}/metrics")).body.decode()
    except OSError:
        return ""

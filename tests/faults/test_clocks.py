"""Replicas whose clocks are five minutes wrong: what lasts for a while is measured by the clock of Postgres (F44)."""

import asyncio
from collections.abc import AsyncIterator
from itertools import product
from typing import Any, Final

import pytest

from registry.jobs.runner import run_once
from tests.support.server import Registry, running
from tests.support.uploading import MIB, Session, noise, sha256

_AHEAD: Final = (0.0, 300.0, -300.0)
_REPLICAS: Final = range(len(_AHEAD))
_APP: Final = "/api/v3/user/packages/container/app"


@pytest.fixture
async def registry(env: dict[str, str]) -> AsyncIterator[Registry]:
    """Right, ahead, and late."""
    async with running(env, replicas=len(_AHEAD), ahead_seconds=_AHEAD) as served:
        yield served


async def _leased(registry: Registry) -> None:
    for _ in range(500):
        if await registry.services.db.fetch("SELECT 1 FROM uploads WHERE lease_until > now()"):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody has taken the lease")


async def test_f44_sessions_live_and_end_by_one_clock(registry: Registry) -> None:
    token, data = await registry.user("alice"), noise(18 * MIB)
    for begins, writes, ends in ((1, 2, 0), (2, 0, 1)):
        session = await Session.begin(registry, "alice/app", token, begins)
        reached, over = asyncio.Event(), asyncio.Event()

        async def body(reached: asyncio.Event = reached, over: asyncio.Event = over) -> AsyncIterator[bytes]:
            yield data[:MIB]
            reached.set()
            await over.wait()
            yield data[MIB:]

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(session.patch(body(), replica=writes))
            await reached.wait()
            await _leased(registry)
            waiting = tasks.create_task(session.patch(b"x", at=0, replica=ends))
            for services in registry.replicas:
                await run_once(services)
            await asyncio.sleep(0.3)
            assert not waiting.done()  # the lease is another's, by every clock
            over.set()
        assert writing.result().status == 202
        assert waiting.result().status == 416
        for replica in _REPLICAS:
            assert await session.offset(replica) == len(data)
        assert (await session.put(sha256(data), replica=ends)).status == 201


async def test_f44_bearer_tokens_are_good_or_refused(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    good = set()
    for issues, takes in product(_REPLICAS, repeat=2):
        told: Any = await registry.call("GET", "/token?scope=repository:alice/app:pull", token, replica=issues)
        headers = {"Authorization": f"Bearer {told.json['token']}"}
        answer = await registry.call("GET", "/v2/alice/app/manifests/v1", headers=headers, replica=takes)
        assert answer.status in (200, 401)
        if answer.status == 200:
            good.add((_AHEAD[issues], _AHEAD[takes]))
        else:
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]  # so the client gets another
    # What lives 300 s is over for whoever is 300 s ahead but for the leeway, and has not begun for who is late.
    assert good == {(0, 0), (300, 300), (-300, -300), (0, 300), (-300, 0)}


async def test_f44_what_is_deleted_is_restored(registry: Registry) -> None:
    token = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", token)
    for deletes, restores in product(_REPLICAS, repeat=2):
        gone = await registry.call("DELETE", f"/v2/alice/app/manifests/{digest}", token, replica=deletes)
        assert gone.status == 202
        for services in registry.replicas:
            await run_once(services)
        listed: Any = (await registry.call("GET", f"{_APP}/versions?state=deleted", token, replica=restores)).json
        restore = f"{_APP}/versions/{listed[0]['id']}/restore"
        assert (await registry.call("POST", restore, token, replica=restores)).status == 204
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token)).status == 200

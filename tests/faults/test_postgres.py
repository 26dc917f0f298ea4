"""PostgreSQL that is away, silent, locked, or cut off in the middle: 503 or the right answer, never 500 (F25, F26, F29)."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from registry.jobs.runner import run_once
from storage.errors import Unavailable
from tests.faults.routes import ROUTES, Ask, image, path_of
from tests.support.server import Answer, Registry, running
from tests.support.tcp import TcpProxy
from tests.support.uploading import MIB, NOTHING, Session, end_all_sessions, kept, noise, sha256, streamed


@pytest.fixture
async def proxy(env: dict[str, str]) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy:
        env["MOORAGE_DATABASE_URL"] = proxy.through(env["MOORAGE_DATABASE_URL"])
        yield proxy


def assert_unavailable(answer: Answer, what: object) -> None:
    assert answer.status == 503, (what, answer.status, answer.body)
    assert answer.code == "UNAVAILABLE", what
    assert int(answer.headers["Retry-After"]) > 0, what


async def test_every_route_without_postgres(env: dict[str, str], proxy: TcpProxy) -> None:
    async with running(env) as registry:
        token = await registry.user("alice")
        things = await image(registry, "alice/app", token)
        await proxy.refuse()
        for route in ROUTES:
            answer = await route.ask(registry, token, things)
            if route.method == "HEAD":
                assert (answer.status, answer.body) == (503, b""), route
            else:
                assert_unavailable(answer, route)
        await proxy.heal()
        for route in ROUTES:
            answer = await route.ask(registry, token, things)
            assert answer.status in route.fine, (route, answer.status, answer.body)


async def test_silent_postgres_is_unavailable_in_time(env: dict[str, str], proxy: TcpProxy) -> None:
    quick = lambda settings: replace(settings, database=replace(settings.database, command_seconds=1))  # noqa: E731
    async with running(env, change=quick) as registry:
        token = await registry.user("alice")
        proxy.silence()
        async with asyncio.timeout(5):
            assert_unavailable(await registry.call("GET", "/v2/", token), "base")
        await proxy.heal()
        async with asyncio.timeout(5):
            assert (await registry.call("GET", "/v2/", token)).status == 200


async def test_f25_cut_off_in_the_middle_of_pushes(env: dict[str, str], proxy: TcpProxy) -> None:
    """Each request is right or 503; what was told durable is."""
    async with running(env, replicas=2) as registry:
        token, rng = await registry.user("alice"), random.Random(25)

        async def cut() -> None:
            for _ in range(10):
                await asyncio.sleep(rng.uniform(0.1, 0.4))
                proxy.cut()

        async def push(number: int) -> None:
            data = noise([3000, 90_000, 400_000, 6 * MIB, 18 * MIB][number % 5], number)
            session = await _begun(registry, f"alice/{number % 3}", token)
            while (offset := await _durable(session, number % 2)) < len(data):
                sent = await session.patch(streamed(data[offset:]), at=offset, size=len(data) - offset)
                assert sent.status in (202, 409, 503), sent.body
            # A PUT that was committed, and its answer lost, is answered when it is sent again.
            done = await _patient(lambda: session.put(sha256(data)))
            assert done.status == 201, done.body

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(cut())
            for number in range(10):
                tasks.create_task(push(number))
        await _healed(registry)
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING


async def _healed(registry: Registry) -> None:
    """Until no connection of the pool is one that was cut: each tells so to the first who uses it."""
    while True:
        asked = [registry.services.db.fetchrow("SELECT pg_sleep(0.05)::text") for _ in range(10)]
        if not any(isinstance(answer, Unavailable) for answer in await asyncio.gather(*asked, return_exceptions=True)):
            return


async def _begun(registry: Registry, name: str, token: str) -> Session:
    started = await _patient(lambda: registry.call("POST", f"/v2/{name}/blobs/uploads/", token))
    assert started.status == 202, started.body
    return Session(registry, name, token, started.headers["Location"])


async def _durable(session: Session, replica: int) -> int:
    known = await _patient(lambda: session.status(replica))
    end = int(known.headers["Range"].partition("-")[2])
    return end + 1 if end else 0


async def _patient(ask: Ask) -> Answer:
    while (answer := await ask()).status in (409, 503):
        assert "Retry-After" in answer.headers
        await asyncio.sleep(0.05)
    return answer


async def test_f26_a_publish_whose_acknowledgement_is_lost(env: dict[str, str], proxy: TcpProxy) -> None:
    async with running(env) as registry:
        token, data = await registry.user("alice"), noise(100_000)
        session = await Session.begin(registry, "alice/app", token)
        assert (await session.patch(data)).status == 202
        # The digest is said twice: to ask whether the session is done already, no; to publish, yes.
        proxy.deafen_after(sha256(data).encode())
        assert_unavailable(await session.put(sha256(data)), "put")
        assert proxy.deafened.is_set()
        await proxy.heal()
        again = await session.put(sha256(data))
        assert again.status == 201, again.body
        assert await session.pulled(sha256(data)) == data
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING


async def test_f26_a_manifest_whose_acknowledgement_is_lost(env: dict[str, str], proxy: TcpProxy) -> None:
    async with running(env) as registry:
        token = await registry.user("alice")
        things = await image(registry, "alice/app", token)
        put = next(route for route in ROUTES if route.name == "put manifest")
        proxy.deafen_after(things.manifest_digest.encode())
        assert_unavailable(await put.ask(registry, token, things), put)
        await proxy.heal()
        assert (await put.ask(registry, token, things)).status == 201
        pulled = await registry.call("GET", path_of("alice/app", "manifests/v1"), token)
        assert pulled.body == things.manifest


async def test_f29_a_lock_that_somebody_holds_is_not_waited_for_long(registry: Registry) -> None:
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    async with registry.services.db.transaction() as holder:
        await holder.fetch("SELECT 1 FROM uploads FOR UPDATE")
        async with asyncio.timeout(8):
            assert_unavailable(await session.patch(b"a"), "patch")
    assert (await session.patch(b"a")).status == 202


async def test_postgres_is_away_for_a_while_in_the_middle_of_an_upload(env: dict[str, str], proxy: TcpProxy) -> None:
    """A lease that cannot be renewed is not lost as long as nobody else takes it."""
    env["MOORAGE_UPLOAD_LEASE_SECONDS"] = "0.3"
    async with running(env) as registry:
        token, data = await registry.user("alice"), noise(MIB)

        async def body() -> AsyncIterator[bytes]:
            yield data[:500_000]
            await asyncio.sleep(0.2)
            await proxy.refuse()
            await asyncio.sleep(0.7)
            await proxy.heal()
            yield data[500_000:]

        session = await Session.begin(registry, "alice/app", token)
        sent = await session.patch(body())
        assert sent.status == 202, sent.body
        assert (await session.put(sha256(data))).status == 201

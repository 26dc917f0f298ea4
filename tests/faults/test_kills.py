"""Processes that die, or stand still, in the middle of uploads; another one goes on where they were (F7, F8, F9)."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from registry.jobs.runner import run_once
from tests.support.server import Answer, Registry, on_disk, running
from tests.support.uploading import KIB, MIB, NOTHING, Session, end_all_sessions, kept, noise, random_splits, sha256
from tests.support.victims import Victims, victims

_ROUNDS = 20
_AT_ONCE = 10
_SERVERS = 3
_REQUEST_SECONDS = 30
_GONE = (aiohttp.ClientError, ConnectionError)


@pytest.fixture(params=["s3", "local"])
def env(env: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Over each of the stores."""
    if request.param == "s3":
        return env
    (tmp_path / "store").mkdir()
    return on_disk(env, tmp_path / "store")


@asynccontextmanager
async def _served(env: dict[str, str], log: Path) -> AsyncIterator[tuple[Registry, Victims]]:
    env["MOORAGE_UPLOAD_LEASE_SECONDS"] = "0.5"
    connector = aiohttp.TCPConnector(force_close=True, limit=0)  # never a kept connection to a process that is dead
    async with (
        running(env) as local,
        victims(env, _SERVERS, log) as servers,
        aiohttp.ClientSession(connector=connector, auto_decompress=False) as http,
    ):
        yield Registry(servers.urls, local.replicas, http), servers


@dataclass
class Strike:
    """All uploads of a round come to their point, then their server dies."""

    expected: int
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def arrive(self) -> None:
        self.expected -= 1
        if self.expected == 0:
            self.ready.set()


@dataclass
class Story:
    """One upload: requests to any server, one of which dies; then the rest, and the check."""

    registry: Registry
    token: str
    rng: random.Random
    victim: int
    strike: Strike

    def anybody(self) -> int:
        return self.rng.randrange(_SERVERS)

    def survivor(self) -> int:
        return (self.victim + self.rng.randrange(1, _SERVERS)) % _SERVERS

    def size(self) -> int:
        most = self.rng.choices([200_000, 3 * MIB, 24 * MIB], [14, 4, 2])[0]
        return self.rng.randrange(17 * MIB if most > 17 * MIB else 0, most)

    async def run(self) -> None:
        data = noise(self.size(), self.rng.randrange(1 << 30))
        session = await Session.begin(self.registry, f"alice/{self.rng.randrange(5)}", self.token, self.anybody())
        splits = random_splits(self.rng, len(data), 5)
        fatal = self.rng.randrange(len(splits) + 1)
        for start, stop in splits[:fatal]:
            sent = await session.patch(data[start:stop], at=start, replica=self.anybody())
            assert sent.status == 202, sent.body
        if fatal < len(splits):
            await self._dying_patch(session, data, *splits[fatal])
        else:
            await self._dying_put(session, data)
        await self._rest(session, data)
        assert await session.pulled(sha256(data), self.survivor()) == data

    async def _dying_patch(self, session: Session, data: bytes, start: int, stop: int) -> None:
        point = self.rng.randrange(start, stop + 1)

        async def body() -> AsyncIterator[bytes]:
            step = self.rng.choice([10_000, 64 * KIB, MIB])
            for begin in range(start, point, step):
                yield data[begin : min(begin + step, point)]
            self.strike.arrive()
            await self.strike.done.wait()
            yield data[point:stop]

        with suppress(*_GONE):
            await session.patch(body(), at=start, size=stop - start, replica=self.victim)

    async def _dying_put(self, session: Session, data: bytes) -> None:
        self.strike.arrive()
        await self.strike.ready.wait()
        with suppress(*_GONE):
            await session.put(sha256(data), replica=self.victim)
        await self.strike.done.wait()

    async def _rest(self, session: Session, data: bytes) -> None:
        status = await session.status(self.survivor())
        if status.status == 204:
            offset = await session.offset(self.survivor())
            rest = random_splits(self.rng, len(data) - offset, 3)
            last = rest.pop() if rest and self.rng.random() < 0.3 else None
            for start, stop in rest:
                sent = await session.patch(
                    data[offset + start : offset + stop], offset + start, replica=self.survivor()
                )
                assert sent.status == 202, sent.body
            done = await session.put(sha256(data), data[offset + last[0] :] if last else None, self.survivor())
        else:  # the PUT was published before its server died
            assert status.status == 404, status.body
            done = await session.put(sha256(data), replica=self.survivor())
        assert done.status == 201, done.body


async def _round(registry: Registry, servers: Victims, token: str, number: int) -> None:
    rng = random.Random(f"round {number}")
    strike, victim = Strike(_AT_ONCE), number % _SERVERS
    async with asyncio.timeout(_REQUEST_SECONDS), asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            story = Story(registry, token, random.Random(rng.random()), victim, strike)
            tasks.create_task(story.run())
        await strike.ready.wait()
        await asyncio.sleep(rng.uniform(0, 0.05))
        servers.kill(victim)
        await servers.start(victim)
        strike.done.set()


@pytest.mark.timeout(300)
async def test_two_hundred_random_splits_and_kills(env: dict[str, str], tmp_path: Path) -> None:
    """20 processes die, each in the middle of ten uploads, at random points of random splits."""
    async with _served(env, tmp_path / "log") as (registry, servers):
        token = await registry.user("alice")
        for number in range(_ROUNDS):
            await _round(registry, servers, token, number)
        left = await kept(registry)
        assert left.missing == []
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING


async def test_f9_a_process_that_stood_still_is_too_late(env: dict[str, str], tmp_path: Path) -> None:
    async with _served(env, tmp_path / "log") as (registry, servers):
        token, data = await registry.user("alice"), noise(40 * MIB)
        session = await Session.begin(registry, "alice/app", token)
        reached, over = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            for start in range(0, 30 * MIB, MIB):
                yield data[start : start + MIB]
            reached.set()
            await over.wait()
            for _ in range(10):
                yield b"x" * MIB

        async def late() -> Answer | None:
            with suppress(*_GONE):
                return await session.patch(body(), replica=0)
            return None

        async with asyncio.timeout(_REQUEST_SECONDS), asyncio.TaskGroup() as tasks:
            zombie = tasks.create_task(late())
            await reached.wait()
            servers.stop(0)
            offset = await session.offset(replica=1)
            assert (await session.patch(data[offset:], at=offset, replica=1)).status == 202
            over.set()
            servers.go_on(0)
            assert (await session.put(sha256(data), replica=2)).status == 201
        answer = zombie.result()
        assert answer is None or answer.status in (404, 409), answer.body
        assert await session.pulled(sha256(data), replica=1) == data
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING

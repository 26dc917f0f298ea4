"""Chunks without a length whose Content-Range is not true: however late that shows, nothing of them is taken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from registry.jobs.runner import run_once
from registry.uploads.part_buffer import PART_BYTES
from registry.uploads.stall_timeout import StallTimeout
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import (
    KIB,
    MIB,
    NOTHING,
    Session,
    chunks,
    end_all_sessions,
    kept,
    noise,
    sha256,
    streamed,
    uploads_with,
)
from tests.support.victims import victims

_CHUNK = 3 * PART_BYTES
#: What came before, in chunks: nothing, bytes in the row, a segment, two of them, so many that they are read back, parts.
_BEFORE = {
    "nothing": [],
    "tail": [1000],
    "segment": [MIB],
    "segments and tail": [MIB, 100 * KIB, 10],
    "long segments": [3 * MIB, 3 * MIB, 10],
    "parts": [20 * MIB],
    "parts and segment": [20 * MIB, MIB, 10],
}


@pytest.fixture(params=["s3", "local"])
def env(env: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Over each of the stores."""
    if request.param == "s3":
        return env
    (tmp_path / "store").mkdir()
    return on_disk(env, tmp_path / "store")


@pytest.fixture
async def registry(env: dict[str, str]) -> AsyncIterator[Registry]:
    async with running(env, change=uploads_with(layer_limit_bytes=100 * MIB)) as served:
        yield served


async def _recorded(registry: Registry) -> int:
    """How many parts Postgres knows of."""
    (row,) = await registry.services.db.fetch("SELECT count(*) AS n FROM upload_parts")
    return int(row["n"])


async def _refused(session: Session, at: int, body: AsyncIterator[bytes], size: int) -> None:
    refused = await session.patch(body, at=at, size=size)
    assert (refused.status, refused.code) == (400, "SIZE_INVALID"), refused.body
    assert await session.offset() == at


async def _ended_well(registry: Registry) -> None:
    await end_all_sessions(registry)
    await run_once(registry.services)
    assert (await kept(registry)).missing == []


@pytest.mark.parametrize("before", _BEFORE.values(), ids=_BEFORE)
async def test_a_chunk_that_is_not_as_long_as_its_range_is_not_taken(registry: Registry, before: list[int]) -> None:
    token, data = await registry.user("alice"), noise(sum(before) + _CHUNK + MIB)
    session, at = await Session.begin(registry, "alice/app", token), 0
    for size in before:
        at += size
        assert (await session.patch(data[at - size : at])).status == 202
    parts = await _recorded(registry)
    for wrong in (-1, 1, -_CHUNK // 2, MIB):
        await _refused(session, at, streamed(data[at : at + _CHUNK + wrong]), _CHUNK)
        assert await _recorded(registry) == parts
        await run_once(registry.services)  # nothing that the session needs is garbage
    right = await session.patch(streamed(data[at : at + _CHUNK]), at=at, size=_CHUNK)
    assert (right.status, right.headers["Range"]) == (202, f"0-{at + _CHUNK - 1}")
    await _refused(session, at + _CHUNK, streamed(b"x" * 10), MIB)
    assert (await session.put(sha256(data), data[at + _CHUNK :])).status == 201
    assert await session.pulled(sha256(data)) == data
    await _ended_well(registry)


async def test_a_last_chunk_that_is_not_as_long_as_its_range_is_not_taken(registry: Registry) -> None:
    token, data = await registry.user("alice"), noise(_CHUNK + 100)
    session = await Session.begin(registry, "alice/app", token)
    assert (await session.patch(data[:100])).status == 202
    for wrong in (-1, 1):
        body = streamed(noise(_CHUNK + wrong, 7))
        headers = {"Content-Range": f"100-{_CHUNK + 99}"}
        path = f"{session.location}?digest={sha256(data)}"
        refused = await registry.call("PUT", path, token, data=body, headers=headers)
        assert (refused.status, refused.code) == (400, "SIZE_INVALID")
        assert await session.offset() == 100
    assert (await session.put(sha256(data), data[100:])).status == 201
    assert await session.pulled(sha256(data)) == data
    await _ended_well(registry)
    assert (await kept(registry)).uploads == 0


async def test_what_a_slow_chunk_left_in_the_store_is_taken_back(env: dict[str, str]) -> None:
    """With one slot, which others want, a slow body is made durable again and again while it comes."""
    change = uploads_with(buffer_bytes=1, stall_timeout=StallTimeout(slow_seconds=0.05))
    async with running(env, change=change) as registry:
        token, data = await registry.user("alice"), noise(3 * MIB)
        session = await Session.begin(registry, "alice/app", token)
        assert (await session.patch(data[:MIB])).status == 202

        async def slow() -> AsyncIterator[bytes]:
            for piece in chunks(data[MIB : 3 * MIB - 1], 256 * KIB):
                yield piece
                await asyncio.sleep(0.15)

        async def other(number: int) -> None:
            pushed = noise(12 * MIB, number)

            async def body() -> AsyncIterator[bytes]:
                for piece in chunks(pushed, MIB):
                    yield piece
                    await asyncio.sleep(0.1)

            one = await Session.begin(registry, f"alice/{number}", token)
            assert (await one.patch(body())).status == 202
            assert (await one.put(sha256(pushed))).status == 201

        async with asyncio.TaskGroup() as tasks:
            for number in range(5):
                tasks.create_task(other(number))
            await _refused(session, MIB, slow(), 2 * MIB)
        await run_once(registry.services)
        assert (await session.patch(streamed(data[MIB:]), at=MIB, size=2 * MIB)).status == 202
        assert (await session.put(sha256(data))).status == 201
        assert await session.pulled(sha256(data)) == data
        await _ended_well(registry)


async def test_a_chunk_whose_process_was_killed_is_kept_as_far_as_it_was_durable(
    env: dict[str, str], tmp_path: Path
) -> None:
    """Nobody can know then how long it would have been: its bytes count, as those of a client that left."""
    env["MOORAGE_UPLOAD_LEASE_SECONDS"] = "0.5"
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        running(env) as local,
        victims(env, 2, tmp_path / "log") as servers,
        aiohttp.ClientSession(connector=connector, auto_decompress=False) as http,
    ):
        registry = Registry(servers.urls, local.replicas, http)
        token, data = await registry.user("alice"), noise(_CHUNK + 2 * MIB)
        session = await Session.begin(registry, "alice/app", token)
        assert (await session.patch(data[:MIB])).status == 202
        killed = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            for piece in chunks(data[MIB : MIB + _CHUNK - 1], MIB):
                yield piece
            await killed.wait()
            yield data[:1]

        async def doomed() -> None:
            with suppress(aiohttp.ClientError, ConnectionError):
                await session.patch(body(), at=MIB, size=_CHUNK)

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(doomed())
            while await _recorded(local) < 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
            servers.kill(0)
            killed.set()
            offset = await session.offset(replica=1)
            assert MIB + PART_BYTES < offset < MIB + _CHUNK
        size = len(data) - offset
        for wrong in (-1, 1):
            bad = await session.patch(streamed(noise(size + wrong, 7)), at=offset, size=size, replica=1)
            assert (bad.status, bad.code) == (400, "SIZE_INVALID")
            assert await session.offset(replica=1) == offset
        assert (await session.patch(streamed(data[offset:]), at=offset, size=size, replica=1)).status == 202
        assert (await session.put(sha256(data), replica=1)).status == 201
        assert await session.pulled(sha256(data), replica=1) == data
        await end_all_sessions(local)
        await run_once(local.services)
        left = await kept(local)
        assert (left.missing, left.uploads, left.multiparts) == ([], NOTHING.uploads, NOTHING.multiparts)

"""The byte budget: slots in turn, and slow clients that make room for others."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from registry.uploads.buffer_pool import SLOT_BYTES, BufferPool
from registry.uploads.stall_timeout import StallTimeout
from tests.soak.many_uploads import EXTRA_MIB, measure
from tests.support.faults import FaultProxy
from tests.support.server import Registry, running
from tests.support.uploading import MIB, Session, chunks, noise, sha256, streamed, uploads_with
from tests.support.victims import victims


async def test_slots_go_round_in_order() -> None:
    pool, order = BufferPool(0), list[int]()  # two at least

    async def use(number: int) -> None:
        slot = await pool.take()
        order.append(number)
        await asyncio.sleep(0.01)
        pool.give(slot)

    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(use(number))
        await asyncio.sleep(0)
        assert pool.contended
    assert order == list(range(10))
    assert not pool.contended


async def test_who_is_cancelled_in_the_queue_takes_none() -> None:
    pool = BufferPool(0)
    await pool.take()
    slot = await pool.take()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await pool.take()
    assert not pool.contended
    pool.give(slot)
    async with asyncio.timeout(0.1):
        await pool.take()


async def test_a_slot_is_free_when_its_last_user_has_left() -> None:
    pool = BufferPool(0)
    slot = await pool.take()
    assert await pool.take_if_free() is not None
    slot.users += 1
    pool.give(slot)
    assert await pool.take_if_free() is None
    pool.give(slot)
    assert await pool.take_if_free() is slot


async def test_clients_that_stand_still_do_not_stop_the_others(env: dict[str, str]) -> None:
    """Ten send 10 MiB and stall, over two slots: what they sent is written out when others wait."""
    env["MOORAGE_BUFFER_BYTES"] = str(2 * SLOT_BYTES)
    async with running(env, change=uploads_with(stall_timeout=StallTimeout(slow_seconds=0.2))) as registry:
        token, data = await registry.user("alice"), noise(18 * MIB)
        stalled = []
        for number in range(10):
            session = await Session.begin(registry, f"alice/{number}", token)
            stalled.append((session, await session.raw(f"Content-Length: {len(data)}")))

        async def begin(raw_number: int) -> None:
            await stalled[raw_number][1].send(data[: 10 * MIB])

        async def healthy(number: int) -> None:
            session = await Session.begin(registry, f"alice/h{number}", token)
            assert (await session.patch(streamed(data))).status == 202
            assert (await session.put(sha256(data))).status == 201

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            for number in range(10):
                tasks.create_task(begin(number))
            await asyncio.sleep(0.2)
            for number in range(2):
                tasks.create_task(healthy(number))
        # They were only waited for: they go on as if nothing had been.
        for session, raw in stalled[:2]:
            assert await session.offset() > 0
            await raw.send(data[10 * MIB :])
            assert await raw.status_line() == 202
            assert (await session.put(sha256(data))).status == 201
        for _, raw in stalled:
            await raw.close()
        begun = time.monotonic()
        await healthy(9)
        assert time.monotonic() - begun < 10


async def test_a_failing_store_costs_no_slots(env: dict[str, str]) -> None:
    """Each upload that fails, at any point, gives back what it held."""
    env["MOORAGE_BUFFER_BYTES"] = str(2 * SLOT_BYTES)
    async with running(env) as registry:
        token, data = await registry.user("alice"), noise(34 * MIB)
        for number in range(4):
            session = await Session.begin(registry, "alice/app", token)
            raw = await session.raw(f"Content-Length: {len(data)}")
            await raw.send(data[: 30 * MIB])
            if number % 2:
                assert (await session.cancel()).status == 204
            await raw.close(reset=True)
            wrong = await Session.begin(registry, "alice/app", token)
            assert (await wrong.put(sha256(b""), streamed(data))).status == 400
        pool = registry.services.uploads.pool
        async with asyncio.timeout(15):
            await pool.take()
            await pool.take()


async def test_small_pieces_are_joined_in_a_slot(env: dict[str, str]) -> None:
    """All who end at once would else have up to 5 MiB each in memory that nobody has counted."""
    env["MOORAGE_BUFFER_BYTES"] = str(2 * SLOT_BYTES)
    with FaultProxy(env["MOORAGE_S3_ENDPOINT"]) as proxy:
        env["MOORAGE_S3_ENDPOINT"] = proxy.url
        async with running(env) as registry:
            token, data, pool = await registry.user("alice"), noise(3 * MIB), registry.services.uploads.pool
            sessions = [await Session.begin(registry, f"alice/{number}", token) for number in range(6)]
            for session in sessions:
                for piece in chunks(data, MIB):
                    assert (await session.patch(piece)).status == 202
            held = [await pool.take(), await pool.take()]
            proxy.heal()
            async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
                ends = [tasks.create_task(session.put(sha256(data))) for session in sessions]
                await asyncio.sleep(0.5)
                assert proxy.seen == []
                pool.give(held[0])
            assert [end.result().status for end in ends] == [201] * len(sessions)
            assert await sessions[-1].pulled(sha256(data)) == data
            assert await pool.take_if_free() is held[0]


@pytest.mark.timeout(180)
async def test_memory_stays_within_the_budget(env: dict[str, str], tmp_path: Path) -> None:
    """A small sister of ``tests.soak.many_uploads``: all of it would be 192 MiB."""
    env["MOORAGE_BUFFER_BYTES"] = str(32 * MIB)
    async with (
        running(env) as local,
        victims(env, 1, tmp_path / "log") as servers,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        registry = Registry(servers.urls, local.replicas, http)
        result = await measure(registry, servers, await registry.user("alice"), uploads=8, size=24 * MIB)
    assert result.above_mib <= 40 + EXTRA_MIB, result  # two slots, and what is in none

"""What a client sends again while its first request is still under way (F4, F6)."""

import asyncio
import time

import pytest

from tests.support.server import running
from tests.support.stalling import Commit, stalled
from tests.support.uploading import MIB, Session, noise, sha256, uploads_with


@pytest.mark.parametrize("size", [1000, 200_000, 24 * MIB])
@pytest.mark.parametrize("whole", [False, True], ids=["patched", "whole"])
async def test_f4_a_final_put_that_is_sent_again_while_the_first_is_under_way(
    env: dict[str, str], size: int, *, whole: bool
) -> None:
    async with running(env, replicas=2) as registry:
        token, data = await registry.user("alice"), noise(size)
        session = await Session.begin(registry, "alice/app", token)
        if not whole:
            assert (await session.patch(data)).status == 202
        body = data if whole else None
        done = Commit("uploads", "UPDATE", "new.state = 'done'")
        async with stalled(registry, done) as stall, asyncio.TaskGroup() as tasks:
            sent = [tasks.create_task(session.put(sha256(data), body))]
            await stall.reached()
            sent += [tasks.create_task(session.put(sha256(data), body, replica)) for replica in (0, 1)]
            sent.append(tasks.create_task(session.put(sha256(b"other"))))
            await asyncio.sleep(0.5)
            stall.let_go()
        *same, other = (task.result() for task in sent)
        assert [answer.status for answer in same] == [201, 201, 201], [answer.body for answer in same]
        assert {answer.headers["Docker-Content-Digest"] for answer in same} == {sha256(data)}
        assert (other.status, other.code) == (400, "DIGEST_INVALID")
        assert await session.pulled(sha256(data)) == data


@pytest.mark.parametrize("reset", [False, True])
async def test_f6_the_offset_is_told_when_it_does_not_move_any_more(env: dict[str, str], *, reset: bool) -> None:
    """A client that was cut off asks where to go on, while the server still waits for its bytes."""
    async with running(env, replicas=2) as registry, asyncio.TaskGroup() as tasks:
        session = await Session.begin(registry, "alice/app", await registry.user("alice"))
        data = noise(300_000)
        raw = await session.raw(f"Content-Length: {len(data)}", data[:150_000])
        await asyncio.sleep(0.3)
        asked = [tasks.create_task(session.status(replica)) for replica in (0, 1)]
        await asyncio.sleep(0.5)
        await raw.close(reset=reset)
        ends = {(await answer).headers["Range"] for answer in asked}
        assert len(ends) == 1
        end = int(ends.pop().partition("-")[2]) + 1
        assert 100_000 < end <= 150_000
        assert (await session.patch(data[end:], at=end, replica=1)).status == 202
        assert (await session.put(sha256(data))).status == 201


async def test_f6_the_offset_of_a_request_that_does_not_end_is_told_in_time(env: dict[str, str]) -> None:
    async with running(env, change=uploads_with(busy_seconds=0.6)) as registry:
        session = await Session.begin(registry, "alice/app", await registry.user("alice"))
        raw = await session.raw("Content-Length: 100", b"a" * 50)
        await asyncio.sleep(0.2)
        began = time.monotonic()
        answer = await session.status()
        assert (answer.status, answer.headers["Range"]) == (204, "0-0")
        assert 0.5 < time.monotonic() - began < 3
        await raw.close()

"""Turns: so many at once, the rest in order, nobody for ever, and nothing left behind."""

import asyncio

from storage.errors import Unavailable
from storage.metadata.turns import Turns


async def test_so_many_have_a_key_at_once_and_other_keys_are_free() -> None:
    turns, inside, most = Turns(2), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with turns.turn(1):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(work())
        async with turns.turn(2):
            pass
    assert (inside, most) == (0, 2)


async def test_who_waits_too_long_or_finds_a_crowd_is_told() -> None:
    turns = Turns(1, seconds=0.05, users_max=2)
    async with turns.turn(1):
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_held(turns, 1))
            await asyncio.sleep(0)
            assert not await _held(turns, 1)  # at once: two are there
            assert not waiting.done()
        assert not waiting.result()
    assert await _held(turns, 1)


async def test_who_is_cancelled_gives_its_place_back() -> None:
    turns = Turns(1)
    async with turns.turn(1), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(_held(turns, 1))
        await asyncio.sleep(0)
        waiting.cancel()
    assert waiting.cancelled()
    assert await _held(turns, 1)


async def _held(turns: Turns, key: int) -> bool:
    """Whether it got the key."""
    try:
        async with turns.turn(key):
            return True
    except Unavailable:
        return False

"""Bodies that stand still, trickle, or break."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from registry.errors import BlobUploadInvalid
from registry.pace import Pace, paced

_PACE = Pace(slow_seconds=0.02, stall_seconds=0.1, stall_bytes=100)


class Body:
    """Chunks, each after so many seconds; an error instead of a chunk is raised, and again for ever, as sockets do."""

    def __init__(self, *chunks: tuple[float, bytes | Exception]) -> None:
        self._chunks = list(chunks)
        self._since: float | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._chunks:
            raise StopAsyncIteration
        clock = asyncio.get_running_loop().time
        self._since = self._since or clock()
        seconds, chunk = self._chunks[0]
        await asyncio.sleep(seconds - (clock() - self._since))  # goes on waiting where it was cancelled
        if isinstance(chunk, Exception):
            raise chunk
        self._chunks.pop(0)
        self._since = None
        return chunk


async def _taken(body: Body) -> list[bytes]:
    return [chunk async for chunk in paced(body, _PACE)]


async def test_silence_is_told_and_nothing_is_lost() -> None:
    taken = await _taken(Body((0, b"a"), (0.05, b"b"), (0, b"c")))
    assert b"".join(taken) == b"abc"
    assert taken.count(b"") >= 1


async def test_who_stands_still_is_given_up() -> None:
    with pytest.raises(BlobUploadInvalid):
        await _taken(Body((0, b"a" * 99), (10, b"b")))


async def test_who_trickles_enough_goes_on() -> None:
    assert len(b"".join(await _taken(Body(*[(0.03, b"a" * 60)] * 10)))) == 600


async def test_time_in_which_the_client_waits_for_us_is_not_held_against_it() -> None:
    got = b""
    async for chunk in paced(Body((0, b"a"), (0, b"b"), (0, b"c")), _PACE):
        await asyncio.sleep(0.15)
        got += chunk
    assert got == b"abc"


async def test_a_socket_that_timed_out_ends_it_at_once() -> None:
    """ETIMEDOUT is a TimeoutError too, and a stream that has failed fails at once, whenever it is asked."""
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(1):
            await _taken(Body((0, b"a"), (0, TimeoutError(110, "Connection timed out"))))

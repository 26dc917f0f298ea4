"""Bodies that stand still, trickle, or break."""

import asyncio

import pytest

from registry.errors import BlobUploadInvalid
from registry.uploads.stall_timeout import Paced, StallTimeout

_TIMEOUT = StallTimeout(slow_seconds=0.02, stall_seconds=0.1, stall_bytes=100)


class Chunks:
    """A body in chunks, each of which comes after so many seconds; an error instead of a chunk is raised."""

    length: int | None = None

    def __init__(self, *chunks: tuple[float, bytes | Exception]) -> None:
        self._chunks = list(chunks)
        self._since: float | None = None

    async def fill(self, room: memoryview, seconds: float) -> int | None:
        if not self._chunks:
            return 0
        clock = asyncio.get_running_loop().time
        self._since = self._since or clock()
        due, chunk = self._chunks[0]
        left = due - (clock() - self._since)
        await asyncio.sleep(min(left, seconds))
        if left > seconds:
            return None
        if isinstance(chunk, Exception):
            raise chunk
        self._chunks.pop(0)
        self._since = None
        room[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._chunks.clear()


async def _taken(body: Chunks) -> list[bytes | None]:
    """What came, None for each silence."""
    paced, room, taken = Paced(body, _TIMEOUT), memoryview(bytearray(1000)), list[bytes | None]()
    while (count := await paced.fill(room)) != 0:
        taken.append(None if count is None else bytes(room[:count]))
    return taken


async def test_silence_is_told_and_nothing_is_lost() -> None:
    taken = await _taken(Chunks((0, b"a"), (0.05, b"b"), (0, b"c")))
    assert b"".join(chunk for chunk in taken if chunk) == b"abc"
    assert taken.count(None) >= 1


async def test_who_stands_still_is_given_up() -> None:
    with pytest.raises(BlobUploadInvalid):
        await _taken(Chunks((0, b"a" * 99), (10, b"b")))


async def test_who_trickles_enough_goes_on() -> None:
    taken = await _taken(Chunks(*[(0.03, b"a" * 60)] * 10))
    assert sum(len(chunk) for chunk in taken if chunk) == 600


async def test_time_in_which_the_client_waits_for_us_is_not_held_against_it() -> None:
    paced, room, got = Paced(Chunks((0, b"a"), (0, b"b"), (0, b"c")), _TIMEOUT), memoryview(bytearray(10)), b""
    while count := await paced.fill(room):
        await asyncio.sleep(0.15)
        got += room[:count]
    assert got == b"abc"

"""The timeouts of slow clients of uploads."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from registry.errors import BlobUploadInvalid


@dataclass(frozen=True, slots=True)
class StallTimeout:
    """Limits for slow clients: an upload flushes and releases its slot after ``slow_seconds`` when others wait for one.

    A connection that brings less than ``stall_bytes`` while we wait for it ``stall_seconds`` long is given up.
    """

    slow_seconds: float = 2.0
    stall_seconds: float = 60.0
    stall_bytes: int = 60 * 1024


class Body(Protocol):
    """The body of a request, read as its bytes arrive."""

    @property
    def length(self) -> int | None:
        """The bytes that the head announced; None for chunks."""

    async def fill(self, room: memoryview, seconds: float) -> int | None:
        """Read the next bytes into ``room`` and return their number: 0 at the end, None on a timeout.

        Raises ConnectionError for a client that is gone, and what is wrong with the body.
        """

    def close(self) -> None:
        """Close the body, read to its end or not."""


class Paced:
    """A body with a stall timeout."""

    def __init__(self, body: Body, stall_timeout: StallTimeout) -> None:
        self._body = body
        self._stall_timeout = stall_timeout
        self._clock = asyncio.get_running_loop().time
        self._idle, self._came = 0.0, 0

    async def fill(self, room: memoryview) -> int | None:
        """Read as ``Body.fill`` does, None after ``slow_seconds``. Raises BlobUploadInvalid for a stalled client."""
        asked = self._clock()
        count = await self._body.fill(room, self._stall_timeout.slow_seconds)
        self._idle += self._clock() - asked  # the time in which we waited for the client, not it for us
        self._came += count or 0
        if self._idle > self._stall_timeout.stall_seconds and count != 0:
            if self._came < self._stall_timeout.stall_bytes:
                limit = self._stall_timeout
                raise BlobUploadInvalid(f"less than {limit.stall_bytes} bytes came within {limit.stall_seconds:g} s")
            self._idle, self._came = 0.0, 0
        return count

"""How slow the client of an upload may be."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from registry.errors import BlobUploadInvalid


@dataclass(frozen=True, slots=True)
class Pace:
    """Whoever has held a slot for ``slow_seconds`` writes out what it has when others wait for one.

    A connection that brings less than ``stall_bytes`` while we wait for it ``stall_seconds`` long is given up.
    """

    slow_seconds: float = 2.0
    stall_seconds: float = 60.0
    stall_bytes: int = 60 * 1024


async def paced(body: AsyncIterator[bytes], pace: Pace) -> AsyncGenerator[bytes, None]:
    r"""The chunks of ``body``, and b"" whenever none came for ``slow_seconds``.

    ``body.__anext__`` may be cancelled and called again without losing bytes. Raises BlobUploadInvalid for a client
    that stands still, ConnectionError for one that is gone.
    """
    clock = asyncio.get_running_loop().time
    idle, came = 0.0, 0
    while True:
        asked = clock()
        chunk = await _next(body, pace.slow_seconds)
        if chunk is None:
            return
        idle += clock() - asked  # the time in which we waited for the client, not it for us
        came += len(chunk)
        if idle > pace.stall_seconds:
            if came < pace.stall_bytes:
                raise BlobUploadInvalid(f"less than {pace.stall_bytes} bytes came within {pace.stall_seconds:g} s")
            idle, came = 0.0, 0
        yield chunk


async def _next(body: AsyncIterator[bytes], seconds: float) -> bytes | None:
    patience = asyncio.timeout(seconds)
    try:
        async with patience:
            return await anext(body, None)
    except TimeoutError as error:
        if patience.expired():
            return b""
        # ETIMEDOUT of the socket, which would be raised again at once for ever.
        raise ConnectionResetError("the client's connection timed out") from error

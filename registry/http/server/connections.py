"""All connections of a process: late ones are ended, and every one when the process stops."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Final

from registry.http.server.protocol import Server

#: What is cut has so long to be made durable and told; then once half as long for what is cancelled.
_CUT_SECONDS: Final = 9.0
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a process: ``leaving`` when it is told to stop, ``overdue`` when uploads under way are to be cut.

    ``handlers`` are the tasks that answer.
    """

    leaving: asyncio.Event
    overdue: asyncio.Event
    handlers: set[asyncio.Task[None]]


async def watch(server: Server) -> None:
    """End late connections, until cancelled. One look at all of them costs less than a timer for each request."""
    while True:
        await asyncio.sleep(min(1.0, server.limits.head_seconds / 4))
        now = time.monotonic()
        for connection in list(server.connections):
            if connection.deadline is not None and connection.deadline <= now:
                connection.expire()


async def leave(server: Server) -> None:
    """Wait for the process to leave; from then on each response is the last of its connection."""
    await server.leaving.wait()
    for connection in server.connections:
        connection.leaving = True


async def shutdown(server: Server, ending: Ending, seconds: float) -> None:
    """Close idle connections, and give what was let in ``seconds`` to finish; then cut the rest.

    Uploads that are cut stop at their next bytes with all that came made durable, for another replica to go on.
    """
    await asyncio.sleep(_LOOK_SECONDS)  # what came last is read, and answered
    for connection in list(server.connections):
        connection.finish()
    await _ended(server, ending, seconds)
    ending.overdue.set()
    await _ended(server, ending, _CUT_SECONDS)
    for handler in list(ending.handlers):
        handler.cancel()
    await _ended(server, ending, _CUT_SECONDS / 2)
    for connection in list(server.connections):
        connection.transport.abort()


async def _ended(server: Server, ending: Ending, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while server.connections or ending.handlers:  # noqa: ASYNC110 - at the end of a process only
                await asyncio.sleep(_LOOK_SECONDS)

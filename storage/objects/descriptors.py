"""Readiness of sockets that have no asyncio transport."""

import asyncio
from collections.abc import Callable


async def readable(fd: int, seconds: float | None) -> None:
    """Wait until ``fd`` can be read, or has ended. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    await _ready(fd, seconds, loop.add_reader, loop.remove_reader)


async def writable(fd: int, seconds: float | None) -> None:
    """Wait until ``fd`` can be written, or a write would fail. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    await _ready(fd, seconds, loop.add_writer, loop.remove_writer)


async def _ready(fd: int, seconds: float | None, watch: Callable[..., None], unwatch: Callable[[int], object]) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    watch(fd, _settle, ready)
    try:
        async with asyncio.timeout(seconds):
            await ready
    finally:
        unwatch(fd)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)

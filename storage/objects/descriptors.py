"""Waiting for sockets that no transport has."""

import asyncio
from collections.abc import Callable
from typing import Any


async def readable(fd: int, seconds: float | None) -> None:
    """Come back when something can be read from ``fd``, or it has ended. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    await _ready(loop.add_reader, loop.remove_reader, fd, seconds)


async def writable(fd: int, seconds: float | None) -> None:
    """Come back when something can be written to ``fd``, or that would fail. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    await _ready(loop.add_writer, loop.remove_writer, fd, seconds)


async def _ready(watch: Callable[..., Any], unwatch: Callable[[int], Any], fd: int, seconds: float | None) -> None:
    ready = asyncio.get_running_loop().create_future()
    watch(fd, _settle, ready)
    try:
        async with asyncio.timeout(seconds):
            await ready
    finally:
        unwatch(fd)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)

"""Readiness of sockets that have no asyncio transport."""

import asyncio


async def readable(fd: int, seconds: float | None) -> None:
    """Wait until ``fd`` can be read, or has ended. Raises TimeoutError."""
    await _ready(fd, seconds, read=True)


async def writable(fd: int, seconds: float | None) -> None:
    """Wait until ``fd`` can be written, or a write would fail. Raises TimeoutError."""
    await _ready(fd, seconds, write=True)


async def writable_first(fd: int, seconds: float | None) -> bool:
    """Return whether ``fd`` can be written before it can be read or ends. Raises TimeoutError."""
    return await _ready(fd, seconds, write=True, read=True)


async def _ready(fd: int, seconds: float | None, *, write: bool = False, read: bool = False) -> bool:
    """Wait until ``fd`` is ready; True: ready to be written."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[bool] = loop.create_future()
    if read:
        loop.add_reader(fd, _settle, ready, False)
    if write:
        loop.add_writer(fd, _settle, ready, True)
    try:
        async with asyncio.timeout(seconds):
            return await ready
    finally:
        if read:
            loop.remove_reader(fd)
        if write:
            loop.remove_writer(fd)


def _settle(ready: asyncio.Future[bool], result: bool) -> None:
    if not ready.done():
        ready.set_result(result)

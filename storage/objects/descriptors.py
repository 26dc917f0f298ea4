"""Waiting for sockets that no transport has."""

import asyncio


async def readable(fd: int, seconds: float | None) -> None:
    """Come back when something can be read from ``fd``, or it has ended. Raises TimeoutError."""
    await _ready(fd, seconds, read=True)


async def writable(fd: int, seconds: float | None) -> None:
    """Come back when something can be written to ``fd``, or that would fail. Raises TimeoutError."""
    await _ready(fd, seconds, write=True)


async def writable_first(fd: int, seconds: float | None) -> bool:
    """Whether ``fd`` can be written to before something can be read from it, or it ends. Raises TimeoutError."""
    return await _ready(fd, seconds, write=True, read=True)


async def _ready(fd: int, seconds: float | None, *, write: bool = False, read: bool = False) -> bool:
    """Whether it is writing that can be done."""
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

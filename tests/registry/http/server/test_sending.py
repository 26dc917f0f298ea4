"""A reader that gives other than it announces, behind a real socket."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from registry.http.server.message import Request, Response
from registry.http.server.protocol import Connection, Limits, Server
from registry.http.server.sending import send
from storage.errors import ObjectCorrupt, Unavailable
from tests.support.raw import Wire, request


@dataclass
class Reader:
    """Announces ``size`` bytes of an object of ``object_size``, and gives ``chunks``."""

    size: int
    object_size: int
    chunks: Sequence[bytes]

    def source(self) -> None:
        """None: there is no descriptor."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


class Site:
    """Answers each request with ten bytes of ``reader``, as a handler does, and collects the errors."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._tasks = set[asyncio.Task[None]]()
        self.errors: list[Exception] = []

    def answer(self, request: Request) -> None:
        self._tasks.add(asyncio.ensure_future(self._answer(request)))

    async def _answer(self, request: Request) -> None:
        response = Response(206, {"Content-Range": "bytes 0-9/20"}, length=10)
        try:
            await send(request, response, self._reader, 1.0)
        except (ObjectCorrupt, Unavailable) as error:
            self.errors.append(error)
            request.client.cut(request)
        else:
            request.client.respond(request, response)


async def _sent(reader: Reader) -> tuple[bytes, list[Exception]]:
    """All bytes that a client gets for two requests, and the errors."""
    site = Site(reader)
    server = Server(site, Limits(head_seconds=5, idle_seconds=0.3), None, asyncio.Event(), 10)
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with listening, Wire.to(f"http://{host}:{port}") as wire:
        await wire.send(request("GET", "/") + request("GET", "/", "Connection: close"))
        got = await wire.rest()
    return got, site.errors


async def test_what_is_announced_is_sent() -> None:
    got, errors = await _sent(Reader(10, 20, [b"01234", b"56789"]))
    assert (got.count(b"\r\n\r\n0123456789"), got.count(b"HTTP/1.1 206"), errors) == (2, 2, [])


@pytest.mark.parametrize(
    "chunks", [[], [b"01234"], [b"0123456789", b"HTTP/1.1 200 OK"], [b"01234", b"56789HTTP/1.1 200 OK"]], ids=len
)
async def test_fewer_or_more_bytes_cut_the_connection(chunks: Sequence[bytes]) -> None:
    got, (error,) = await _sent(Reader(10, 20, chunks))
    assert isinstance(error, Unavailable)
    assert got.count(b"HTTP/1.1") <= 1
    assert len(got.partition(b"\r\n\r\n")[2]) <= 10


@pytest.mark.parametrize(("size", "whole"), [(9, 20), (11, 20), (10, 19), (10, 21)])
async def test_nothing_is_sent_of_an_object_of_another_size(size: int, whole: int) -> None:
    got, (error,) = await _sent(Reader(size, whole, [b"0123456789"]))
    assert (got, type(error)) == (b"", ObjectCorrupt)

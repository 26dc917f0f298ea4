"""PUT by aiohttp: what a server may answer, when it answers before it has all, and when it takes nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from storage.errors import StorageError, Unavailable, UploadGone
from storage.objects.base import MultipartId, ObjectKey, Pieces
from storage.objects.s3.signing import Credentials
from storage.objects.s3.store import S3Settings, S3Store

_BODY: Final[Pieces] = [b"x" * 100, memoryview(bytes(8_000_000)), b"y"]  # more than sockets keep
_TAKEN = b'HTTP/1.1 200 OK\r\nETag: "tag"\r\nContent-Length: 0\r\n\r\n'


class Server:
    """Answers each request once ``wanted`` bytes of its body have come, and keeps the connection, reading no more.

    ``asked``: how many requests came on each connection.
    """

    def __init__(self, answer: bytes, wanted: int) -> None:
        self.answer = answer
        self.wanted = wanted
        self.asked: list[int] = []
        self.tasks = set[asyncio.Task[None]]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        number = len(self.asked)
        self.asked.append(0)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.asked[number] += 1
                await reader.readexactly(self.wanted)
                writer.write(self.answer)
                if self.wanted < 8_000_000:
                    await asyncio.Event().wait()
        writer.transport.abort()


@asynccontextmanager
async def answering(answer: bytes, wanted: int) -> AsyncIterator[tuple[Server, S3Store]]:
    told = Server(answer, wanted)
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    settings = S3Settings(
        bucket="bucket",
        endpoint=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        credentials=Credentials("key", "secret"),
        silence_seconds=0.3,
        transfer_seconds=2.0,
        attempts=1,
    )
    try:
        async with S3Store.open(settings) as store:
            yield told, store
    finally:
        server.close()
        for task in told.tasks:
            task.cancel()
        await asyncio.gather(*told.tasks)


async def _put_part(store: S3Store) -> str:
    return (await store.put_part(ObjectKey("key"), MultipartId("upload"), 1, _BODY)).etag


async def test_a_connection_is_used_again() -> None:
    async with answering(_TAKEN, sum(map(len, _BODY))) as (server, store):
        assert [await _put_part(store) for _ in range(3)] == ['"tag"'] * 3
        assert server.asked == [3]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 25\r\n\r\n<Code>NoSuchUpload</Code>", UploadGone),
        (b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", Unavailable),
        (_TAKEN, Unavailable),
        (b"", Unavailable),
    ],
)
@pytest.mark.parametrize("wanted", [0, 1000, 1_000_000])
async def test_an_answer_before_all_was_sent_is_no_success(
    answer: bytes, error: type[StorageError], wanted: int
) -> None:
    async with answering(answer, wanted) as (server, store):
        with pytest.raises(error):
            await _put_part(store)
        server.answer, server.wanted = _TAKEN, sum(map(len, _BODY))
        assert await _put_part(store) == '"tag"'
        assert server.asked == [1, 1]  # on a connection where no rest is on its way

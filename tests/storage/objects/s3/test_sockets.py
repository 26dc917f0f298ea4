"""GET on sockets of our own: what a server may answer, and when a connection may be used again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from storage.errors import ObjectCorrupt, ObjectNotFound, StorageError, Unavailable
from storage.objects.base import ObjectKey, Span
from storage.objects.s3.attempts import Transient
from storage.objects.s3.signing import Credentials
from storage.objects.s3.sockets import Head, Sockets, parsed
from storage.objects.s3.store import S3Settings, S3Store

_ASKED = b"GET /bucket/key HTTP/1.1\r\nhost: there\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 12", Head(200, 12, keeps=True)),
        (
            'HTTP/1.1 206 Partial Content\r\nETag: "x"\r\ncontent-length:7\r\ncontent-Range: bytes 1-7/9\r\nServer:\tS3 \xfc',
            Head(206, 7, True, "bytes 1-7/9", '"x"'),
        ),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\nContent-Length: 0", Head(200, 0, keeps=True)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Close", Head(200, 1, keeps=False)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, close", Head(200, 1, keeps=False)),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1", Head(200, 1, keeps=False)),
        ("HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked", Head(503, None, keeps=True)),
    ],
)
def test_a_head_is_read(text: str, head: Head) -> None:
    assert parsed(text.encode("latin-1")) == head


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HTTP/2 200",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 100 Continue",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1",
        "HTTP/1.1 200 OK\r\nContent-Length: -1",
        "HTTP/1.1 200 OK\r\nContent-Length: +1",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x1",
        "HTTP/1.1 200 OK\r\nContent-Length:",
        "HTTP/1.1 200 OK\r\nContent-Length : 1",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\nConnection: close",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\x00: 1",
        "HTTP/1.1 200 OK\r\nnothing",
    ],
)
def test_a_head_that_leaves_a_doubt_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parsed(text.encode("latin-1"))


class Server:
    """Answers as told, a list a connection, then it closes. ``asked``: how many requests came on each."""

    def __init__(self, *answers: Sequence[bytes]) -> None:
        self._answers = list(answers)
        self.asked: list[int] = []
        self.tasks = set[asyncio.Task[None]]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        number = len(self.asked)
        self.asked.append(0)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            for answer in self._answers[number]:
                await reader.readuntil(b"\r\n\r\n")
                self.asked[number] += 1
                for piece in answer.split(b"|"):
                    writer.write(piece)
                    await asyncio.sleep(0.02)
            writer.write_eof()
            await reader.read()
        writer.transport.abort()


@asynccontextmanager
async def answering(*answers: Sequence[bytes]) -> AsyncIterator[tuple[Server, Sockets]]:
    told = Server(*answers)
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sockets = Sockets(f"http://localhost:{port}", connect_seconds=1, silence_seconds=0.3, connections=2)
    try:
        yield told, sockets
    finally:
        sockets.close()
        server.close()
        for task in told.tasks:
            task.cancel()
        await asyncio.gather(*told.tasks)


async def got(sockets: Sockets, span: Span | None = None) -> bytes:
    reader = await sockets.get("here", _ASKED, span)
    try:
        return b"".join([chunk async for chunk in reader])
    finally:
        reader.close()


async def test_a_connection_is_used_again() -> None:
    async with answering([_OK] * 3) as (server, sockets):
        assert [await got(sockets) for _ in range(3)] == [b"abcde"] * 3
        assert server.asked == [3]


async def test_not_when_the_server_has_closed_it() -> None:
    async with answering([_OK], [_OK, _OK]) as (server, sockets):
        assert await got(sockets) == b"abcde"
        await asyncio.sleep(0.1)
        assert [await got(sockets) for _ in range(2)] == [b"abcde"] * 2
        assert server.asked == [1, 2]


@pytest.mark.parametrize("said", [b"Connection: close\r\n", b"Connection: keep-alive, Close\r\n"])
async def test_nor_when_it_says_that_it_will(said: bytes) -> None:
    answer = _OK.replace(b"Content-Length", said + b"Content-Length")
    async with answering([answer, answer], [answer]) as (server, sockets):
        assert [await got(sockets) for _ in range(2)] == [b"abcde"] * 2
        assert server.asked == [1, 1]


async def test_nor_when_not_all_was_read() -> None:
    async with answering([_OK.replace(b"abcde", b"ab|cde")], [_OK]) as (server, sockets):
        (await sockets.get("here", _ASKED, None)).close()
        assert await got(sockets) == b"abcde"
        assert server.asked == [1, 1]


async def test_nor_when_more_came_than_was_told() -> None:
    """It would be taken for the response to the next request."""
    async with answering([_OK + b"|HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"], [_OK]) as (server, sockets):
        assert await got(sockets) == b"abcde"
        await asyncio.sleep(0.1)
        assert await got(sockets) == b"abcde"
        assert server.asked == [1, 1]


async def test_an_answer_may_come_in_pieces() -> None:
    async with answering([b"HTT|P/1.1 200 OK\r\nContent-Le|ngth: 5\r\n\r|\n|ab|cde"]) as (_, sockets):
        assert await got(sockets) == b"abcde"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 28\r\n\r\n<Error><Code>|NoSuchKey</Code>", ObjectNotFound),
        (b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n<Code>NoSuchKey</Code>", ObjectNotFound),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Unavailable),  # a gateway's: S3 says of what
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 31\r\n\r\n<Code>XAdminUserNotFound</Code>", Unavailable),
        (b"HTTP/1.1 416 No Range\r\nContent-Length: 0\r\n\r\n", ObjectCorrupt),
        (b"HTTP/1.1 503 Slow Down\r\n\r\n", Transient),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n<Code>", Unavailable),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", Unavailable),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\nabcde", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdef", Transient),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Transient),
        (b"SSH-2.0\r\n\r\n", Transient),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, Transient),
        (b"", Transient),
    ],
)
async def test_what_is_no_answer(answer: bytes, error: type[StorageError]) -> None:
    async with answering([answer], [_OK]) as (server, sockets):
        with pytest.raises(error, match="here"):
            await got(sockets)
        assert await got(sockets) == b"abcde"
        assert server.asked == [1, 1]


@pytest.mark.parametrize("rest", [b"", b"abc"])
async def test_a_body_that_is_short_is_told(rest: bytes) -> None:
    async with answering([_OK.replace(b"abcde", rest)]) as (_, sockets):
        with pytest.raises(Unavailable, match=f"{5 - len(rest)} of 5 bytes missing"):
            await got(sockets)


@pytest.mark.parametrize("status", [b"206 Partial Content", b"200 OK"])  # as rclone
async def test_a_range_has_the_size_of_its_object(status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nContent-Range: bytes 2-6/9\r\nContent-Length: 5\r\n\r\ncdefg"
    async with answering([answer, answer]) as (server, sockets):
        reader = await sockets.get("here", _ASKED, Span(2, 7))
        assert (reader.size, reader.object_size) == (5, 9)
        assert b"".join([chunk async for chunk in reader]) == b"cdefg"
        reader.close()
        assert await got(sockets, Span(2, 8)) == b"cdefg"  # it ends there: the store tells
        assert server.asked == [2]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"Content-Range: bytes 2-6/*\r\n",
        b"Content-Range: bytes 1-5/9\r\n",
        b"Content-Range: bytes 2-7/9\r\n",
        b"Content-Range: bytes 2-6/6\r\n",
        b"Content-Range: items 2-6/9\r\n",
    ],
)
@pytest.mark.parametrize("status", [b"206 Partial Content", b"200 OK"])
async def test_a_range_of_other_bytes_is_refused(said: bytes, status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\n" + said + b"Content-Length: 5\r\n\r\ncdefg"
    async with answering([answer], [_OK]) as (server, sockets):
        with pytest.raises(Unavailable, match="here"):
            await got(sockets, Span(2, 7))
        assert await got(sockets) == b"abcde"
        assert server.asked == [1, 1]


@pytest.mark.parametrize(
    ("said", "taken"),
    [(b"Content-Range: bytes 2-6/9\r\n", True), (b"", False), (b"Content-Range: bytes 1-5/9\r\n", False)],
)
async def test_a_range_under_200_by_way_of_a_proxy(monkeypatch: pytest.MonkeyPatch, said: bytes, taken: bool) -> None:
    """There aiohttp asks, and not a socket of ours."""
    answer = b"HTTP/1.1 200 OK\r\n" + said + b"Content-Length: 5\r\n\r\ncdefg"
    told = Server([answer])
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    settings = S3Settings("bucket", endpoint="http://s3.example.org", credentials=Credentials("key", "secret"))
    async with S3Store.open(settings) as store:
        if taken:
            async with store.reader(ObjectKey("key"), Span(2, 7)) as reader:
                assert (reader.object_size, b"".join([chunk async for chunk in reader])) == (9, b"cdefg")
        else:
            with pytest.raises(Unavailable, match=r"expected|which part"):
                async with store.reader(ObjectKey("key"), Span(2, 7)):
                    pass
    server.close()
    for task in told.tasks:
        task.cancel()
    await asyncio.gather(*told.tasks)


async def test_no_more_connections_than_allowed() -> None:
    async with answering([_OK] * 4, [_OK] * 4) as (server, sockets):
        readers = [await sockets.get("here", _ASKED, None) for _ in range(2)]
        third = asyncio.ensure_future(got(sockets))
        await asyncio.sleep(0.1)
        assert not third.done()
        for reader in readers:
            reader.close()
        assert await third == b"abcde"
        assert len(server.asked) == 2


async def test_nobody_listens() -> None:
    sockets = Sockets("http://127.0.0.1:9", connect_seconds=1, silence_seconds=1, connections=1)
    for _ in range(2):
        with pytest.raises(Transient, match="here"):
            await sockets.get("here", _ASKED, None)

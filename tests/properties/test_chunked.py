"""Chunks are followed as aiohttp's parser follows them, however they come."""

import asyncio
import random
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError

from registry.http.chunked import Chunks, begun
from tests.support.raw import request

_ROUNDS: Final = 3000
_BEHIND: Final = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"
_BITS: Final = (b"\r\n", b"\r", b"\n", b"0", b"f", b"F0", b";", b" ", b"\t", b"-", b"+1", b"_", b"x", b"0x", b"\0", b"\xff", b":", b"\r\n0\r\n\r\n")  # fmt: skip
_HEAD: Final = request("PATCH", "/", "Transfer-Encoding: chunked")

#: The data of a body, and what stands behind it; ``None``: malformed, ``b""`` and unended: more is to come.
Read = tuple[bytes, bool, bytes] | None


def _body(rng: random.Random) -> bytes:
    pieces = [rng.randbytes(rng.choice((1, 2, 15, 16, 300))) for _ in range(rng.randint(0, 4))]
    extension = rng.choice((b"", b"", b";a", b";a=b", b';a="b c"'))
    size = rng.choice((b"%x", b"%X", b"%08x"))
    trailers = rng.choice((b"", b"", b"X-A: b\r\n", b"X-A: b\r\nX-B:\r\n"))
    framed = b"".join(size % len(piece) + extension + b"\r\n" + piece + b"\r\n" for piece in pieces)
    return framed + rng.choice((b"0", b"000")) + b"\r\n" + trailers + b"\r\n" + _BEHIND


def _spoiled(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body))
    return body[:at] + rng.choice(_BITS) + body[at + rng.randint(0, 3) :]


def _ours(came: list[bytes]) -> Read:
    chunks, data, behind = Chunks(), b"", b""
    for piece in came:
        if chunks.ended:
            behind += piece
            continue
        room = memoryview(bytearray(piece))
        try:
            data += room[: chunks.unwrap(room, len(piece))]
        except ValueError:
            return None
    assert chunks.data_bytes == len(data)
    return data, chunks.ended, chunks.behind + behind


def _theirs(came: list[bytes]) -> Read:
    parser: Any = HttpRequestParser(
        BaseProtocol(asyncio.get_running_loop()),
        asyncio.get_running_loop(),
        2**16,
        max_line_size=8190,
        max_field_size=8190,
        max_headers=128,
        payload_exception=web.RequestPayloadError,
        auto_decompress=False,
    )
    (_, content), *_ = parser.feed_data(_HEAD)[0]
    try:
        for piece in came:
            parser.feed_data(piece)
    except HttpProcessingError:
        if not content.is_eof():
            return None  # else it is what stands behind that it does not like
    if content.exception() is not None:
        return None
    data = content.read_nowait(-1) if content.total_bytes else b""
    return data, content.is_eof(), b""


def _split(rng: random.Random, body: bytes) -> list[bytes]:
    cuts = sorted(rng.sample(range(1, len(body)), min(len(body) - 1, rng.choice((0, 1, 3, len(body) - 1)))))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


async def test_a_body_is_its_data_however_it_comes() -> None:
    for seed in range(_ROUNDS):
        rng = random.Random(seed)
        body = _body(rng)
        theirs = _theirs([body])
        assert theirs is not None, body
        assert theirs[1], body
        assert _ours(_split(rng, body)) == (theirs[0], True, _BEHIND), (seed, body)


async def test_no_more_is_taken_for_chunks_than_by_aiohttp() -> None:
    """What aiohttp refuses is refused; and what is neither refused nor at its end has the same data."""
    refused = 0
    for seed in range(_ROUNDS):
        rng = random.Random(seed)
        body = _spoiled(rng, _body(rng))
        ours, theirs = _ours(_split(rng, body)), _theirs([body])
        refused += ours is None
        if ours is not None:
            assert theirs is not None, (seed, body)
            assert ours[:2] == theirs[:2], (seed, body)
    assert refused > _ROUNDS / 10


@pytest.mark.parametrize("line", [b"1;" + b"a" * 5000, b"0\r\n" + b"X-A: b\r\n" * 600])
def test_what_frames_a_chunk_is_bounded(line: bytes) -> None:
    assert _ours([line]) is None
    assert _ours([line[start : start + 100] for start in range(0, len(line), 100)]) is None


@pytest.mark.parametrize(
    "head",
    [
        request("PATCH", "/", "Transfer-Encoding: gzip, chunked"),
        request("PATCH", "/", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        request("PATCH", "/", "Transfer-Encoding: chunked", "Content-Length: 5"),
        request("PATCH", "/", "Transfer-Encoding: chunked\r\n , gzip"),
        request("PATCH", "/", "X-Transfer-Encoding: chunked"),
        request("PATCH", "/", "Transfer-Encoding : chunked"),
        request("PATCH", "/", "X-A: b\nTransfer-Encoding: chunked"),
        request("PATCH", "/", "Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0"),
        request("GET", "/", "Transfer-Encoding: chunked"),
        _HEAD[:-1],
    ],
)
def test_what_is_odd_is_left_to_aiohttp(head: bytes) -> None:
    assert begun(head) is None
    assert begun(_HEAD) is not None

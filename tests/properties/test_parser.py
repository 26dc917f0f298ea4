"""Requests are read the same however TCP cuts them, and whatever was done to them on the way."""

import random
from itertools import pairwise
from typing import Final

import pytest

from registry.errors import MessageInvalid
from registry.http.server.parser import Head, Parser
from tests.support.raw import request

_ROUNDS: Final = 3000
_BITS: Final = (
    b"\r\n", b"\r", b"\n", b"0", b"f", b"F0", b";", b" ", b"\t", b"-", b"+1", b"_", b"0x", b"\0", b"\xff", b":",
    b"\r\n0\r\n\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: other\r\n",
    b"Connection: close\r\n", b"Upgrade: a\r\nConnection: upgrade\r\n", b"X-A: b\r\n c\r\n", b"HTTP/1.0",
)  # fmt: skip


class _Read:
    """What a parser has told."""

    def __init__(self) -> None:
        self.messages: list[tuple[Head, bytearray, list[str]]] = []
        self.refused = ""

    def head_read(self, head: Head) -> None:
        self.messages.append((head, bytearray(), ["whole"] if head.length == 0 else []))

    def body_read(self, data: bytes) -> None:
        self.messages[-1][1].extend(data)

    def body_ended(self) -> None:
        self.messages[-1][2].append("whole")


def _read(pieces: list[bytes]) -> _Read:
    read = _Read()
    parser = Parser(read)
    for piece in pieces:
        try:
            parser.feed(memoryview(piece))
        except MessageInvalid as error:
            read.refused = error.message
            break
    return read


def _split(rng: random.Random, sent: bytes) -> list[bytes]:
    cuts = sorted(rng.sample(range(1, len(sent)), min(len(sent) - 1, rng.choice((1, 3, 20, len(sent) - 1)))))
    return [sent[start:end] for start, end in pairwise([0, *cuts, len(sent)])]


def _message(rng: random.Random) -> bytes:
    data = rng.randbytes(rng.choice((0, 1, 15, 300)))
    upgrade = rng.choice(((), (), ("Upgrade: h2c", "Connection: Upgrade")))
    if rng.random() < 0.5:
        return request("PUT", "/v2/", f"Content-Length: {len(data)}", *upgrade, body=data)
    pieces = [rng.randbytes(rng.choice((1, 2, 16, 300))) for _ in range(rng.randint(0, 4))]
    extension, size = rng.choice((b"", b";a", b";a=b", b';a="b c"')), rng.choice((b"%x", b"%X", b"%08x"))
    framed = b"".join(size % len(piece) + extension + b"\r\n" + piece + b"\r\n" for piece in pieces)
    trailers = rng.choice((b"", b"X-A: b\r\n", b"X-A: b\r\nX-B:\r\n"))
    return request("PATCH", "/v2/", "Transfer-Encoding: chunked", *upgrade, body=framed + b"0\r\n" + trailers + b"\r\n")


def _spoiled(rng: random.Random, sent: bytes) -> bytes:
    at = rng.randrange(len(sent))
    return sent[:at] + rng.choice(_BITS) + sent[at + rng.randint(0, 3) :]


def test_messages_are_the_same_however_they_are_cut() -> None:
    for seed in range(_ROUNDS):
        rng = random.Random(seed)
        sent = b"".join(_message(rng) for _ in range(3))
        once, cut = _read([sent]), _read(_split(rng, sent))
        assert cut.messages == once.messages, (seed, sent)
        assert [ended for *_, ended in once.messages] == [["whole"]] * 3, (seed, sent)
        assert once.refused == cut.refused == ""


def test_what_is_spoiled_is_the_same_however_it_is_cut() -> None:
    refused = 0
    for seed in range(_ROUNDS):
        rng = random.Random(seed)
        sent = _spoiled(rng, b"".join(_message(rng) for _ in range(2)))
        once, cut = _read([sent]), _read(_split(rng, sent))
        assert cut.messages == once.messages, (seed, sent)
        assert bool(cut.refused) == bool(once.refused), (seed, sent, once.refused, cut.refused)
        refused += bool(once.refused)
    assert refused > _ROUNDS / 10


@pytest.mark.parametrize("frame", [b"1;" + b"a" * 5000, b"0\r\n" + b"X-A: b\r\n" * 600])
def test_what_frames_a_chunk_is_bounded(frame: bytes) -> None:
    sent = request("PATCH", "/v2/", "Transfer-Encoding: chunked")
    assert _read([sent, frame]).refused
    assert _read([sent, *(frame[start : start + 100] for start in range(0, len(frame), 100))]).refused


@pytest.mark.parametrize(
    "sent",
    [
        request("PATCH", "/", "Transfer-Encoding: gzip, chunked"),
        request("PATCH", "/", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        request("PATCH", "/", "Transfer-Encoding: chunked", "Content-Length: 5"),
        request("PATCH", "/", "Transfer-Encoding: chunked\r\n , gzip"),
        request("PATCH", "/", "Transfer-Encoding : chunked"),
        request("PATCH", "/", "X-A: b\nTransfer-Encoding: chunked"),
        request("PATCH", "/", "Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0"),
        request("PATCH", "/", "Content-Length: 5, 5"),
        request("GET", "/").replace(b"Host", b"X-Host"),
    ],
)
def test_framing_that_could_be_read_in_two_ways_is_refused(sent: bytes) -> None:
    assert _read([sent]).refused
    assert not _read([sent]).messages


def test_a_head_that_is_repeated_is_the_same_only_where_a_head_begins() -> None:
    sent = request("GET", "/v2/a/b/manifests/c", "X-A: b")
    once, again = _read([sent]), _read([sent, sent, sent])
    assert [head for head, *_ in again.messages] == [head for head, *_ in once.messages] * 3
    within = _read([b"GET /within HTTP/1.1\r\nX-B: ", sent])
    assert [head.target for head, *_ in within.messages] == ["/within"]
    body = _read([request("PATCH", "/", f"Content-Length: {len(sent)}"), sent])
    assert [(head.method, bytes(data)) for head, data, _ in body.messages] == [("PATCH", sent)]


@pytest.mark.parametrize("first", ["Upgrade: h2c\r\nConnection: Upgrade", "X-A: b"])
def test_two_heads_in_one_piece_are_two_however_often_they_come(first: str) -> None:
    one, other = request("GET", "/first-of-two", first), request("GET", "/other-of-two")
    for _ in range(3):
        assert [head.target for head, *_ in _read([other]).messages] == ["/other-of-two"]
        for pair in (one + other, one + other + b"\r\n", b"\r\n" + one + b"\r\n" + other):
            assert [head.target for head, *_ in _read([pair, pair]).messages] == ["/first-of-two", "/other-of-two"] * 2


def test_what_is_remembered_of_heads_is_bounded() -> None:
    for number in range(2000):
        assert _read([request("GET", f"/{number}")]).messages[0][0].target == f"/{number}"
    assert _read([request("GET", "/0"), request("GET", "/" + "a" * 4000)]).messages[0][0].target == "/0"
    assert len(Parser._repeated) <= 512

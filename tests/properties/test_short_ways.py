"""Whatever is done to a request, it is answered without aiohttp as aiohttp answers it."""

import asyncio
import random
from typing import Final

from tests.support.raw import RawAnswer, Wire, request
from tests.support.server import Registry, basic
from tests.support.uploading import sha256

#: What aiohttp passes over before a request; it has no short way.
_LONG: Final = b"\r\n"
_BITS: Final = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"\xff", b"%2F", b"%", b"?", b"&", b"#", b"+", b"//", b"/../", b"0",
    b"-1", b"Content-Length: 3\r\n", b"content-length: 10\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: other\r\n",
    b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"X-A: b\r\n c\r\n", b"Authorization: Basic eA==\r\n", b"HTTP/1.0",
    b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
)  # fmt: skip
_ROUNDS: Final = 400
_IN_FLIGHT: Final = 20


def _spoiled(rng: random.Random, sent: bytes) -> bytes:
    """``sent`` with one to three things done to it."""
    for _ in range(rng.randint(1, 3)):
        at, to = sorted(rng.sample(range(len(sent) + 1), 2))
        match rng.randrange(4):
            case 0:
                sent = sent[:at] + rng.choice(_BITS) + sent[at:]
            case 1:
                sent = sent[:at] + sent[min(to, at + rng.randint(1, 6)) :]
            case 2:
                sent = sent[:at] + sent[at : at + 40] + sent[at:]
            case _:
                line = sent.find(b"\r\n", at) + 2
                sent = sent[:line] + rng.choice(_BITS) + sent[line:]
    return sent


async def _answers(registry: Registry, sent: bytes) -> list[tuple[int, bytes]]:
    """Status and body of all that is said to ``sent`` and a request behind it, until the end of the connection."""
    async with Wire.to(registry.url) as wire:
        await wire.send(sent)
        await asyncio.sleep(0.05)
        found: list[tuple[int, bytes]] = []
        try:
            await wire.send(request("GET", "/healthz", "Connection: close"))
            while (answer := await wire.answer(seconds=1)).status:
                found.append((answer.status, _same(answer)))
        except (TimeoutError, ConnectionError, ValueError, KeyError, asyncio.IncompleteReadError):
            found.append((0, b"cut, or waits for more"))
        return found


def _same(answer: RawAnswer) -> bytes:
    """The body, unless there is something in it that is new each time."""
    return b"" if b"token" in answer.body else answer.body


async def test_what_is_odd_is_read_as_aiohttp_reads_it(registry: Registry) -> None:
    registry.services.failures.most = 100 * _ROUNDS  # of guesses: what it says tells the time
    token, body = await registry.user("alice"), b"some bytes"
    digest = await registry.push_blob("alice/app", body, token)
    who = f"Authorization: {basic(token)['Authorization']}"
    length = f"Content-Length: {len(body)}"
    whole = (
        request("POST", f"/v2/alice/app/blobs/uploads/?digest={digest}", who, length, body=body),
        request("PATCH", "/v2/alice/app/blobs/uploads/00000000-0000-4000-8000-000000000000", who, length, body=body),
        request("PUT", f"/v2/alice/app/manifests/{sha256(body)}", who, length, body=body),
        request("GET", "/v2/alice/app/tags/list?n=1&last=a", who),
        request("HEAD", f"/v2/alice/app/blobs/{digest}"),
        request("GET", "/token?scope=repository:alice/app:pull&service=moorage", who),
    )
    rng = random.Random(20261123)
    room = asyncio.Semaphore(_IN_FLIGHT)
    different: list[tuple[bytes, object, object]] = []

    async def compare(sent: bytes) -> None:
        async with room:
            short, long = await _answers(registry, sent), await _answers(registry, _LONG + sent)
            if short != long:
                different.append((sent, short, long))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_ROUNDS):
            tasks.create_task(compare(_spoiled(rng, rng.choice(whole))))
    assert not different, different[0]

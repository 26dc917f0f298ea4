"""Clients that are a little off, on the loop of the tests and on uvloop: each request is answered once, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from tests.support.raw import Wire, request
from tests.support.server import Registry, basic, running
from tests.support.uploading import MIB, Session, noise
from tests.support.victims import victims

_TAG = "/v2/alice/app/manifests/v1"


@pytest.fixture(params=["asyncio", "uvloop"])
async def served(env: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    """A registry in this process, and one on uvloop in another."""
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(running(env))
        if request.param == "asyncio":
            yield local
            return
        servers = await stack.enter_async_context(victims(env, 1, tmp_path / "log"))
        yield Registry(servers.urls, local.replicas, local.http)
    assert "Traceback" not in (tmp_path / "log").read_text()


def _login(token: str) -> str:
    return f"Authorization: {basic(token)['Authorization']}"


_WAYS = [
    request("GET", "/v2/"),  # a coroutine
    request("GET", _TAG),  # a look-up
    request("GET", "/healthz"),
    request("GET", "/api/v3/user"),  # a guest
    request("HEAD", _TAG),
    request("PUT", _TAG, "Content-Length: 3", body=b"abc"),
    request("POST", "/token", "Transfer-Encoding: chunked", body=b"1\r\na\r\n0\r\n\r\n"),
]


async def _answers(wire: Wire, sent: list[bytes]) -> list[int]:
    return [(await wire.answer(head=one.startswith(b"HEAD"))).status for one in sent]


async def test_a_thousand_requests_in_one_write(served: Registry) -> None:
    sent = [_WAYS[number % len(_WAYS)] for number in range(1000)]
    async with Wire.to(served.url) as wire:
        await wire.send(b"".join(sent))
        statuses = await _answers(wire, sent)
        assert statuses == (statuses[: len(_WAYS)] * 1000)[:1000]
        assert statuses[:5] == [401, 401, 200, 401, 401]
        assert await wire.silent()


async def test_a_byte_at_a_time(served: Registry) -> None:
    async with Wire.to(served.url) as wire:
        for byte in b"".join(_WAYS):
            await wire.send(bytes((byte,)))
            await asyncio.sleep(0)
        statuses = await _answers(wire, _WAYS)
        await wire.send(b"".join(_WAYS))
        assert statuses == await _answers(wire, _WAYS)


async def test_a_repeated_head_in_another_state_is_read_as_what_it_is(served: Registry) -> None:
    """The memory of heads: within a body, a chunk, a head, behind a refusal and behind the last request."""
    head = request("GET", "/healthz")
    async with Wire.to(served.url) as wire:  # so that it is known
        for _ in range(3):
            await wire.send(head)
            assert (await wire.answer()).status == 200
    put = request("PUT", _TAG, f"Content-Length: {len(head)}")
    chunk = request("PUT", _TAG, "Transfer-Encoding: chunked", body=b"%x\r\n" % len(head))
    for before, after, statuses in [
        (put, b"", [401]),
        (chunk, b"\r\n0\r\n\r\n", [401]),
        (b"GET /nothing HTTP/1.1\r\nHost: a\r\nX-A: ", b"", [400]),  # two Hosts
        (b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"", [404]),
        (request("GET", "/nothing", "Upgrade: a", "Connection: upgrade"), b"", [404, 200]),
        (b"\r\n", b"", [200]),
        (b"G", b"", [400]),
        (b"GET /nothing HTTP/1.0\r\n\r\n", b"", [404]),
    ]:
        async with Wire.to(served.url) as wire:
            for piece in filter(None, (before, head, after)):
                await wire.send(piece)
                await asyncio.sleep(0.05)
            for status in statuses:
                assert (await wire.answer()).status == status, before
            assert await wire.closed(0.3) or await wire.silent(), before


@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: 0", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 6"),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: chunked;a=b",),
        ("Transfer-Encoding: \x0bchunked",),
        ("Transfer-Encoding:\tchunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: 0x5",),
        ("Content-Length: 5 5",),
        ("Content-Length: 5_0",),
        ("Content-Length: 99999999999999999999999",),
        ("Content-Length: ",),
        ("Content-Length: 5", "Content-Length: 5"),
        ("Connection: Content-Length", "Content-Length: +5"),
    ],
)
async def test_framing_that_could_hide_a_request_ends_the_connection(registry: Registry, framing: tuple[str]) -> None:
    hidden = request("GET", "/healthz")
    async with Wire.to(registry.url) as wire:
        await wire.send(request("POST", "/token", *framing, body=b"0\r\n\r\n" + hidden))
        assert (await wire.answer()).status == 400
        assert await wire.closed()


async def test_who_expects_a_continue_and_sends_no_body(served: Registry) -> None:
    token = await served.user("alice")
    location = (await Session.begin(served, "alice/app", token)).location
    async with Wire.to(served.url) as wire:
        await wire.send(request("PATCH", location, _login(token), "Content-Length: 5", "Expect: 100-continue"))
        assert (await wire.answer()).status == 100
        assert await wire.silent()
        await wire.send(b"abcde")
        assert (await wire.answer()).status == 202
        await wire.send(request("PATCH", location, "Content-Length: 5", "Expect: 100-continue"))
        refused = await wire.answer()
        assert (refused.status, refused.headers["Connection"]) == (401, "close")


async def test_an_upgrade_and_a_request_behind_it(served: Registry) -> None:
    upgrades = [
        request("GET", "/healthz", "Upgrade: h2c", "Connection: upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"),
        request("GET", "/api/v3/user", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: a"),
        request("PUT", _TAG, "Upgrade: a", "Connection: Upgrade", "Content-Length: 3", body=b"abc"),
    ]
    async with Wire.to(served.url) as wire:
        await wire.send(b"".join(one + _WAYS[2] for one in upgrades))
        assert [(await wire.answer()).status for _ in range(6)] == [200, 200, 401, 200, 401, 200]


async def test_http_1_0_is_not_kept_alive_whatever_it_asks_for(served: Registry) -> None:
    for target, status in (("/healthz", 200), ("/v2/", 401), ("/api/v3/user", 401), ("http://a/healthz", 200)):
        async with Wire.to(served.url) as wire:
            await wire.send(f"GET {target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode() + _WAYS[2])
            answer = await wire.answer()
            assert answer.status == status, target
            assert await wire.closed(), target


async def test_a_client_that_never_reads_stops_what_is_read_of_it(served: Registry) -> None:
    """Its requests wait in its socket and in ours; another is answered meanwhile, and in the end all are."""
    many, count = request("GET", "/nothing") * 1000, 0
    async with Wire.to(served.url) as wire:

        async def write() -> None:
            nonlocal count
            while count < 200:
                await wire.send(many)
                count += 1

        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await write()
        assert count < 200, "nobody reads without end"
        assert (await served.call("GET", "/healthz")).status == 200
        for _ in range(1000):
            assert (await wire.answer()).status == 404
        wire.abort()


async def test_who_is_reset_in_the_middle_keeps_nobody_waiting(served: Registry) -> None:
    token = await served.user("alice")
    digest = await served.push_blob("alice/app", noise(8 * MIB), token)
    location = (await Session.begin(served, "alice/app", token)).location
    pull = request("GET", f"/v2/alice/app/blobs/{digest}", _login(token))
    patch = request("PATCH", location, _login(token), "Content-Length: 1000", body=b"abc")
    for sent in (*_WAYS, pull, patch, pull * 50, b"".join(_WAYS) * 50, patch[:40], request("GET", "*")):
        for cut in (len(sent), len(sent) - 1, len(sent) // 2):
            for wait in (0, 0.02):
                wire = await Wire.open(served.url)
                await wire.send(sent[:cut])
                await asyncio.sleep(wait)
                wire.abort()
                await wire.close()
    assert (await served.call("GET", "/healthz")).status == 200
    assert (await Session(served, "alice/app", token, location).status()).status == 204
    assert (await served.call("GET", f"/v2/alice/app/blobs/{digest}", token)).status == 200


async def test_who_half_closes_ends_the_connection_and_no_more(served: Registry) -> None:
    """Nobody half-closes a connection of HTTP and reads on: what was answered at once may come, nothing hangs."""
    for sent in (*_WAYS, _WAYS[5][:-1], _WAYS[0][:10], b""):
        async with Wire.to(served.url) as wire:
            await wire.send(sent)
            wire.half_close()
            answer = await wire.answer(head=sent.startswith(b"HEAD"))
            assert answer.status in (0, 200, 400, 401)
            assert await wire.closed(2), sent

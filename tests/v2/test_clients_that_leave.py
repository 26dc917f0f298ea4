"""Clients that leave before they are answered: one line of the log for each request, 499, on every way."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from registry.http.server.access_log import AccessLog, Line
from registry.http.server.guest import guests, serve
from registry.http.server.message import Request
from registry.http.server.protocol import Connection, Limits, Server
from tests.support.raw import Wire, request
from tests.support.server import Registry, basic
from tests.support.uploading import Session
from tests.v2.test_access_log import lines_of

_EXPECT = "Expect: 100-continue"


@asynccontextmanager
async def _nothing_is_found(database_url: str) -> AsyncIterator[None]:
    """Whoever asks for a tag or for an access token waits until the block is over."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE tags, tokens IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def _leave(wire: Wire, *, reset: bool) -> None:
    if reset:
        wire.abort()
    await wire.close()


async def _logged(capfd: pytest.CaptureFixture[str], seconds: float = 0.6) -> list[dict[str, Any]]:
    """The lines of what has come to its end, once all has."""
    await asyncio.sleep(seconds)
    output = capfd.readouterr()
    assert "Traceback" not in output.out + output.err
    assert "request.failed" not in output.out + output.err
    return lines_of(output.err)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_who_leaves_while_postgres_is_asked(
    registry: Registry, database_url: str, capfd: pytest.CaptureFixture[str], reset: bool
) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    session = await Session.begin(registry, "alice/app", token)
    login = f"Authorization: {basic(token)['Authorization']}"
    asked = {
        "a look-up": ("GET", "/v2/alice/app/manifests/v1"),
        "a look-up of HEAD": ("HEAD", "/v2/alice/app/manifests/v1"),
        "a coroutine": ("GET", "/v2/alice/app/tags/list"),
        "a token": ("GET", "/token?service=moorage&scope=repository:alice/app:pull"),
        "a guest": ("GET", "/api/v3/user"),
        "an upload": ("GET", session.location),
        "an upload's end": ("DELETE", session.location),
    }
    await _logged(capfd)
    async with _nothing_is_found(database_url):
        for method, target in asked.values():
            wire = await Wire.open(registry.url)
            await wire.send(request(method, target, login))
            await asyncio.sleep(0.05)
            await _leave(wire, reset=reset)
        await asyncio.sleep(0.1)
    lines = await _logged(capfd)
    seen = sorted((line["method"], line["path"], line["status"]) for line in lines)
    assert seen == sorted((method, target.partition("?")[0], 499) for method, target in asked.values())
    assert len({line["request_id"] for line in lines}) == len(lines)
    assert registry.admission.working == 0


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_who_leaves_in_the_middle_of_the_body(
    registry: Registry, capfd: pytest.CaptureFixture[str], reset: bool
) -> None:
    token, admin = await registry.user("alice"), await registry.admin()
    alices, admins = (f"Authorization: {basic(who)['Authorization']}" for who in (token, admin))
    location = (await Session.begin(registry, "alice/app", token)).location
    form, json = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
    asked = [
        ("PATCH", location, alices, "X-A: b"),
        ("PUT", f"{location}?digest=sha256:{'0' * 64}", alices, "X-A: b"),
        ("POST", f"/v2/alice/app/blobs/uploads/?digest=sha256:{'0' * 64}", alices, "X-A: b"),
        ("PUT", "/v2/alice/app/manifests/v1", alices, "Content-Type: application/vnd.oci.image.manifest.v1+json"),
        ("POST", "/token", form, "X-A: b"),
        ("POST", "/api/v3/admin/users", admins, json),
    ]
    await _logged(capfd)
    for method, target, *headers in asked:
        for framing, body in (("Content-Length: 100", b"{"), ("Transfer-Encoding: chunked", b"1\r\n{\r\n")):
            for expected in ((), (_EXPECT,)):
                wire = await Wire.open(registry.url)
                await wire.send(request(method, target, *headers, framing, *expected, body=b"" if expected else body))
                await asyncio.sleep(0.15)
                await _leave(wire, reset=reset)
    lines = await _logged(capfd, 1.0)
    seen = sorted((line["method"], line["path"], line["status"]) for line in lines)
    assert seen == sorted([(method, target.partition("?")[0], 499) for method, target, *_ in asked] * 4)
    assert registry.admission.working == 0


async def test_who_leaves_the_queue(registry: Registry, database_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """When it is their turn, and when they would be refused."""
    registry.admission.most, registry.admission.patience_seconds = 1, 1.0
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    login = f"Authorization: {basic(token)['Authorization']}"
    for seconds in (0.0, 1.5):
        await _logged(capfd)
        async with _nothing_is_found(database_url), Wire.to(registry.url) as first:
            await first.send(request("GET", "/v2/alice/app/tags/list", login))
            await asyncio.sleep(0.05)
            for target in ("/v2/alice/app/tags/list", "/api/v3/user", "/v2/"):
                async with Wire.to(registry.url) as wire:
                    await wire.send(request("GET", target, login))
                    await asyncio.sleep(0.05)
            await asyncio.sleep(seconds)
        lines = await _logged(capfd)
        statuses = [line["status"] for line in lines if line["path"] != "/v2/alice/app/tags/list"]
        assert statuses == [499, 499]
        assert sorted(line["status"] for line in lines if line["path"] == "/v2/alice/app/tags/list") in (
            [200, 499], [499, 499],
        )  # fmt: skip
        assert registry.admission.working == 0


async def test_who_leaves_after_the_answer_is_logged_with_that(
    registry: Registry, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before the body is over that nobody wanted, or while the next request is worked on."""
    token = await registry.user("alice")
    login = f"Authorization: {basic(token)['Authorization']}"
    await _logged(capfd)
    async with Wire.to(registry.url) as wire:
        await wire.send(request("PUT", "/v2/alice/app/manifests/v1", "Content-Length: 100", body=b"{"))
        assert (await wire.answer()).status == 401
    async with _nothing_is_found(database_url), Wire.to(registry.url) as wire:
        await wire.send(request("GET", "/v2/") + request("GET", "/v2/alice/app/tags/list", login))
        assert (await wire.answer()).status == 401
    assert [(line["path"], line["status"]) for line in await _logged(capfd)] == [
        ("/v2/alice/app/manifests/v1", 401), ("/v2/", 401), ("/v2/alice/app/tags/list", 499),
    ]  # fmt: skip


class _Slow(web.Response):
    """A response whose server hears that the client has left between its last byte and its end."""

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        await asyncio.sleep(0.1)


async def test_who_has_all_of_a_guests_answer_has_not_left() -> None:
    """As on a busy machine: aiohttp is a turn of the loop away from the end of what it has written."""
    lines: list[Line] = []

    async def answer(request: web.Request) -> web.Response:
        return _Slow(text="all")

    app = web.Application()
    app.router.add_get("/", answer)
    async with guests(app) as guest, asyncio.TaskGroup() as tasks:

        class Site:
            def answer(self, request: Request) -> None:
                tasks.create_task(serve(request, guest()))

        access = AccessLog(None, counts=[lines.extend])
        server = Server(Site(), Limits(10, 10), access, asyncio.Event(), 10)
        door = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1")

        def client() -> bytes:
            with socket.create_connection(door.sockets[0].getsockname()) as connection:
                connection.sendall(request("GET", "/"))
                found = b""
                while not found.endswith(b"all"):
                    found += connection.recv(1000)
                return found

        assert (await asyncio.to_thread(client)).startswith(b"HTTP/1.1 200")
        door.close()
    access.flush()
    assert [(line.status, line.sent_bytes > 100) for line in lines] == [(200, True)]

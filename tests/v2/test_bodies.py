"""Bodies of uploads, byte by byte on the wire; on the loop of the tests and on that of a server."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from registry.devservers.certificates import write_certificate
from tests.support.raw import Wire, request
from tests.support.server import Registry, basic, running
from tests.support.uploading import KIB, MIB, Session, chunks, noise, sha256
from tests.support.victims import victims


@pytest.fixture(params=["plain", "uvloop", "tls"])
async def served(env: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    """A registry in this process, one that runs on uvloop in another, and that one over TLS."""
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(running(env))
        if request.param == "plain":
            yield local
            return
        tls = None
        if request.param == "tls":
            files = write_certificate(tmp_path / "served", datetime.now(UTC) + timedelta(days=1))
            env = {**env, "MOORAGE_TLS_CERT": str(files.certificate), "MOORAGE_TLS_KEY": str(files.key)}
            tls = ssl.create_default_context(cafile=str(files.certificate))
        servers = await stack.enter_async_context(victims(env, 1, tmp_path / "log"))
        connector = aiohttp.TCPConnector(ssl=tls or True)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, auto_decompress=False))
        urls = [url.replace("http:", "https:") for url in servers.urls] if tls else servers.urls
        yield Registry(urls, local.replicas, http)


class Client:
    """An upload of alice's, and a connection to talk about it."""

    def __init__(self, session: Session, wire: Wire) -> None:
        self.session = session
        self.wire = wire

    @classmethod
    async def of(cls, served: Registry, stack: AsyncExitStack) -> "Client":
        token = await served.user("alice")
        session = await Session.begin(served, "alice/app", token)
        tls = None
        if served.url.startswith("https:"):
            tls = ssl.create_default_context()
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        wire = await Wire.open(served.url, tls)
        stack.push_async_callback(wire.close)
        return cls(session, wire)

    def asks(self, method: str, target: str, *headers: str) -> bytes:
        return request(method, target, f"Authorization: {basic(self.session.token)['Authorization']}", *headers)

    def patch(self, size: int, *headers: str) -> bytes:
        return self.asks("PATCH", self.session.location, f"Content-Length: {size}", *headers)

    def patch_in_chunks(self) -> bytes:
        return self.asks("PATCH", self.session.location, "Transfer-Encoding: chunked")


def framed(data: bytes, size: int, last: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks(data, size)) + last


@pytest.fixture
async def client(served: Registry) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        yield await Client.of(served, stack)


@pytest.mark.parametrize(("first", "rest"), [(0, 1), (1, 300 * KIB), (200 * KIB, 100 * KIB), (0, 18 * MIB)])
async def test_a_request_sent_ahead_waits_for_the_body_before_it(client: Client, first: int, rest: int) -> None:
    data, ahead = noise(first + rest), client.asks("GET", "/v2/")
    await client.wire.send(client.patch(len(data)) + data[:first])
    await asyncio.sleep(0.05)
    sending = asyncio.create_task(client.wire.send(data[first:] + ahead + ahead))  # noqa: TID251 - awaited below
    assert (await client.wire.answer()).status == 202
    await sending
    assert [(await client.wire.answer()).status for _ in range(2)] == [200, 200]
    finish = client.asks("PUT", f"{client.session.location}?digest={sha256(data)}", "Content-Length: 0")
    await client.wire.send(finish)
    assert (await client.wire.answer()).status == 201
    assert await client.session.pulled(sha256(data)) == data


async def test_what_comes_behind_the_announced_length_is_no_part_of_the_body(client: Client) -> None:
    data = noise(300 * KIB)
    await client.wire.send(client.patch(len(data)) + data)
    await client.wire.send(b"and more\r\n\r\n")
    assert (await client.wire.answer()).status == 202
    assert (await client.wire.answer()).status == 400
    assert (await client.session.put(sha256(data))).status == 201


async def test_a_body_that_ends_early_is_kept_as_far_as_it_came(client: Client) -> None:
    data = noise(12 * MIB)
    await client.wire.send(client.patch(len(data)) + data[: 10 * MIB])
    await asyncio.sleep(0.3)
    await client.wire.close()
    offset = 0
    async with asyncio.timeout(10):
        while not offset:
            offset = await client.session.offset()
    assert offset <= 10 * MIB
    assert (await client.session.patch(data[offset:], at=offset)).status == 202
    assert (await client.session.put(sha256(data))).status == 201
    assert await client.session.pulled(sha256(data)) == data


async def test_a_body_is_asked_for_before_it_is_awaited(client: Client) -> None:
    data = noise(300 * KIB)
    await client.wire.send(client.patch(len(data), "Expect: 100-continue"))
    assert (await client.wire.answer()).status == 100
    await client.wire.send(data)
    assert (await client.wire.answer()).status == 202
    assert (await client.session.put(sha256(data))).status == 201


async def test_a_body_may_come_by_the_byte(client: Client) -> None:
    data = noise(100 * KIB)
    await client.wire.send(client.patch(len(data)))
    for start in range(300):
        await client.wire.send(data[start : start + 1])
        await asyncio.sleep(0.0005)
    await client.wire.send(data[300:])
    assert (await client.wire.answer()).status == 202
    assert (await client.session.put(sha256(data))).status == 201


async def test_a_connection_outlives_a_body_that_nobody_wanted(env: dict[str, str]) -> None:
    """What is left of it is taken and dropped, and the next request is found behind it."""
    env["MOORAGE_UPLOAD_SECONDS"] = "0.5"
    async with running(env) as registry, AsyncExitStack() as stack:
        client, data = await Client.of(registry, stack), noise(2 * MIB)
        await client.wire.send(client.patch(len(data)) + data[: 300 * KIB])
        refused = await client.wire.answer()
        assert refused.status == 404
        await client.wire.send(data[300 * KIB :] + client.asks("GET", "/v2/"))
        assert (await client.wire.answer()).status == 200


@pytest.mark.parametrize(
    ("size", "chunk", "first"),
    [(1, 1, 0), (40 * KIB, 7, 0), (300 * KIB, 32 * KIB, 100 * KIB), (18 * MIB, 32 * KIB, 0), (3 * MIB, 2 * MIB, 10)],
)
async def test_chunks_are_found_and_what_is_sent_behind_them(client: Client, size: int, chunk: int, first: int) -> None:
    data = noise(size)
    body, ahead = framed(data, chunk, b"0\r\nX-Trailer: a\r\n\r\n"), client.asks("GET", "/v2/")
    await client.wire.send(client.patch_in_chunks() + body[:first])
    await asyncio.sleep(0.05)
    sending = asyncio.create_task(client.wire.send(body[first:] + ahead + ahead))  # noqa: TID251 - awaited below
    assert (await client.wire.answer()).status == 202
    await sending
    assert [(await client.wire.answer()).status for _ in range(2)] == [200, 200]
    await client.wire.send(client.patch_in_chunks() + framed(b"more", 3))
    assert (await client.wire.answer()).status == 202
    assert (await client.session.put(sha256(data + b"more"))).status == 201
    assert await client.session.pulled(sha256(data + b"more")) == data + b"more"


async def test_chunks_may_come_in_any_pieces(client: Client) -> None:
    data = noise(200 * KIB)
    body, at = framed(data, 1000), 0
    await client.wire.send(client.patch_in_chunks())
    for number in range(400):
        await client.wire.send(body[at : at + 1 + number % 13])
        at += 1 + number % 13
        await asyncio.sleep(0.0005)
    await client.wire.send(body[at:-1])
    await asyncio.sleep(0.05)
    await client.wire.send(body[-1:])
    assert (await client.wire.answer()).status == 202
    assert (await client.session.put(sha256(data))).status == 201


@pytest.mark.parametrize("bad", [b"zz\r\n", b"5\r\nhello5\r\n", b"-1\r\n", b"5 \r\n", b"\r\n", b"5;" + b"a" * 5000])
async def test_a_chunk_that_is_none_ends_the_connection(client: Client, bad: bytes) -> None:
    """What came before it is kept."""
    data = noise(2 * MIB)
    await client.wire.send(client.patch_in_chunks() + framed(data, 32 * KIB, b""))
    await asyncio.sleep(0.3)
    await client.wire.send(bad)
    answer = await client.wire.answer()
    assert (answer.status, answer.headers["Connection"]) == (400, "close")
    assert (await client.wire.answer()).status == 0
    assert await client.session.offset() >= len(data)


async def test_a_connection_outlives_chunks_that_nobody_wanted(env: dict[str, str]) -> None:
    env["MOORAGE_UPLOAD_SECONDS"] = "0.5"
    async with running(env) as registry, AsyncExitStack() as stack:
        client, body = await Client.of(registry, stack), framed(noise(2 * MIB), 32 * KIB)
        await client.wire.send(client.patch_in_chunks() + body[: 300 * KIB])
        refused = await client.wire.answer()
        assert refused.status == 404
        await client.wire.send(body[300 * KIB :] + client.asks("GET", "/v2/"))
        assert (await client.wire.answer()).status == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_f51_a_client_that_closes_behind_its_last_byte(served: Registry, *, chunked: bool) -> None:
    """It was told nothing: what is durable is the beginning of what it sent, and it goes on from there."""
    data = noise(9 * MIB)
    async with AsyncExitStack() as stack:
        client = await Client.of(served, stack)
        session = client.session
        head, body = f"Content-Length: {len(data)}", data
        if chunked:
            head, body = "Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
        await client.wire.send(client.asks("PATCH", session.location, head) + body)
        await client.wire.close()  # close_notify over TLS, and the end
        status = await session.status()
        assert status.status == 204
        durable = int(status.headers["Range"].partition("-")[2]) + 1
        assert durable <= len(data)
        assert (await session.put(sha256(data), data[durable:])).status == 201
        got = await served.call("GET", f"/v2/alice/app/blobs/{sha256(data)}", session.token)
        assert got.body == data

"""Large blobs on their way out, below aiohttp: whole, in parts, to many, to the slow, and to those who leave."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from registry.config import Settings
from registry.devservers.certificates import write_certificate
from tests.support.hasty import HastyServer
from tests.support.processes import waited_for_processor
from tests.support.raw import Wire, request
from tests.support.server import Registry, basic, on_disk, running, until
from tests.support.tcp import TcpProxy
from tests.support.uploading import KIB, MIB, noise
from tests.support.victims import victims
from tests.v2.test_access_log import lines_of

_STALL_SECONDS = 0.5


def _impatient(settings: Settings) -> Settings:
    return replace(settings, http=replace(settings.http, stall_seconds=_STALL_SECONDS))


@pytest.fixture(params=["s3", "local"])
def stored(env: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    return env if request.param == "s3" else on_disk(env, tmp_path)


@pytest.fixture(params=["s3", "local", "local, from afar"])
async def served(env: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    """Who asks for 127.0.0.2 comes from 127.0.0.1: for the server that is another machine."""
    kept = env if request.param == "s3" else on_disk(env, tmp_path)
    host = "127.0.0.2" if request.param == "local, from afar" else "127.0.0.1"
    async with running(kept, change=_impatient, host=host) as registry:
        yield registry


async def _pushed(registry: Registry, token: str, data: bytes) -> str:
    return f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"


def _get(path: str, token: str, *headers: str) -> bytes:
    return request("GET", path, f"Authorization: {basic(token)['Authorization']}", *headers)


@contextlib.asynccontextmanager
async def _connected(registry: Registry) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that is read by its user only, and cut at the end."""
    parts = urlsplit(registry.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_whole_and_in_parts_on_one_connection(served: Registry) -> None:
    token, data = await served.user("alice"), noise(9 * MIB + 12_345)
    path = await _pushed(served, token, data)
    size = len(data)
    async with Wire.to(served.url) as wire:
        for asked, start, stop in [
            ("Accept: */*", 0, size),
            ("Range: bytes=1-", 1, size),
            (f"Range: bytes={3 * MIB + 7}-{8 * MIB + 1}", 3 * MIB + 7, 8 * MIB + 2),
            (f"Range: bytes=-{2 * MIB}", size - 2 * MIB, size),
            ("Range: bytes=-5", size - 5, size),
            ("Accept: */*", 0, size),
        ]:
            await wire.send(_get(path, token, asked))
            answer = await wire.answer()
            assert answer.status == (206 if asked.startswith("Range") else 200)
            assert answer.body == data[start:stop], asked
            head = request("HEAD", path, f"Authorization: {basic(token)['Authorization']}")
            await wire.send(head)
            assert (await wire.answer(head=True)).headers["Content-Length"] == str(size)
        await wire.send(_get(path, token) * 3)  # before the first has been answered
        for _ in range(3):
            assert (await wire.answer()).body == data


async def test_http_1_0_gets_all_and_an_end(served: Registry) -> None:
    token, data = await served.user("alice"), noise(3 * MIB)
    path = await _pushed(served, token, data)
    async with Wire.to(served.url) as wire:
        await wire.send(_get(path, token).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await wire.answer()).body == data
        assert await wire.closed()


async def test_nobody_gets_what_is_anothers(served: Registry) -> None:
    """Many at once, at their own pace; half of them leave in the middle, with their bytes on the way."""
    token = await served.user("alice")
    blobs = [noise(4 * MIB + number, number) for number in range(6)]
    paths = [await _pushed(served, token, data) for data in blobs]

    async def read(number: int) -> None:
        async with Wire.to(served.url) as wire:
            for turn in range(4):
                wanted = (number + turn) % len(blobs)
                await wire.send(_get(paths[wanted], token))
                await asyncio.sleep(0.01 * (number % 3))
                assert (await wire.answer(seconds=60)).body == blobs[wanted]

    async def leave(number: int) -> None:
        for turn in range(4):
            async with _connected(served) as (reader, writer):
                writer.write(_get(paths[(number + turn) % len(blobs)], token))
                await reader.readexactly(100 * KIB * (number + turn))

    async def crowd() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(12):
                tasks.create_task(read(number) if number % 2 else leave(number))

    await crowd()
    await asyncio.sleep(0.2)
    kept = _descriptors()  # with the connections to S3 and to PostgreSQL that wait to be used again
    await crowd()
    await until(lambda: _descriptors() <= kept + 2)


@pytest.mark.alone
async def test_a_slow_client_gets_all_and_keeps_nobody_waiting(served: Registry) -> None:
    token, data = await served.user("alice"), noise(24 * MIB)
    path = await _pushed(served, token, data)

    async def slowly() -> bytes:
        got = bytearray()
        async with served.http.get(served.url + path, headers=basic(token)) as response:
            while chunk := await response.content.read(1 * MIB):
                got += chunk
                await asyncio.sleep(0.05)
        return bytes(got)

    async with asyncio.TaskGroup() as tasks:
        slow = [tasks.create_task(slowly()) for _ in range(3)]
        await asyncio.sleep(0.1)
        worst = 0.0
        while not slow[0].done():
            began, idle = time.monotonic(), waited_for_processor(os.getpid())
            assert (await served.call("HEAD", path, token)).status == 200
            worst = max(worst, time.monotonic() - began - (waited_for_processor(os.getpid()) - idle))
    assert [task.result() for task in slow] == [data] * 3
    assert worst < 1.0


async def test_a_client_that_takes_nothing_is_cut(served: Registry, capfd: pytest.CaptureFixture[str]) -> None:
    token, data = await served.user("alice"), noise(24 * MIB)
    path = await _pushed(served, token, data)
    before = _descriptors()
    async with _connected(served) as (reader, writer):
        writer.write(_get(path, token))
        await asyncio.sleep(3 * _STALL_SECONDS)
        assert _descriptors() <= before + 3, "this connection, and one to the store that waits to be used again"
        got = 0
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(MIB):
                got += len(chunk)
    assert 0 < got < len(data)
    await asyncio.sleep(0.3)
    output = capfd.readouterr().err
    assert [line["status"] for line in lines_of(output) if line["method"] == "GET"] == [499]
    assert "Traceback" not in output


async def test_the_log_has_the_bytes(served: Registry, capfd: pytest.CaptureFixture[str]) -> None:
    token, data = await served.user("alice"), noise(5 * MIB)
    path = await _pushed(served, token, data)
    for headers, size in (({}, len(data)), ({"Range": f"bytes={MIB}-"}, 4 * MIB)):
        await served.call("GET", path, token, headers=headers)
        await asyncio.sleep(0.3)
        (line,) = (line for line in lines_of(capfd.readouterr().err) if line["method"] == "GET")
        assert size < line["bytes"] < size + 1000  # with the headers


async def test_a_connection_to_s3_is_used_again(env: dict[str, str]) -> None:
    async with TcpProxy(env["MOORAGE_S3_ENDPOINT"]) as between:
        env["MOORAGE_S3_ENDPOINT"] = between.through(env["MOORAGE_S3_ENDPOINT"])
        async with running(env) as registry:
            token, data = await registry.user("alice"), noise(3 * MIB)
            path = await _pushed(registry, token, data)
            made = between.accepted
            for _ in range(8):
                assert (await registry.call("GET", path, token)).body == data
            assert between.accepted - made <= 1


async def test_s3_that_ends_early_cuts_those_on_the_way_and_no_others(env: dict[str, str]) -> None:
    async with TcpProxy(env["MOORAGE_S3_ENDPOINT"]) as between:
        env["MOORAGE_S3_ENDPOINT"] = between.through(env["MOORAGE_S3_ENDPOINT"])
        async with running(env) as registry:
            token, data = await registry.user("alice"), noise(24 * MIB)
            path = await _pushed(registry, token, data)
            async with registry.http.get(registry.url + path, headers=basic(token)) as response:
                assert response.status == 200
                await response.content.readexactly(MIB)
                await between.refuse()
                with pytest.raises((aiohttp.ClientPayloadError, ConnectionError)):
                    await response.content.readexactly(23 * MIB)
            await between.heal()
            assert (await registry.call("GET", path, token)).body == data


async def test_f51_s3_that_ends_a_connection_is_asked_for_the_rest(env: dict[str, str]) -> None:
    async with TcpProxy(env["MOORAGE_S3_ENDPOINT"]) as between:
        env["MOORAGE_S3_ENDPOINT"] = between.through(env["MOORAGE_S3_ENDPOINT"])
        async with running(env) as registry:
            token, data = await registry.user("alice"), noise(24 * MIB)
            path = await _pushed(registry, token, data)
            async with registry.http.get(registry.url + path, headers=basic(token)) as response:
                got = await response.content.readexactly(MIB)
                between.cut()
                got += await response.content.readexactly(11 * MIB)
                between.cut()
                got += await response.read()
            assert got == data


async def test_f51_s3_that_closes_behind_each_response_over_tls(env: dict[str, str], tmp_path: Path) -> None:
    """On uvloop, as it is run by its operator, with clients that make it pause."""
    files = write_certificate(tmp_path / "tls", datetime.now(UTC) + timedelta(days=1))
    hasty = HastyServer(b"", files.certificate, files.key, upstream=env["MOORAGE_S3_ENDPOINT"])
    by_tls = {**env, "MOORAGE_S3_ENDPOINT": hasty.url, "AWS_CA_BUNDLE": str(files.certificate)}
    with hasty.running():
        async with running(env) as registry, victims(by_tls, 1, tmp_path / "log") as servers:
            token, data = await registry.user("alice"), noise(12 * MIB)
            path = await _pushed(registry, token, data)
            away = replace(registry, urls=servers.urls)

            async def take(start: int) -> None:
                async with _connected(away) as (reader, writer):
                    writer.write(_get(path, token, f"Range: bytes={start}-"))
                    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 206 ")
                    for at in range(start, len(data), 256 * KIB):
                        stop = min(at + 256 * KIB, len(data))
                        assert await reader.readexactly(stop - at) == data[at:stop]
                        await asyncio.sleep(0.05)

            async with asyncio.TaskGroup() as tasks:
                for number in range(12):
                    tasks.create_task(take(number * 100 * KIB))


async def test_a_hundred_slow_clients_take_little_memory(stored: dict[str, str], tmp_path: Path) -> None:
    """As it is run by its operator: on uvloop, in a process whose memory is its own."""
    data = noise(24 * MIB)
    async with running(stored) as registry, victims(stored, 1, tmp_path / "log") as servers:
        token = await registry.user("alice")
        path = await _pushed(registry, token, data)
        away = replace(registry, urls=servers.urls)
        assert (await away.call("GET", path, token)).body == data

        async def take(slow: bool) -> None:
            async with _connected(away) as (reader, writer):
                writer.write(_get(path, token))
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 ")
                for start in range(0, (4 if slow else 24) * MIB, 256 * KIB):
                    assert await reader.readexactly(256 * KIB) == data[start : start + 256 * KIB]
                    await asyncio.sleep(0.2 if slow else 0)

        async with servers.watched(0) as seen, asyncio.TaskGroup() as tasks:
            for number in range(100):
                tasks.create_task(take(slow=number % 10 > 0))
        assert max(seen) - seen[0] < 100
        assert (await away.call("GET", path, token)).body == data

"""Clients that hold what they have been given: idle connections, and pulls that are hardly read (F45)."""

import asyncio
import socket
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.support.processes import serving
from tests.support.raw import Wire, ask, request
from tests.support.server import Registry, basic, on_disk, running
from tests.support.uploading import KIB, MIB, noise
from tests.support.victims import victims

_IDLE: Final = 2000
_SLOW: Final = 500
_ASKED: Final = 200


async def _took_ms(registry: Registry, paths: list[str], token: str) -> float:
    """The median of requests one after the other, each of which succeeds within a second."""
    took: list[float] = []
    for number in range(_ASKED):
        began = time.monotonic()
        async with asyncio.timeout(1):
            answer = await registry.call("GET", paths[number % len(paths)], token)
        assert answer.status == 200
        took.append((time.monotonic() - began) * 1000)
    return statistics.median(took)


async def _slow(url: str) -> Wire:
    """A connection that stands still soon, and in whose segments the kernel buffers little, as over a network.

    With those of the loopback, 64 KiB, 500 of them and what the object store has sent for them are 1.9 GB of the
    kernel's memory for sockets: all of it on a machine of 8 GiB (tcp_mem), and then nobody's bytes go on.
    """
    parts, ours = urlsplit(url), socket.socket()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * KIB)
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    await asyncio.get_running_loop().sock_connect(ours, (parts.hostname, parts.port))
    return Wire(*await asyncio.open_connection(sock=ours, limit=KIB))


@pytest.mark.alone
@pytest.mark.parametrize("store", ["s3", "local"])
async def test_f45_who_stands_still_keeps_nobody_waiting(env: dict[str, str], tmp_path: Path, store: str) -> None:
    env["MOORAGE_REDIRECT"] = "off"
    if store == "local":
        env = on_disk(env, tmp_path)
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(running(env))
        token = await local.user("alice")
        large = await local.push_blob("alice/app", noise(1 * MIB), token)
        small = await local.push_blob("alice/app", noise(200 * KIB), token)
        await local.push_image("alice/app", "v1", token)
        servers = await stack.enter_async_context(victims(env, 1, tmp_path / "log"))
        registry = Registry(servers.urls, local.replicas, local.http)
        paths = [f"/v2/alice/app/blobs/{small}", "/v2/alice/app/manifests/v1"]
        alone = await _took_ms(registry, paths, token)

        pull = request("GET", f"/v2/alice/app/blobs/{large}", f"Authorization: {basic(token)['Authorization']}")
        for number in range(_IDLE + _SLOW):
            wire = await _slow(registry.url)
            stack.push_async_callback(wire.close)
            if number % 5 == 0:
                await wire.send(pull)
        await asyncio.sleep(1)
        crowded = await _took_ms(registry, paths, token)
        assert crowded <= 2 * alone + 10
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_f45_connections_leave_descriptors_for_what_is_done_for_them(env: dict[str, str], tmp_path: Path) -> None:
    """With 300 of them: half are connections of clients, later ones are closed; pulls go on, from S3 too."""
    given = {**env, "MOORAGE_WORKERS": "1", "MOORAGE_REDIRECT": "off"}
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(running(given))
        token = await local.user("alice")
        data = noise(3 * MIB)
        path = f"/v2/alice/app/blobs/{await local.push_blob('alice/app', data, token)}"
        _, url = await stack.enter_async_context(serving(given, tmp_path / "log", descriptors=300))
        pull = request("GET", path, f"Authorization: {basic(token)['Authorization']}")
        wires = [await stack.enter_async_context(Wire.to(url)) for _ in range(400)]
        assert await wires[-1].closed(5)
        for wire in wires[:20]:
            await wire.send(pull)
        for wire in wires[:20]:
            assert (await wire.answer()).body == data
        for wire in wires[20:]:
            await wire.close()
        assert (await ask(url, pull)).body == data
    assert "Traceback" not in (tmp_path / "log").read_text()

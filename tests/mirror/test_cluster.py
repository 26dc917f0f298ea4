"""A mirror of several replicas: one request upstream for all, and processes that die."""

import asyncio
import hashlib
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from registry.mirror.spool import Spool
from tests.mirror.conftest import Mirrored, mirror_of
from tests.mirror.test_mirror import BLOBS, MANIFESTS, parts, pull
from tests.support.server import Registry, basic, running, until
from tests.support.upstream import Upstream
from tests.support.victims import victims


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def _durable(registry: Registry, size: int) -> None:
    while not await registry.services.db.fetch("SELECT FROM uploads WHERE received > $1", size):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


@pytest.fixture
def replicas() -> int:
    return 3


@pytest.fixture
def nodes(mirrored: Mirrored, tmp_path: Path) -> Mirrored:
    """Each replica on a node of its own."""
    for number, replica in enumerate(mirrored.registry.replicas):
        replica.mirroring.blobs.spool = Spool(tmp_path / str(number))
    return mirrored


async def test_the_upstream_sees_each_thing_once(nodes: Mirrored) -> None:
    await nodes.push("app", layers=4, size=2_000_000)
    nodes.upstream.pace = 4_000_000
    await asyncio.gather(*(pull(nodes, nodes.member, n % 3) for n in range(30)))
    asked = {key: count for key, count in nodes.upstream.seen.items() if "manifests" in key or "blobs" in key}
    assert asked == dict.fromkeys(asked, 1)
    assert len(asked) == 6  # the manifest by its tag, the config, four layers
    assert nodes.upstream.sent < 1.02 * 4 * 2_000_000


async def test_a_failure_is_heard_once_by_all(nodes: Mirrored) -> None:
    await nodes.push("app", size=300_000)
    nodes.upstream.status = 500
    calls = (nodes.registry.call("GET", f"{MANIFESTS}/1", nodes.member, replica=n % 3) for n in range(12))
    assert Counter(answer.status for answer in await asyncio.gather(*calls)) == {503: 12}
    assert nodes.upstream.count("manifests") == 1
    nodes.upstream.status = 0
    await asyncio.sleep(1.1)
    layer = parts(await nodes.registry.call("GET", f"{MANIFESTS}/1", nodes.member))[1]
    nodes.upstream.status, nodes.upstream.headers = 429, {"Retry-After": "60"}
    calls = (nodes.registry.call("GET", f"{BLOBS}/{layer}", nodes.member, replica=n % 3) for n in range(12))
    assert Counter(answer.status for answer in await asyncio.gather(*calls)) == {429: 12}
    assert nodes.upstream.count(f"blobs/{layer}") == 1


async def test_replicas_of_a_node_share_the_bytes_as_they_come(mirrored: Mirrored, tmp_path: Path) -> None:
    for replica in mirrored.registry.replicas:
        replica.mirroring.blobs.spool = Spool(tmp_path)
    size = 3_000_000
    await mirrored.push("app", size=size)
    layer = parts(await mirrored.registry.call("GET", f"{MANIFESTS}/1", mirrored.member))[1]
    mirrored.upstream.gate_at = 2_000_000
    responses = [
        await mirrored.registry.http.get(f"{url}{BLOBS}/{layer}", headers=basic(mirrored.member))
        for url in mirrored.registry.urls
    ]
    for response in responses:
        await response.content.readexactly(1_900_000)
    mirrored.upstream.gate.set()
    for response in responses:
        assert len(await response.content.read()) == size - 1_900_000
    assert mirrored.upstream.count(f"blobs/{layer}") == 1
    assert _files(tmp_path) == []


@pytest.mark.parametrize("same_node", [True, False])
async def test_another_process_goes_on_where_a_killed_one_was(
    env: dict[str, str], origin: Registry, upstream: Upstream, tmp_path: Path, same_node: bool
) -> None:
    size = 48 * 1024 * 1024
    env = {**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8", "MOORAGE_UPLOAD_LEASE_SECONDS": "4"}
    async with running(env) as registry, victims({**env, "TMPDIR": str(tmp_path)}, 2, tmp_path / "log") as servers:
        mirrored = await mirror_of(registry, origin, upstream)
        await mirrored.push("app", size=size)
        layer = parts(await registry.call("GET", f"{MANIFESTS}/1", mirrored.member))[1]
        await asyncio.sleep(5.5)  # until each process has looked which mirrors there are
        upstream.gate_at = size * 3 // 4

        async def client() -> bytes:
            """A client that tries again, as all do, at whichever process lives."""
            for url in (servers.urls[0], *(servers.urls[1:] * 40)):
                try:
                    async with registry.http.get(f"{url}{BLOBS}/{layer}", headers=basic(mirrored.member)) as response:
                        if response.status == 200:
                            return await response.read()
                except Exception:  # noqa: BLE001 - cut
                    continue
                await asyncio.sleep(0.5)
            raise AssertionError("no client may be left without")

        clients = [asyncio.ensure_future(client()) for _ in range(5)]
        await until(lambda: upstream.sent >= size * 3 // 4)
        await _durable(registry, size // 2)
        servers.kill(0)
        if not same_node:
            await asyncio.to_thread(shutil.rmtree, tmp_path / f"moorage-spool-{os.getuid()}")
        upstream.gate.set()
        async with asyncio.timeout(60):
            got = await asyncio.gather(*clients)
        assert {"sha256:" + hashlib.sha256(body).hexdigest() for body in got} == {layer}
        assert upstream.count(f"blobs/{layer}") >= 2
        assert upstream.sent < 1.5 * size

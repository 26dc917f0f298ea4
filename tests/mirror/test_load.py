"""A hundred clients pull a cold image of ten layers through three replicas: what the upstream saw, and how long it took.

The upstream is a real distribution behind what counts, and gives 16 MiB/s a connection. Run by make mirror, with -s for
the table.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.mirror.caches import caching, has
from tests.mirror.conftest import mirror_at
from tests.support.processes import serving
from tests.support.server import Registry, running
from tests.support.upstream import Upstream, upstream_before

pytestmark = [pytest.mark.mirror, pytest.mark.timeout(900)]

_MIB = 1024 * 1024
_CLIENTS, _REPLICAS, _LAYERS, _LAYER_BYTES = 100, 3, 10, 2 * _MIB
_PACE = 16 * _MIB


@dataclass
class Seen:
    """``seconds`` until the last client had the last byte; ``asked``: GETs of blobs; ``sent``: their bytes."""

    name: str
    seconds: float
    warm_seconds: float
    asked: int
    most: int
    sent: int
    failed: int


async def _client(http: aiohttp.ClientSession, url: str, image: str) -> None:
    headers = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    async with http.get(f"{url}/v2/{image}/manifests/1", headers=headers) as response:
        assert response.status == 200, await response.text()
        found = orjson.loads(await response.read())
    await asyncio.gather(
        *(_blob(http, f"{url}/v2/{image}/blobs/", part) for part in (found["config"], *found["layers"]))
    )


async def _blob(http: aiohttp.ClientSession, url: str, part: dict[str, str]) -> None:
    digest = hashlib.sha256()
    async with http.get(url + part["digest"]) as response:
        assert response.status == 200, await response.text()
        async for chunk in response.content.iter_any():
            digest.update(chunk)
    assert f"sha256:{digest.hexdigest()}" == part["digest"]


async def _load(name: str, urls: list[str], image: str, upstream: Upstream) -> Seen:
    """Pull while the cache is cold, and again."""
    upstream.seen.clear()
    upstream.sent = 0
    seconds, failed = await _pulled(urls, image)
    blobs = {key: count for key, count in upstream.seen.items() if key.startswith("GET blobs/")}
    asked, most, sent = sum(blobs.values()), max(blobs.values(), default=0), upstream.sent
    warm_seconds, warm_failed = await _pulled(urls, image)
    for one in (*failed, *warm_failed)[:1]:
        print(f"{name}: {one!r}"[:300])
    return Seen(name, seconds, warm_seconds, asked, most, sent, len(failed) + len(warm_failed))


async def _pulled(urls: list[str], image: str) -> tuple[float, list[BaseException]]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=300)) as http:
        began = time.monotonic()
        clients = (_client(http, urls[n % len(urls)], image) for n in range(_CLIENTS))
        ended = await asyncio.gather(*clients, return_exceptions=True)
        return time.monotonic() - began, [one for one in ended if isinstance(one, BaseException)]


@asynccontextmanager
async def _moorage(env: dict[str, str], upstream: Upstream, folder: Path) -> AsyncIterator[list[str]]:
    """Three replicas of two processes, each on a node of its own."""
    settings = {**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8", "MOORAGE_WORKERS": "2"}
    async with running(settings) as registry, AsyncExitStack() as stack:
        await mirror_at(registry, upstream.url)
        await registry.services.db.execute("UPDATE mirrors SET fetch_by = 'anonymous', changed_at = now()")
        urls = []
        for number in range(_REPLICAS):
            node = folder / f"node-{number}"
            await asyncio.to_thread(node.mkdir)
            _, url = await stack.enter_async_context(serving({**settings, "TMPDIR": str(node)}, folder / "log"))
            urls.append(url)
        yield urls


@pytest.mark.parametrize("name", ["zot", "moorage"])
async def test_each_blob_is_fetched_once_from_another(
    name: str, env: dict[str, str], origin: Registry, tmp_path: Path
) -> None:
    if name == "zot" and not has(name):
        pytest.skip("there is no zot")
    node = tmp_path / "nodes"
    await asyncio.to_thread(node.mkdir)
    async with AsyncExitStack() as stack:
        behind = origin
        if name == "zot":
            (url,) = await stack.enter_async_context(caching(name, 1, tmp_path, None))
            behind = Registry([url], [], await stack.enter_async_context(aiohttp.ClientSession()))
        token = await origin.user("library")
        await behind.push_image("library/app", "1", token, layers=_LAYERS, size=_LAYER_BYTES)
        await origin.services.db.execute("UPDATE packages SET visibility = 'public'")
        upstream = await stack.enter_async_context(upstream_before(behind.url))
        upstream.pace = _PACE
        urls = await stack.enter_async_context(_moorage(env, upstream, node))
        seen = await _load(name, urls, "hub/library/app", upstream)
    print(f"\n{name} as the upstream: {seen}")
    assert (seen.asked, seen.most, seen.failed) == (_LAYERS + 1, 1, 0)


async def test_a_hundred_clients_of_three_replicas(env: dict[str, str], tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("upstream", "moorage", "distribution", "zot")}
    for folder in folders.values():
        await asyncio.to_thread(folder.mkdir)
    seen: list[Seen] = []
    async with caching("distribution", 1, folders["upstream"], None) as (behind,), upstream_before(behind) as upstream:
        async with aiohttp.ClientSession() as http:
            await Registry([behind], [], http).push_image(
                "library/app", "1", "nobody", layers=_LAYERS, size=_LAYER_BYTES
            )
        upstream.pace = _PACE
        async with _moorage(env, upstream, folders["moorage"]) as urls:
            seen.append(await _load("moorage", urls, "hub/library/app", upstream))
        for name in ("distribution", "zot"):
            if not has(name):
                print(f"left out: there is no {name}")
                continue
            async with caching(name, _REPLICAS, folders[name], upstream.url) as urls:
                seen.append(await _load(name, urls, "library/app", upstream))
    ours = seen[0]
    print(
        f"\n\n{'cache':14} {'last byte':>10} {'ratio':>7} {'warm':>10} {'ratio':>7} {'GETs':>6} {'most of one':>12}"
        f" {'of image':>9} {'failed':>7}"
    )
    for one in seen:
        print(
            f"{one.name:14} {one.seconds:>8.1f} s {one.seconds / ours.seconds:>7.2f} {one.warm_seconds:>8.1f} s"
            f" {one.warm_seconds / ours.warm_seconds:>7.2f} {one.asked:>6} {one.most:>12}"
            f" {one.sent / (_LAYERS * _LAYER_BYTES):>9.2f} {one.failed:>7}"
        )
    assert (ours.asked, ours.most, ours.failed) == (_LAYERS + 1, 1, 0)
    assert ours.sent < 1.02 * _LAYERS * _LAYER_BYTES

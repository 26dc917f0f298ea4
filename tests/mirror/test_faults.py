"""Upstreams that are away, slow, lie or limit: what each client of a mirror gets."""

import asyncio
import hashlib
import time

import pytest

from tests.mirror.conftest import Mirrored
from tests.mirror.test_mirror import BLOBS, MANIFESTS, parts, pull
from tests.support.server import Answer, basic, running, until


async def manifest(mirrored: Mirrored, reference: str = "1", token: str | None = None) -> Answer:
    return await mirrored.registry.call("GET", f"{MANIFESTS}/{reference}", token or mirrored.member)


@pytest.mark.parametrize(("status", "why"), [(500, "500"), (503, "503"), (429, "429"), (401, "401"), (403, "403")])
async def test_what_is_here_is_served_while_the_upstream_refuses(mirrored: Mirrored, status: int, why: str) -> None:
    digest = await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    await mirrored.set("tag_seconds = 0")
    mirrored.upstream.status, mirrored.upstream.headers = status, {"Retry-After": "120"}
    found = await manifest(mirrored)
    assert (found.status, found.headers["Docker-Content-Digest"]) == (200, digest)
    assert found.headers["Warning"].startswith(f'111 - "docker.io: {why}, last seen ')
    assert int(found.headers["Age"]) < 60
    asked = mirrored.upstream.count("")
    for _ in range(3):
        again = await manifest(mirrored)
        assert again.status == 200
        assert "Warning" in again.headers
    assert mirrored.upstream.count("") == asked  # until Retry-After is over
    mirrored.upstream.status = 0
    await mirrored.set("tag_seconds = 300")  # new settings ask anew
    assert "Warning" not in (await manifest(mirrored)).headers


async def test_a_limit_is_handed_on_where_nothing_is_here(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    mirrored.upstream.status, mirrored.upstream.headers = 429, {"Retry-After": "120"}
    for _ in range(2):
        found = await manifest(mirrored)
        assert (found.status, found.code) == (429, "TOOMANYREQUESTS")
        assert 110 < int(found.headers["Retry-After"]) <= 120
    assert mirrored.upstream.count("manifests") == 1


async def test_an_upstream_that_fails_is_no_missing_image(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    mirrored.upstream.status = 500
    found = await manifest(mirrored)
    assert (found.status, found.code) == (503, "UNAVAILABLE")
    assert "docker.io, of which hub is a mirror, does not give this: 500" in found.body.decode()
    mirrored.upstream.status = 0
    await asyncio.sleep(1.1)
    assert (await manifest(mirrored)).status == 200


async def test_what_is_not_there_is_remembered_for_a_while(mirrored: Mirrored) -> None:
    await mirrored.push("app", "2")
    for _ in range(3):
        found = await manifest(mirrored)
        assert (found.status, found.code) == (404, "MANIFEST_UNKNOWN")
    assert mirrored.upstream.count("manifests") == 1
    await mirrored.push("app")
    assert (await manifest(mirrored)).status == 404
    await mirrored.set("missing_seconds = 0")
    assert (await manifest(mirrored)).status == 200


async def test_a_tag_that_is_gone_there_is_kept_here(mirrored: Mirrored) -> None:
    digest = await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    await mirrored.origin.services.db.execute("DELETE FROM tags")
    await mirrored.set("tag_seconds = 0")
    found = await manifest(mirrored)
    assert (found.status, found.headers["Docker-Content-Digest"]) == (200, digest)
    assert found.headers["Warning"].startswith('110 - "docker.io: gone there')


async def test_an_upstream_that_answers_nothing_delays_a_known_tag_by_two_seconds(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    await mirrored.set("tag_seconds = 0")
    mirrored.upstream.delay = 30
    began = time.monotonic()
    found = await manifest(mirrored)
    assert found.status == 200
    assert "no answer in time" in found.headers["Warning"]
    assert time.monotonic() - began < 3


async def test_what_is_too_old_is_not_served(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    await mirrored.set("tag_seconds = 0, stale_seconds = 0")
    await asyncio.sleep(0.1)
    mirrored.upstream.status = 500
    assert (await manifest(mirrored)).status == 503


async def _cut(mirrored: Mirrored, digest: str) -> bytes:
    """What a client gets of a blob before its connection is cut, or of an error."""
    got = b""
    async with mirrored.registry.http.get(
        f"{mirrored.registry.url}{BLOBS}/{digest}", headers=basic(mirrored.member)
    ) as response:
        if response.status != 200:
            assert response.status == 503, await response.read()
            return got
        try:
            async for chunk in response.content.iter_any():
                got += chunk
        except Exception:  # noqa: BLE001 - cut, as it must be
            return got
    raise AssertionError("a client got a whole blob of wrong bytes")


@pytest.mark.parametrize("lie", ["digest", "short", "page"])
async def test_bytes_that_are_wrong_are_never_a_whole_blob(mirrored: Mirrored, lie: str) -> None:
    size = 3_000_000
    await mirrored.push("app", size=size)
    layer = parts(await manifest(mirrored))[1]
    mirrored.upstream.lies = lie
    got = await _cut(mirrored, layer)
    assert len(got) < size
    db = mirrored.registry.services.db
    assert await db.fetchrow("SELECT FROM blobs WHERE digest = $1", layer) is None
    told = await mirrored.registry.call("GET", f"{BLOBS}/{layer}", mirrored.member)
    assert (told.status, told.code) == (503, "UNAVAILABLE")
    assert int(told.headers["Retry-After"]) >= 1
    mirrored.upstream.lies = ""
    await mirrored.set("paused = false")  # as an owner who has mended it
    await pull(mirrored, mirrored.member)


async def test_a_fetch_goes_on_when_its_only_client_leaves(mirrored: Mirrored) -> None:
    await mirrored.push("app", size=3_000_000)
    layer = parts(await manifest(mirrored))[1]
    mirrored.upstream.gate_at = 1_000_000
    response = await mirrored.registry.http.get(
        f"{mirrored.registry.url}{BLOBS}/{layer}", headers=basic(mirrored.member)
    )
    await response.content.readexactly(500_000)
    response.close()
    mirrored.upstream.gate.set()
    await until(lambda: mirrored.registry.services.mirroring.blobs.counts["stored"] == 1)
    await pull(mirrored, mirrored.member)
    assert mirrored.upstream.count(f"GET blobs/{layer}") == 1


async def test_bytes_come_while_they_are_fetched(mirrored: Mirrored) -> None:
    """A second client reads from the start what a first one has, and a range of it."""
    size = 3_000_000
    await mirrored.push("app", size=size)
    layer = parts(await manifest(mirrored))[1]
    mirrored.upstream.gate_at = 2_000_000
    url, headers = f"{mirrored.registry.url}{BLOBS}/{layer}", basic(mirrored.member)
    responses = [await mirrored.registry.http.get(url, headers=headers) for _ in range(2)]
    for response in responses:
        assert response.headers["Docker-Content-Digest"] == layer
        await response.content.readexactly(1_900_000)
    async with mirrored.registry.http.get(url, headers={**headers, "Range": "bytes=1000-1999"}) as part:
        assert (part.status, part.headers["Content-Range"]) == (206, f"bytes 1000-1999/{size}")
        assert len(await part.read()) == 1000
    head = await mirrored.registry.call("HEAD", f"{BLOBS}/{layer}", mirrored.member)
    assert (head.status, head.headers["Content-Length"]) == (200, str(size))
    behind = asyncio.ensure_future(
        mirrored.registry.call("GET", f"{BLOBS}/{layer}", mirrored.member, headers={"Range": "bytes=-10"})
    )
    mirrored.upstream.gate.set()
    for response in responses:
        assert len(await response.content.read()) == size - 1_900_000
    assert (await behind).headers["Content-Range"] == f"bytes {size - 10}-{size - 1}/{size}"
    assert mirrored.upstream.count(f"GET blobs/{layer}") == 1


async def test_a_slow_upstream_is_no_failure(mirrored: Mirrored) -> None:
    await mirrored.push("app", size=1_500_000)
    mirrored.upstream.pace = 1024 * 1024
    began = time.monotonic()
    await asyncio.gather(*(pull(mirrored, mirrored.member) for _ in range(8)))
    assert time.monotonic() - began > 1
    assert mirrored.upstream.count("blobs") == 2


async def test_an_upstream_that_breaks_off_is_asked_for_the_rest(mirrored: Mirrored) -> None:
    size = 3_000_000
    await mirrored.push("app", size=size)
    layer = parts(await manifest(mirrored))[1]
    mirrored.upstream.lies = "short"
    pulling = asyncio.ensure_future(mirrored.registry.call("GET", f"{BLOBS}/{layer}", mirrored.member))
    await until(lambda: mirrored.upstream.sent > size // 4)
    await until(lambda: mirrored.upstream.count(f"GET blobs/{layer}") > 1)
    mirrored.upstream.lies = ""
    got = await pulling
    assert "sha256:" + hashlib.sha256(got.body).hexdigest() == layer
    assert any(span.startswith("bytes=") for span in mirrored.upstream.ranges)
    assert mirrored.upstream.sent < 1.5 * size


async def test_no_blob_is_fetched_that_no_manifest_names(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await manifest(mirrored)
    other = "sha256:" + hashlib.sha256(b"other").hexdigest()
    found = await mirrored.registry.call("GET", f"{BLOBS}/{other}", mirrored.member)
    assert (found.status, found.code) == (404, "BLOB_UNKNOWN")
    assert mirrored.upstream.count("blobs") == 0


async def test_processes_that_start_while_the_upstream_is_away_serve_what_is_here(
    mirrored: Mirrored, env: dict[str, str]
) -> None:
    digest = await mirrored.push("app", size=300_000)
    found = (await pull(mirrored, mirrored.member))[0]
    await mirrored.set("tag_seconds = 0")
    mirrored.upstream.status = 500
    async with running({**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8"}) as other:
        again = await other.call("GET", f"{MANIFESTS}/1", mirrored.member)
        assert (again.status, again.headers["Docker-Content-Digest"]) == (200, digest)
        assert again.headers["Warning"].startswith('111 - "docker.io: 500')
        for part in parts(found):
            assert (await other.call("GET", f"{BLOBS}/{part}", mirrored.member)).status == 200
        assert (await other.call("GET", f"{MANIFESTS}/unknown", mirrored.member)).status == 503

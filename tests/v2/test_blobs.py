"""Blobs as they are read and shared: ranges, validators, and one digest pushed by many at once (F32)."""

import asyncio

from registry.jobs.runner import run_once
from tests.support.server import Registry, running
from tests.support.uploading import MIB, NOTHING, Session, end_all_sessions, kept, noise, sha256, streamed

_SMALL, _LARGE = noise(1000, 1), noise(3 * MIB, 2)


async def test_a_blob_is_read_in_ranges_wherever_it_is_kept(registry: Registry) -> None:
    token = await registry.user("alice")
    for data in (_SMALL, _LARGE):
        size = len(data)
        path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"
        for asked, start, stop in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-", 0, size),
            ("bytes=100-199", 100, 200),
            (f"bytes={size - 1}-", size - 1, size),
            ("bytes=-10", size - 10, size),
            (f"bytes=10-{size * 9}", 10, size),
        ]:
            part = await registry.call("GET", path, token, headers={"Range": asked})
            assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {start}-{stop - 1}/{size}")
            assert part.body == data[start:stop]
        for asked in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
            none = await registry.call("GET", path, token, headers={"Range": asked})
            assert (none.status, none.headers["Content-Range"]) == (416, f"bytes */{size}")
        for ignored in ("bites=0-1", "bytes=a-b"):
            whole = await registry.call("GET", path, token, headers={"Range": ignored})
            assert (whole.status, len(whole.body)) == (200, size), ignored


async def test_a_blob_tells_what_it_is(registry: Registry) -> None:
    token = await registry.user("alice")
    for data in (b"", _SMALL, _LARGE):
        digest = await registry.push_blob("alice/app", data, token)
        path = f"/v2/alice/app/blobs/{digest}"
        head, got = await registry.call("HEAD", path, token), await registry.call("GET", path, token)
        for answer in (head, got):
            assert answer.status == 200
            assert answer.headers["Content-Length"] == str(len(data))
            assert answer.headers["Docker-Content-Digest"] == digest
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert got.body == data
        same = await registry.call("GET", path, token, headers={"If-None-Match": got.headers["ETag"]})
        assert (same.status, same.body) == (304, b"")
        missing = await registry.call("HEAD", f"/v2/alice/app/blobs/{sha256(b'none')}", token)
        assert missing.status == 404


async def test_a_redirect_leads_to_the_bytes(env: dict[str, str]) -> None:
    env["MOORAGE_REDIRECT"] = "on"
    async with running(env) as registry:
        token = await registry.user("alice")
        path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', _LARGE, token)}"
        sent = await registry.call("GET", path, token)
        assert sent.status == 307
        assert (await registry.call("GET", sent.headers["Location"])).body == _LARGE
        assert "Expires=300" in sent.headers["Location"]
        small = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', _SMALL, token)}"
        assert (await registry.call("GET", small, token)).body == _SMALL


async def test_f32_one_digest_by_many_at_once(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        for size, count in ((1000, 20), (100_000, 20), (6 * MIB, 8)):
            data = noise(size, size)
            digest = sha256(data)

            async def push(number: int, data: bytes = data, digest: str = digest) -> int:
                session = await Session.begin(registry, f"alice/{number % 7}", token, replica=number % 2)
                sent = await session.patch(streamed(data), replica=1 - number % 2)
                assert sent.status == 202, sent.body
                return (await session.put(digest, replica=number % 2)).status

            async with asyncio.timeout(30):
                assert await asyncio.gather(*(push(number) for number in range(count))) == [201] * count
            for number in range(7):
                got = await registry.call("GET", f"/v2/alice/{number}/blobs/{digest}", token)
                assert got.body == data
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING
        (objects,) = await registry.services.db.fetch("SELECT count(*) AS n FROM blobs WHERE object_key IS NOT NULL")
        assert objects["n"] == 2

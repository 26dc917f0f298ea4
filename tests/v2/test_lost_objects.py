"""Objects that the store has lost, or has with another size: who pushes them again heals them, in every package (F50)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from registry.jobs.collect_garbage import collect_garbage
from registry.jobs.delete_objects import delete_objects
from storage.objects.base import ObjectKey
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import MIB, Session, noise, sha256

_DATA = noise(MIB)
_DIGEST = sha256(_DATA)
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(params=["s3", "local"])
async def served(env: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    async with running(on_disk(env, tmp_path) if request.param == "local" else env) as registry:
        yield registry


def _path(name: str, digest: str = _DIGEST) -> str:
    return f"/v2/{name}/blobs/{digest}"


async def _key(registry: Registry, digest: str = _DIGEST) -> ObjectKey:
    (row,) = await registry.services.db.fetch("SELECT object_key FROM blobs WHERE digest = $1", digest)
    return ObjectKey(row["object_key"])


async def _harm(registry: Registry, how: str, digest: str = _DIGEST) -> ObjectKey:
    """Lose the object of a blob, or put other bytes under its key; the key."""
    key = await _key(registry, digest)
    if how == "lost":
        await registry.services.stores.delete([key])
    else:
        await registry.services.stores.put(key, [_DATA[:-1]])
    return key


async def _dead(registry: Registry) -> list[str]:
    return [row["object_key"] for row in await registry.services.db.fetch("SELECT object_key FROM dead_objects")]


@pytest.mark.parametrize("how", ["lost", "short"])
async def test_f50_a_blob_that_is_pushed_again_is_whole_in_every_package(served: Registry, how: str) -> None:
    token, reader = await served.user("alice"), await served.user("bob")
    await served.push_blob("alice/app", _DATA, token)
    mounted = await served.call("POST", f"/v2/alice/two/blobs/uploads/?mount={_DIGEST}&from=alice/app", token)
    assert mounted.status == 201
    await served.services.db.execute("UPDATE packages SET visibility = 'public'")
    old = await _harm(served, how)

    assert (await served.call("GET", _path("alice/app"), reader)).status == 503
    for name in ("alice/app", "alice/two"):
        assert (await served.call("HEAD", _path(name), token)).status == 404, "who may push is to push it again"
        assert (await served.call("HEAD", _path(name), reader)).status == 200, "who may not can do nothing about it"
        assert (await served.call("GET", _path(name), reader)).status == 503
    again = await served.call("POST", f"/v2/alice/three/blobs/uploads/?mount={_DIGEST}&from=alice/app", token)
    assert again.status == 202, "nor is it given to another package"

    await served.push_blob("alice/two", _DATA, token)
    for name in ("alice/app", "alice/two"):
        assert (await served.call("HEAD", _path(name), token)).status == 200
        got = await served.call("GET", _path(name), reader)
        assert (got.status, got.body) == (200, _DATA)
    assert await _dead(served) == [old]
    assert await _key(served) != old


async def test_f50_who_pushes_what_nobody_has_missed_yet_heals_it_too(served: Registry) -> None:
    token = await served.user("alice")
    await served.push_blob("alice/app", _DATA, token)
    await _harm(served, "lost")
    await served.push_blob("alice/two", _DATA, token)
    assert (await served.call("GET", _path("alice/app"), token)).body == _DATA


async def test_f50_a_store_that_has_it_after_all_is_believed(served: Registry) -> None:
    token = await served.user("alice")
    await served.push_blob("alice/app", _DATA, token)
    key = await _harm(served, "lost")
    assert (await served.call("GET", _path("alice/app"), token)).status == 503
    assert (await served.call("HEAD", _path("alice/app"), token)).status == 404
    await served.services.stores.put(key, [_DATA])
    assert (await served.call("GET", _path("alice/app"), token, headers={"Range": "bytes=1-5"})).body == _DATA[1:6]
    assert (await served.call("HEAD", _path("alice/app"), token)).status == 200


@pytest.mark.parametrize("by", ["PATCH", "POST"])
async def test_f50_a_small_blob_that_is_an_object_heals_from_a_short_body(served: Registry, by: str) -> None:
    token, data = await served.user("alice"), noise(5000)
    digest = await served.push_blob("alice/app", data, token)
    db = served.services.db
    await db.execute("UPDATE blobs SET object_key = 'b/elsewhere', body = NULL WHERE digest = $1", digest)
    assert (await served.call("GET", _path("alice/app", digest), token)).status == 503
    assert (await served.call("HEAD", _path("alice/app", digest), token)).status == 404
    if by == "POST":
        put = await served.call("POST", f"/v2/alice/app/blobs/uploads/?digest={digest}", token, data=data)
        assert put.status == 201
    else:
        await served.push_blob("alice/app", data, token)
    assert (await served.call("GET", _path("alice/app", digest), token)).body == data
    assert await _dead(served) == ["b/elsewhere"]


async def test_f50_a_config_that_is_missing_is_pushed_again(served: Registry) -> None:
    token = await served.user("alice")
    config = b'{"architecture":"amd64","os":"linux"}'.ljust(100_000)
    digest = await served.push_blob("alice/app", config, token)
    await _harm(served, "lost", digest)
    body = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest,
                "size": len(config),
            },
            "layers": [],
        }
    )
    headers = {"Content-Type": _MANIFEST}
    assert (await served.call("PUT", "/v2/alice/app/manifests/v1", token, data=body, headers=headers)).status == 503
    assert (await served.call("HEAD", _path("alice/app", digest), token)).status == 404
    await served.push_blob("alice/app", config, token)
    assert (await served.call("PUT", "/v2/alice/app/manifests/v1", token, data=body, headers=headers)).status == 201


async def test_f50_many_push_it_again_at_once_and_one_object_is_kept(served: Registry) -> None:
    token = await served.user("alice")
    await served.push_blob("alice/app", _DATA, token)
    old = await _harm(served, "lost")
    assert (await served.call("GET", _path("alice/app"), token)).status == 503
    sessions = [await Session.begin(served, f"alice/p{n % 3}", token) for n in range(9)]
    for session in sessions:
        assert (await session.patch(_DATA)).status == 202
    answers = await asyncio.gather(*(session.put(_DIGEST) for session in sessions))
    assert {answer.status for answer in answers} == {201}
    dead = await _dead(served)
    assert len(dead) == len(set(dead)) == 9
    assert old in dead
    assert await _key(served) not in dead
    for name in ("alice/app", "alice/p0", "alice/p1", "alice/p2"):
        assert (await served.call("GET", _path(name), token)).body == _DATA


async def test_f50_the_collector_beside_it_takes_no_object_that_is_needed(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_GC_GRACE_SECONDS": "0"}) as registry:
        token, stop = await registry.user("alice"), asyncio.Event()
        db = registry.services.db

        async def collect() -> None:
            while not stop.is_set():
                await collect_garbage(registry.services)
                await delete_objects(registry.services)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(collect())
            for n in range(15):
                await registry.push_blob("alice/app", _DATA, token)
                row = await db.fetchrow("SELECT object_key FROM blobs WHERE digest = $1", _DIGEST)
                if row is not None:
                    await db.execute("UPDATE blobs SET suspect_since = now() WHERE digest = $1", _DIGEST)
                await registry.push_blob(f"alice/other{n % 2}", _DATA, token)
                found = await registry.call("GET", _path(f"alice/other{n % 2}"), token)
                assert found.status == 404 or found.body == _DATA
            stop.set()
        for _ in range(5):
            await collect_garbage(registry.services)
            await delete_objects(registry.services)
        assert await db.fetch("SELECT * FROM blobs") == []
        assert [info.key async for info in registry.services.stores.scan("")] == []


async def test_f50_who_is_redirected_is_not_sent_to_what_is_missing(env: dict[str, str]) -> None:
    grace = {"MOORAGE_REDIRECT": "on", "MOORAGE_GC_GRACE_SECONDS": "1000"}
    async with running({**env, **grace}) as registry:
        token = await registry.user("alice")
        await registry.push_blob("alice/app", _DATA, token)
        await _harm(registry, "lost")
        assert (await registry.call("HEAD", _path("alice/app"), token)).status == 200, "nobody has looked"
        assert (await registry.call("GET", _path("alice/app"), token)).status == 307
        # Whoever is promised that it stays is promised something that is there.
        await registry.services.db.execute("UPDATE package_blobs SET linked_at = now() - interval '600 seconds'")
        assert (await registry.call("HEAD", _path("alice/app"), token)).status == 404
        assert (await registry.call("GET", _path("alice/app"), token)).status == 503
        await registry.push_blob("alice/app", _DATA, token)
        assert (await registry.call("HEAD", _path("alice/app"), token)).status == 200
        assert (await registry.call("GET", _path("alice/app"), token)).status == 307

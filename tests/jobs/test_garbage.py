"""The collector: what it takes, what it leaves, and that no push comes between (F33, F34, F35)."""

import asyncio
from itertools import product

import orjson
import pytest

from registry.jobs.collect_garbage import collect_garbage
from registry.jobs.runner import run_once
from storage.metadata import garbage
from storage.metadata.garbage import Review
from tests.support.server import Answer, Registry, running
from tests.support.uploading import NOTHING, Session, end_all_sessions, kept, noise, sha256

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_DATA = noise(100_000)
_DIGEST = sha256(_DATA)


async def _put_manifest(registry: Registry, name: str, tag: str, token: str, *layers: bytes) -> Answer:
    """A manifest over these layers; the first is its config as well."""
    descriptors = [
        {"mediaType": "application/octet-stream", "digest": sha256(layer), "size": len(layer)} for layer in layers
    ]
    body = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": descriptors[0], "layers": descriptors}
    headers = {"Content-Type": _MANIFEST}
    return await registry.call("PUT", f"/v2/{name}/manifests/{tag}", token, data=orjson.dumps(body), headers=headers)


async def _readable(registry: Registry, name: str, token: str, data: bytes = _DATA) -> bool:
    answer = await registry.call("GET", f"/v2/{name}/blobs/{sha256(data)}", token)
    assert answer.status in (200, 404)
    return answer.status == 200 and answer.body == data


async def _pass(registry: Registry, hours: float) -> None:
    """As if so many hours had gone by."""
    for statement in (
        "UPDATE package_blobs SET linked_at = linked_at - make_interval(secs => $1)",
        "UPDATE link_reviews SET due_at = due_at - make_interval(secs => $1)",
        "UPDATE dead_objects SET not_before = not_before - make_interval(secs => $1)",
    ):
        await registry.services.db.execute(statement, 3600.0 * hours)


async def _package_id(registry: Registry, name: str) -> int:
    (row,) = await registry.services.db.fetch("SELECT id FROM packages WHERE name = $1", name)
    return int(row["id"])


async def test_a_blob_without_a_manifest_has_a_day(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_blob("alice/app", _DATA, token)
    await end_all_sessions(registry)
    await _pass(registry, 23)
    await run_once(registry.services)
    assert await _readable(registry, "alice/app", token)
    await _pass(registry, 2)
    await run_once(registry.services)
    assert not await _readable(registry, "alice/app", token)
    # The object stays for pulls that were redirected to it.
    assert len((await kept(registry)).objects) == 1
    await _pass(registry, 1)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


async def test_what_a_manifest_needs_stays(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_blob("alice/app", _DATA, token)
    assert (await _put_manifest(registry, "alice/app", "v1", token, _DATA)).status == 201
    for _ in range(2):
        await _pass(registry, 100)
        await run_once(registry.services)
        assert await _readable(registry, "alice/app", token)


async def test_f34_who_was_told_that_it_is_here_has_a_day(registry: Registry) -> None:
    token = await registry.user("alice")
    reader = await registry.token("alice", ["read:packages"])
    path = f"/v2/alice/app/blobs/{_DIGEST}"
    await registry.push_blob("alice/app", _DATA, token)
    await _pass(registry, 23)
    assert (await registry.call("HEAD", path, token)).status == 200
    await _pass(registry, 23)
    await run_once(registry.services)
    assert (await _put_manifest(registry, "alice/app", "v1", token, _DATA)).status == 201
    # Who may only read keeps nothing alive.
    other = noise(70_000, 1)
    await registry.push_blob("alice/app", other, token)
    await _pass(registry, 23)
    assert (await registry.call("HEAD", f"/v2/alice/app/blobs/{sha256(other)}", reader)).status == 200
    await _pass(registry, 2)
    await run_once(registry.services)
    assert not await _readable(registry, "alice/app", token, other)


@pytest.mark.parametrize("grace_minutes", [1, 59, 60, 600])
async def test_f34_however_short_the_grace_is(env: dict[str, str], grace_minutes: int) -> None:
    """Who was told by HEAD has half of the grace at least; and a HEAD writes once in that time at most."""
    env["MOORAGE_GC_GRACE_SECONDS"] = str(60 * grace_minutes)
    async with running(env) as registry:
        token = await registry.user("alice")
        path = f"/v2/alice/app/blobs/{_DIGEST}"
        await registry.push_blob("alice/app", _DATA, token)

        async def linked() -> object:
            return await registry.services.db.fetch("SELECT linked_at FROM package_blobs")

        for parts in (0.4, 0.15):  # of the grace; together more than half
            await _pass(registry, parts * grace_minutes / 60)
            before = await linked()
            assert (await registry.call("HEAD", path, token)).status == 200
            assert (await linked() != before) == (parts == 0.15)
        await _pass(registry, 0.9 * grace_minutes / 60)
        await run_once(registry.services)
        assert (await _put_manifest(registry, "alice/app", "v1", token, _DATA)).status == 201


async def test_a_blob_of_two_packages_goes_with_the_last(registry: Registry) -> None:
    token = await registry.user("alice")
    for name in ("alice/one", "alice/two"):
        await registry.push_blob(name, _DATA, token)
    await end_all_sessions(registry)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING  # the object that lost went at once
    assert (await registry.call("DELETE", f"/v2/alice/one/blobs/{_DIGEST}", token)).status == 202
    await run_once(registry.services)
    assert not await _readable(registry, "alice/one", token)
    assert await _readable(registry, "alice/two", token)
    assert (await registry.call("DELETE", f"/v2/alice/two/blobs/{_DIGEST}", token)).status == 202
    await run_once(registry.services)
    assert (await registry.services.db.fetch("SELECT 1 FROM blobs")) == []
    await _pass(registry, 2)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


async def test_a_blob_in_use_is_not_deleted_and_a_deleted_manifest_keeps_its_own(registry: Registry) -> None:
    token = await registry.user("alice")
    path = f"/v2/alice/app/blobs/{_DIGEST}"
    await registry.push_blob("alice/app", _DATA, token)
    put = await _put_manifest(registry, "alice/app", "v1", token, _DATA)
    used = await registry.call("DELETE", path, token)
    assert (used.status, used.code) == (405, "UNSUPPORTED")
    manifest = put.headers["Docker-Content-Digest"]
    assert manifest in used.body.decode()
    assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{manifest}", token)).status == 202
    assert (await registry.call("DELETE", path, token)).status == 202
    assert (await registry.call("DELETE", path, token)).status == 404
    await end_all_sessions(registry)
    await _pass(registry, 100)
    await run_once(registry.services)
    assert not await _readable(registry, "alice/app", token)
    # Until it is purged it can be restored, and then it needs what it had.
    (link,) = await registry.services.db.fetch("SELECT deleted_at FROM package_blobs WHERE digest = $1", _DIGEST)
    assert link["deleted_at"] is not None
    assert await kept(registry) == NOTHING
    # Who pushes it again has it again, without a second object.
    await registry.push_blob("alice/app", _DATA, token)
    assert await _readable(registry, "alice/app", token)


async def test_f33_a_manifest_on_its_way_keeps_its_blobs(env: dict[str, str]) -> None:
    env["MOORAGE_GC_GRACE_SECONDS"] = "0"
    async with running(env) as registry:
        token, db = await registry.user("alice"), registry.services.db
        await registry.push_blob("alice/app", _DATA, token)
        package = await _package_id(registry, "app")
        async with db.transaction() as push:
            # What a manifest does first: it locks its links.
            await push.fetch("SELECT 1 FROM package_blobs WHERE package_id = $1 FOR SHARE", package)
            assert await collect_garbage(registry.services) == 0  # does not wait, does not take
        assert (await _put_manifest(registry, "alice/app", "v1", token, _DATA)).status == 201
        await run_once(registry.services)
        assert await _readable(registry, "alice/app", token)
        assert await db.fetch("SELECT 1 FROM link_reviews") == []


async def test_f33_a_manifest_that_comes_too_late_is_told_so(env: dict[str, str]) -> None:
    env["MOORAGE_GC_GRACE_SECONDS"] = "0"
    async with running(env) as registry, asyncio.TaskGroup() as tasks:
        token = await registry.user("alice")
        await registry.push_blob("alice/app", _DATA, token)
        package = await _package_id(registry, "app")
        async with registry.services.db.transaction() as collector:
            assert await garbage.drop_link(collector, Review(package, _DIGEST), 0)
            waiting = tasks.create_task(_put_manifest(registry, "alice/app", "v1", token, _DATA))
            await asyncio.sleep(0.3)
            assert not waiting.done()
        refused = await waiting
        assert refused.code == "MANIFEST_BLOB_UNKNOWN"
        assert (await registry.call("HEAD", "/v2/alice/app/manifests/v1", token)).status == 404


async def test_f33_a_blob_that_is_pushed_while_it_is_collected_is_here_afterwards(env: dict[str, str]) -> None:
    env["MOORAGE_GC_GRACE_SECONDS"] = "0"
    async with running(env) as registry, asyncio.TaskGroup() as tasks:
        token, db = await registry.user("alice"), registry.services.db
        await registry.push_blob("alice/app", _DATA, token)
        await db.execute("DELETE FROM package_blobs")
        package = await _package_id(registry, "app")
        async with db.transaction() as collector:
            assert await garbage.drop_blob(collector, _DIGEST, [package], 0) == 1
            pushing = tasks.create_task(registry.push_blob("alice/app", _DATA, token))
            await asyncio.sleep(0.3)
            assert not pushing.done()
        await pushing
        assert (await _put_manifest(registry, "alice/app", "v1", token, _DATA)).status == 201
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await _readable(registry, "alice/app", token)
        assert await kept(registry) == NOTHING


async def test_f35_a_mount_of_what_is_being_collected_is_an_upload(env: dict[str, str]) -> None:
    env["MOORAGE_GC_GRACE_SECONDS"] = "0"
    async with running(env) as registry, asyncio.TaskGroup() as tasks:
        token = await registry.user("alice")
        await registry.push_blob("alice/app", _DATA, token)
        package = await _package_id(registry, "app")
        path = f"/v2/alice/other/blobs/uploads/?mount={_DIGEST}&from=alice/app"
        async with registry.services.db.transaction() as collector:
            assert await garbage.drop_link(collector, Review(package, _DIGEST), 0)
            mounting = tasks.create_task(registry.call("POST", path, token))
            await asyncio.sleep(0.3)
        assert (await mounting).status == 202


async def test_f48_a_collector_without_grace_breaks_no_image(env: dict[str, str]) -> None:
    """Pushes may be told to push a blob again; whatever was accepted is whole."""
    env["MOORAGE_GC_GRACE_SECONDS"] = "0"
    async with running(env, replicas=2) as registry:
        token, over = await registry.user("alice"), asyncio.Event()
        layers = [noise(70_000, seed) for seed in range(6)]

        async def collect() -> None:
            while not over.is_set():
                await run_once(registry.replicas[1])

        async def push(number: int) -> bool:
            name, chosen = f"alice/{number % 3}", [layers[(number + k) % 6] for k in range(3)]
            for layer in chosen:
                session = await Session.begin(registry, name, token)
                assert (await session.put(sha256(layer), layer)).status == 201
            put = await _put_manifest(registry, name, f"v{number}", token, *chosen)
            assert put.status == 201 or put.code == "MANIFEST_BLOB_UNKNOWN", put.body
            return put.status == 201

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(collect())
            pushed = []
            for start in range(0, 40, 8):
                pushed += await asyncio.gather(*(push(number) for number in range(start, start + 8)))
            over.set()
        for number, k in product([n for n, accepted in enumerate(pushed) if accepted], range(3)):
            assert await _readable(registry, f"alice/{number % 3}", token, layers[(number + k) % 6])
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING

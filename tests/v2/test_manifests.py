"""Manifests and tags written by many at once (F31, F37), and what they must find here."""

import asyncio
import random

import asyncpg
import orjson
import pytest

from tests.support.server import Answer, Registry, running
from tests.support.uploading import noise, sha256

_TYPE = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def _manifest(layers: list[bytes], note: str = "") -> bytes:
    descriptors = [{"mediaType": "application/octet-stream", "digest": sha256(d), "size": len(d)} for d in layers]
    return orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _TYPE,
            "config": descriptors[0],
            "layers": descriptors,
            "annotations": {"note": note},
        }
    )


async def _put(registry: Registry, reference: str, token: str, body: bytes, replica: int = 0) -> Answer:
    media_type = _INDEX if b'"manifests"' in body else _TYPE
    return await registry.call(
        "PUT",
        f"/v2/alice/app/manifests/{reference}",
        token,
        data=body,
        headers={"Content-Type": media_type},
        replica=replica,
    )


async def test_what_a_manifest_names_must_be_here(registry: Registry) -> None:
    token = await registry.user("alice")
    here, elsewhere = b"here", b"elsewhere"
    await registry.push_blob("alice/app", here, token)
    await registry.push_blob("alice/other", elsewhere, token)
    refused = await _put(registry, "v1", token, _manifest([here, elsewhere, b"nowhere"]))
    assert (refused.status, refused.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert sha256(elsewhere) in refused.body.decode()
    assert sha256(b"nowhere") in refused.body.decode()
    assert sha256(here) not in refused.body.decode()
    assert (await registry.call("HEAD", "/v2/alice/app/manifests/v1", token)).status == 404
    child = {"mediaType": _TYPE, "digest": sha256(b"no child"), "size": 8}
    index = orjson.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [child]})
    refused = await _put(registry, "all", token, index)
    assert (refused.status, refused.code) == (400, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize(("meanwhile", "status"), [("now()", 400), ("NULL", 201)])
async def test_what_becomes_of_a_layer_while_the_package_is_written_counts(
    env: dict[str, str], registry: Registry, meanwhile: str, status: int
) -> None:
    """Of a push that waits for its turn: what it saw of a layer when it came may have changed by then."""
    token = await registry.user("alice")
    await registry.push_blob("alice/app", b"layer", token)
    assert (await _put(registry, "first", token, _manifest([b"layer"], "first"))).status == 201
    writer = await asyncpg.connect(env["MOORAGE_DATABASE_URL"])
    try:
        before = "NULL" if meanwhile == "now()" else "now()"
        await writer.execute(f"UPDATE package_blobs SET deleted_at = {before}")
        since = await writer.fetchval("SELECT updated_at FROM packages")
        async with asyncio.TaskGroup() as tasks, writer.transaction():
            await writer.execute("SELECT 1 FROM packages FOR NO KEY UPDATE")
            await writer.execute(f"UPDATE package_blobs SET deleted_at = {meanwhile}")
            put = tasks.create_task(_put(registry, "v1", token, _manifest([b"layer"])))
            await _someone_waits(writer)
        assert put.result().status == status, put.result().body
        tags = await writer.fetch("SELECT name FROM tags WHERE name = 'v1'")
        assert (len(tags), await writer.fetchval("SELECT updated_at > $1 FROM packages", since)) == (
            (1, True) if status == 201 else (0, False)
        )
    finally:
        await writer.close()


async def _someone_waits(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"
    async with asyncio.timeout(10):
        while not await connection.fetchval(waiting):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_f31_manifests_that_share_layers_do_not_wait_in_circles(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token, rng = await registry.user("alice"), random.Random(31)
        layers = [noise(100, seed) for seed in range(40)]
        for layer in layers:
            await registry.push_blob("alice/app", layer, token)

        async def churn(number: int) -> None:
            for turn in range(4):
                shuffled = rng.sample(layers, len(layers))
                put = await _put(registry, f"v{number}", token, _manifest(shuffled, f"{number} {turn}"), number % 2)
                assert put.status == 201, put.body
                path = f"/v2/alice/app/manifests/{put.headers['Docker-Content-Digest']}"
                gone = await registry.call("DELETE", path, token, replica=1 - number % 2)
                assert gone.status == 202, gone.body

        async with asyncio.timeout(30):
            await asyncio.gather(*(churn(number) for number in range(8)))


async def test_f37_a_tag_is_always_one_whole_manifest(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        await registry.push_blob("alice/app", b"layer", token)
        bodies = [_manifest([b"layer"], str(number)) for number in range(20)]
        known = {sha256(body): body for body in bodies}
        assert (await _put(registry, "latest", token, bodies[0])).status == 201
        over = asyncio.Event()

        async def read(replica: int) -> int:
            reads = 0
            while not over.is_set():
                got = await registry.call("GET", "/v2/alice/app/manifests/latest", token, replica=replica)
                assert got.status == 200
                assert known[got.headers["Docker-Content-Digest"]] == got.body
                reads += 1
            return reads

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(read(replica)) for replica in (0, 1)]
            puts = [
                tasks.create_task(_put(registry, "latest", token, body, number % 2))
                for number, body in enumerate(bodies)
            ]
            assert [(await put).status for put in puts] == [201] * 20
            over.set()
        assert all([await reader for reader in readers])
        listed = await registry.call("GET", "/v2/alice/app/tags/list", token)
        assert listed.json == {"name": "alice/app", "tags": ["latest"]}
        # What was acknowledged last is what everybody reads, on every replica.
        assert (await _put(registry, "latest", token, bodies[7], 1)).status == 201
        got = await registry.call("GET", "/v2/alice/app/manifests/latest", token, replica=0)
        assert got.body == bodies[7]


async def test_tags_of_one_manifest_are_written_together(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        await registry.push_blob("alice/app", b"layer", token)
        bodies = [_manifest([b"layer"], note) for note in ("one", "two")]
        for body in bodies:
            assert (await _put(registry, sha256(body), token, body)).status == 201
        elsewhere = _manifest([b"layer", b"not here"])
        async with asyncio.timeout(30):
            answers = await asyncio.gather(
                *(
                    _put(registry, f"v{number % 20}", token, bodies[number // 20 % 2], number % 2)
                    for number in range(80)
                ),
                _put(registry, "broken", token, elsewhere),
            )
        assert [answer.status for answer in answers] == [201] * 80 + [400]
        listed = await registry.call("GET", "/v2/alice/app/tags/list", token)
        assert listed.json == {"name": "alice/app", "tags": sorted(f"v{n}" for n in range(20))}
        for number in range(20):
            got = await registry.call("GET", f"/v2/alice/app/manifests/v{number}", token)
            assert got.body in bodies


async def test_a_tag_moves_to_no_manifest_that_is_deleted_meanwhile(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token, body = await registry.user("alice"), _manifest([b"layer"])
        await registry.push_blob("alice/app", b"layer", token)
        path = f"/v2/alice/app/manifests/{sha256(body)}"
        assert (await _put(registry, "keeps", token, _manifest([b"layer"], "another"))).status == 201

        async def tag(number: int) -> None:
            for turn in range(10):
                assert (await _put(registry, f"v{number}-{turn}", token, body, number % 2)).status == 201

        async def delete() -> None:
            for turn in range(20):
                assert (await registry.call("DELETE", path, token, replica=turn % 2)).status in {202, 404}

        async with asyncio.timeout(30):
            await asyncio.gather(*(tag(number) for number in range(6)), delete())
        dangling = await registry.services.db.fetch(
            "SELECT name FROM tags JOIN manifests USING (package_id, digest) WHERE deleted_at IS NOT NULL"
        )
        assert dangling == []

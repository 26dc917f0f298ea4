"""Writes under a condition (RFC 9110 §13.1): what was changed meanwhile is not written over."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise

import orjson
import pytest

from tests.support.server import Answer, Registry, running
from tests.support.uploading import sha256

_INDEX = "application/vnd.oci.image.index.v1+json"


def _index(*notes: str) -> bytes:
    return orjson.dumps(
        {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [], "annotations": dict.fromkeys(notes, "here")}
    )


async def _put(
    registry: Registry, reference: str, token: str, body: bytes, headers: Mapping[str, str], replica: int = 0
) -> Answer:
    path = f"/v2/alice/app/manifests/{reference}"
    return await registry.call(
        "PUT", path, token, data=body, headers={"Content-Type": _INDEX, **headers}, replica=replica
    )


def _match(*digests: str) -> dict[str, str]:
    return {"If-Match": ", ".join(f'"{digest}"' for digest in digests)}


_ABSENT = {"If-None-Match": "*"}


async def test_of_eight_writers_of_one_index_none_loses_its_entry(env: dict[str, str]) -> None:
    """As clients keep the tag that lists referrers: read, add, write if it is still what was read."""
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")

        async def add(writer: int) -> None:
            for turn in range(4):
                while True:
                    now = await registry.call("GET", "/v2/alice/app/manifests/list", token, replica=writer % 2)
                    had: list[str] = [] if now.status == 404 else list(orjson.loads(now.body)["annotations"])
                    condition = _ABSENT if now.status == 404 else {"If-Match": now.headers["ETag"]}
                    body = _index(*had, f"{writer}-{turn}")
                    put = await _put(registry, "list", token, body, condition, 1 - writer % 2)
                    if put.status == 201:
                        break
                    assert put.status == 412, put.body

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for writer in range(8):
                tasks.create_task(add(writer))
        kept = orjson.loads((await registry.call("GET", "/v2/alice/app/manifests/list", token)).body)["annotations"]
        assert sorted(kept) == sorted(f"{writer}-{turn}" for writer in range(8) for turn in range(4))


async def test_a_tag_is_written_only_under_its_condition(registry: Registry) -> None:
    token, one, two, three = await registry.user("alice"), _index("1"), _index("2"), _index("3")
    refused = await _put(registry, "v1", token, one, _match(sha256(one)))
    assert refused.status == 412, "there is none that could match"
    assert (await _put(registry, "v1", token, one, {"If-Match": "*"})).status == 412
    assert (await registry.call("GET", f"/v2/alice/app/manifests/{sha256(one)}", token)).status == 404, "nor is it kept"
    assert (await _put(registry, "v1", token, one, _ABSENT)).status == 201
    assert (await _put(registry, "v1", token, one, _ABSENT)).status == 412
    assert (await _put(registry, "v1", token, two, _match(sha256(two)))).status == 412
    weak = {"If-Match": f'W/"{sha256(one)}"'}
    assert (await _put(registry, "v1", token, two, weak)).status == 412, "strong comparison"
    assert (await _put(registry, "v1", token, two, {"If-Match": "garbage"})).status == 412
    assert (await _put(registry, "v1", token, two, _match(sha256(three), sha256(one)))).status == 201
    assert (await _put(registry, "v1", token, three, {"If-Match": sha256(two)})).status == 201, "without quotes"
    # What is here already is only tagged anew: under the condition as well.
    assert (await _put(registry, "v1", token, one, _match(sha256(two)))).status == 412
    assert (await _put(registry, "v1", token, one, {"If-None-Match": f'"{sha256(three)}"'})).status == 412
    assert (await _put(registry, "v1", token, one, {"If-Match": "*"})).status == 201
    got = await registry.call("GET", "/v2/alice/app/manifests/v1", token)
    assert got.body == one


async def test_a_refusal_says_what_is_there(registry: Registry) -> None:
    token, one, two = await registry.user("alice"), _index("1"), _index("2")
    assert (await _put(registry, "v1", token, one, {})).status == 201
    refused = await _put(registry, "v1", token, two, _match(sha256(two)))
    assert (refused.status, refused.headers["ETag"]) == (412, f'"{sha256(one)}"')
    assert sha256(one) in refused.body.decode()


async def test_a_plain_image_is_tagged_under_the_condition(registry: Registry) -> None:
    """Its moves are batched by package, conditional ones are not."""
    token = await registry.user("alice")
    digests = [await registry.push_image("alice/app", name, token) for name in ("a", "b")]
    bodies = [(await registry.call("GET", f"/v2/alice/app/manifests/{one}", token)).body for one in digests]
    kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    assert (await _put(registry, "a", token, bodies[1], {**kind, **_ABSENT})).status == 412
    assert (await _put(registry, "a", token, bodies[1], {**kind, **_match(digests[1])})).status == 412
    assert (await _put(registry, "a", token, bodies[1], {**kind, **_match(digests[0])})).status == 201
    assert (await registry.call("HEAD", "/v2/alice/app/manifests/a", token)).headers["ETag"] == f'"{digests[1]}"'


async def test_a_manifest_is_put_by_digest_under_the_condition(registry: Registry) -> None:
    token, one = await registry.user("alice"), _index("1")
    assert (await _put(registry, sha256(one), token, one, _match(sha256(one)))).status == 412
    assert (await _put(registry, f"{sha256(one)}?tag=v1", token, one, _ABSENT)).status == 201
    assert (await _put(registry, f"{sha256(one)}?tag=v2", token, one, _ABSENT)).status == 412
    assert (await _put(registry, f"{sha256(one)}?tag=v3", token, one, _match(sha256(one)))).status == 201
    tags = await registry.call("GET", "/v2/alice/app/tags/list", token)
    assert tags.json == {"name": "alice/app", "tags": ["v1", "v3"]}


@pytest.mark.parametrize("by", ["tag", "digest"])
async def test_what_is_deleted_is_deleted_under_the_condition(registry: Registry, by: str) -> None:
    token, one, two = await registry.user("alice"), _index("1"), _index("2")
    assert (await _put(registry, "v1", token, one, {})).status == 201
    path = f"/v2/alice/app/manifests/{'v1' if by == 'tag' else sha256(one)}"
    for condition in (_match(sha256(two)), _ABSENT, {"If-None-Match": f'"{sha256(one)}"'}):
        assert (await registry.call("DELETE", path, token, headers=condition)).status == 412, condition
        assert (await registry.call("HEAD", path, token)).status == 200
    assert (await registry.call("DELETE", path, token, headers=_match(sha256(one)))).status == 202
    gone = await registry.call("DELETE", path, token, headers=_match(sha256(one)))
    assert gone.status == 404, "what would be refused anyhow is refused as ever (RFC 9110 §13.2.1)"


async def test_a_blob_is_deleted_under_the_condition(registry: Registry) -> None:
    token = await registry.user("alice")
    path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', b'blob', token)}"
    for condition in (_match(sha256(b"another")), _ABSENT):
        assert (await registry.call("DELETE", path, token, headers=condition)).status == 412, condition
    fresh = {"If-Match": (await registry.call("GET", path, token)).headers["ETag"]}
    assert (await registry.call("DELETE", path, token, headers=fresh)).status == 202
    assert (await registry.call("DELETE", path, token, headers=fresh)).status == 404


async def test_a_tag_that_moves_is_not_deleted_by_who_saw_it_before(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token, bodies = await registry.user("alice"), [_index(str(number)) for number in range(12)]
        assert (await _put(registry, "v1", token, bodies[0], {})).status == 201
        path = "/v2/alice/app/manifests/v1"
        for before, after in pairwise(bodies):
            moved, gone = await asyncio.gather(
                _put(registry, "v1", token, after, _match(sha256(before)), 0),
                registry.call("DELETE", path, token, headers=_match(sha256(before)), replica=1),
            )
            assert (moved.status, gone.status) in {(201, 412), (412, 202)}
            if gone.status == 202:
                assert (await registry.call("HEAD", path, token)).status == 404
                assert (await _put(registry, "v1", token, after, _ABSENT)).status == 201
            assert (await registry.call("GET", path, token)).body == after

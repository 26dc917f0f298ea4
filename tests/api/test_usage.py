"""Disk usage: what is stored once, what is pulled, and what only deleted versions need."""

import hashlib
import os
from typing import Any

import orjson

from tests.support.api import acme
from tests.support.server import Registry

_APP = "/api/v3/user/packages/container/app"
_KIND = "application/vnd.oci.image.manifest.v1+json"


async def _usage(registry: Registry, path: str, token: str, status: int = 200) -> Any:
    got = await registry.call("GET", f"/api/v3{path}/usage", token)
    assert got.status == status, got.body
    return got.json


async def _push(registry: Registry, name: str, tag: str, token: str, *layers: bytes) -> int:
    """Pushes an image of these layers, the first for its config; the size of its manifest."""
    described = [
        {
            "mediaType": "application/octet-stream",
            "digest": await registry.push_blob(name, one, token),
            "size": len(one),
        }
        for one in layers
    ]
    body = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _KIND,
            "config": described[0],
            "layers": described[1:],
            "annotations": {"t": tag},
        }
    )
    put = await registry.call("PUT", f"/v2/{name}/manifests/{tag}", token, data=body, headers={"Content-Type": _KIND})
    assert put.status == 201, put.body
    return len(body)


async def test_of_a_package_and_of_its_owner(registry: Registry) -> None:
    alice = await registry.user("alice", ("user", "read:packages", "write:packages", "delete:packages"))
    config, base, first, second, loose = b"{}", *(os.urandom(size) for size in (10_000, 2000, 3000, 500))
    bodies = [
        await _push(registry, "alice/app", "v1", alice, config, base, first),
        await _push(registry, "alice/app", "v2", alice, config, base, second),
    ]
    await registry.push_blob("alice/app", loose, alice)
    assert await _usage(registry, "/user/packages/container/app", alice) == {
        "stored_bytes": 2 + 10_000 + 2000 + 3000 + sum(bodies),
        "pulled_bytes": 2 * (2 + 10_000) + 2000 + 3000 + sum(bodies),
        "deleted_bytes": 0,
        "unpublished_bytes": 500,
        "complete": True,
    }
    listed: Any = (await registry.call("GET", f"{_APP}/versions", alice)).json
    one = f"{_APP}/versions/{listed[1]['id']}"
    shown: Any = (await registry.call("GET", f"{one}/deletion", alice)).json
    assert shown["bytes"] == 2000 + bodies[0]
    assert (await registry.call("DELETE", one, alice)).status == 204
    after = await _usage(registry, "/user/packages/container/app", alice)
    assert (after["stored_bytes"], after["deleted_bytes"]) == (2 + 10_000 + 3000 + bodies[1], 2000 + bodies[0])
    # Of all packages what they share counts once, and what of it was deleted counts as that.
    body = await _push(registry, "alice/other", "v1", alice, config, base)
    every = await _usage(registry, "/user/packages", alice)
    assert every["stored_bytes"] == after["stored_bytes"] + body
    assert every["pulled_bytes"] == after["pulled_bytes"] + 2 + 10_000 + body
    assert (await registry.call("DELETE", "/api/v3/user/packages/container/other", alice)).status == 204
    every = await _usage(registry, "/users/alice/packages", alice)
    assert (every["stored_bytes"], every["deleted_bytes"]) == (after["stored_bytes"], after["deleted_bytes"] + body)


async def test_who_is_told(registry: Registry) -> None:
    people = await acme(registry)
    await registry.push_image("acme/app", "v1", people.owner)
    reader = await registry.user("rita")
    await people.ok("PUT", "/orgs/acme/memberships/rita", people.owner, {})
    path = "/orgs/acme/packages/container/app"
    await people.ok("PUT", f"{path}/access/users/rita", people.owner, {"role": "read"}, 204)
    assert set(await _usage(registry, path, reader)) == {"stored_bytes", "pulled_bytes", "complete"}
    assert len(await _usage(registry, path, people.owner)) == 5
    for token, status in ((people.stranger, 404), (people.member, 404)):
        await _usage(registry, path, token, status)
    for token, status in ((people.stranger, 404), (people.member, 403), (people.owner, 200), (people.admin, 200)):
        await _usage(registry, "/orgs/acme/packages", token, status)
    for token, status in ((people.stranger, 404), (people.owner, 200), (people.admin, 200)):
        await _usage(registry, "/users/owner/packages", token, status)


async def test_who_has_a_blob_too_is_not_told(registry: Registry) -> None:
    """What a package takes, and what a deletion gives, are the same whether somebody hidden has the same bytes."""
    alice, bob = await registry.user("alice"), await registry.user("bob")
    layer = os.urandom(4000)
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()
    await _push(registry, "alice/app", "v1", alice, b"{}", layer)
    await _push(registry, "alice/app", "v2", alice, b"{}", b"another")
    listed: Any = (await registry.call("GET", f"{_APP}/versions", alice)).json

    async def told() -> list[object]:
        paths = (f"{_APP}/usage", f"{_APP}/versions/{listed[1]['id']}/deletion")
        return [(await registry.call("GET", path, alice)).json for path in paths]

    before = await told()
    assert await registry.push_blob("bob/secret", layer, bob) == digest
    assert await told() == before

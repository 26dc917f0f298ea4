"""Tags by API: listed by time and by name with who pushed them, made, moved and taken away; and their history."""

from collections.abc import Mapping
from typing import Any

import orjson

from tests.api.test_tokens_of_repositories import REPO, mint, repository
from tests.api.test_versions import APP, INDEX, OCI, delete, listed, push_index, put, restore
from tests.support import forge
from tests.support.api import acme
from tests.support.server import PACKAGES, Registry, basic


async def tags(registry: Registry, token: str, query: str = "") -> list[dict[str, Any]]:
    answer = await registry.call("GET", f"{APP}/tags{query}", token)
    assert answer.status == 200, answer.body
    found: Any = answer.json
    return list(found)


async def history(registry: Registry, token: str, path: str = "/tags/v1/history") -> list[dict[str, Any]]:
    answer = await registry.call("GET", f"{APP}{path}", token)
    assert answer.status == 200, answer.body
    found: Any = answer.json
    return list(found)


def short(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(event["action"].removeprefix("packages."), event["before"], event["digest"]) for event in events]


async def named(registry: Registry, login: str, note: str) -> str:
    """A token of the user with a name."""
    token = await registry.token(login, PACKAGES)
    await registry.services.db.execute("UPDATE tokens SET note = $1 WHERE id = (SELECT max(id) FROM tokens)", note)
    return token


async def test_a_tag_tells_what_it_points_at_and_who_pushed_it(registry: Registry) -> None:
    await registry.user("alice")
    alice = await named(registry, "alice", "laptop")
    config = orjson.dumps({"os": "linux", "architecture": "arm64", "variant": "v8"})
    layer = b"layer" * 100
    blobs = [await registry.push_blob("alice/app", data, alice) for data in (config, layer)]
    image = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blobs[0], "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": blobs[1], "size": len(layer)}] * 2,
    }
    digest = await put(registry, "v1", image, alice)
    index = await push_index(registry, "all", [digest], alice)
    size = len(config) + len(layer)
    by_name = {tag["name"]: tag for tag in await tags(registry, alice)}
    tag, version = by_name["v1"], (await listed(registry, alice))[digest]
    url = f"{registry.url}/api/v3/users/alice/packages/container/app"
    pusher = {"id": 1, "login": "alice", "url": f"{registry.url}/api/v3/users/alice", "via": "classic",
              "token": "laptop"}  # fmt: skip
    assert {**tag, "updated_at": None} == {
        "name": "v1",
        "digest": digest,
        "url": f"{url}/tags/v1",
        "history_url": f"{url}/tags/v1/history",
        "version_id": version["id"],
        "version_url": f"{url}/versions/{version['id']}",
        "updated_at": None,
        "media_type": OCI,
        "kind": "image",
        "platforms": ["linux/arm64/v8"],
        "size": size,
        "downloads": 0,
        "pushed_by": pusher,
    }
    assert (by_name["all"]["size"], by_name["all"]["media_type"]) == (size, INDEX)
    assert (version["size"], version["platforms"], version["pushed_by"]) == (size, ["linux/arm64/v8"], pusher)
    assert (await listed(registry, alice))[index]["size"] == size
    assert (await registry.call("GET", tag["url"], alice)).json == tag


async def test_pages_by_time_and_by_name(registry: Registry) -> None:
    alice = await registry.user("alice")
    for name in ("b1", "a1", "b10", "b2", "c"):
        await registry.push_image("alice/app", name, alice)

    async def all_of(query: str) -> list[str]:
        names, path = list[str](), f"{APP}/tags?per_page=2{query}"
        while path:
            page = await registry.call("GET", path, alice)
            assert page.status == 200, page.body
            found: Any = page.json
            names += [tag["name"] for tag in found]
            path = page.headers.get("Link", "").removeprefix("<").partition(">")[0]
        return names

    assert await all_of("") == ["c", "b2", "b10", "a1", "b1"]
    assert await all_of("&direction=asc") == ["b1", "a1", "b10", "b2", "c"]
    assert await all_of("&sort=name") == ["a1", "b1", "b10", "b2", "c"]
    assert await all_of("&sort=name&direction=desc") == ["c", "b2", "b10", "b1", "a1"]
    assert await all_of("&q=b") == ["b1", "b10", "b2"]
    assert await all_of("&q=b1&direction=desc") == ["b10", "b1"]
    assert await all_of("&q=B") == await all_of("&q=%25") == await all_of("&q=b_") == []
    for query in (
        "q=b&sort=updated",
        "sort=size",
        "direction=up",
        "after=now",
        "after=-1:x",
        "after=99999999999999999:x",
    ):
        assert (await registry.call("GET", f"{APP}/tags?{query}", alice)).status in {200, 422}, query
    assert (await registry.call("GET", f"{APP}/tags?q=b&sort=updated", alice)).status == 422


async def test_a_tag_is_made_moved_and_taken_away(registry: Registry) -> None:
    alice = await registry.user("alice")
    first = await registry.push_image("alice/app", "v1", alice)
    second = await registry.push_image("alice/app", "v2", alice)
    path = f"{APP}/tags/stable"
    made = await registry.call("PUT", path, alice, json={"digest": first})
    assert made.status == 201
    moved = await registry.call("PUT", path, alice, json={"digest": second})
    assert (moved.status, moved.json["digest"]) == (200, second)  # type: ignore[index]
    pulled = await registry.call("GET", "/v2/alice/app/manifests/stable", alice)
    assert pulled.headers["Docker-Content-Digest"] == second
    again = await registry.call("PUT", path, alice, json={"digest": second})
    assert again.status == 200
    refused = [{"digest": "sha256:" + "0" * 64}, {"digest": "latest"}, {}, {"digest": 7}]
    assert [(await registry.call("PUT", path, alice, json=body)).status for body in refused] == [422] * 4
    assert (await registry.call("PUT", f"{APP}/tags/-no", alice, json={"digest": first})).status == 422
    etag = (await registry.call("GET", path, alice)).headers["ETag"]
    stale = {**basic(alice), "If-Match": '"stale"'}
    assert (await registry.call("PUT", path, json={"digest": first}, headers=stale)).status == 412
    assert (await registry.call("DELETE", path, headers=stale)).status == 412
    assert (await registry.call("DELETE", path, headers={**basic(alice), "If-Match": etag})).status == 204
    assert (await registry.call("DELETE", path, alice)).status == 404
    assert (await registry.call("GET", path, alice)).status == 404
    assert short(await history(registry, alice, "/tags/stable/history")) == [
        ("tag_deleted", second, None),
        ("tag_moved", first, second),
        ("tag_created", None, first),
    ]


async def test_the_history_of_a_tag_names_the_tokens(registry: Registry) -> None:
    await registry.user("alice")
    laptop, runner = await named(registry, "alice", "laptop"), await named(registry, "alice", "runner")
    first = await registry.push_image("alice/app", "v1", laptop)
    second = await registry.push_image("alice/app", "other", laptop)
    body = (await registry.call("GET", "/v2/alice/app/manifests/other", laptop)).body
    for _ in range(2):  # the second time nothing changes
        await registry.call("PUT", "/v2/alice/app/manifests/v1", runner, data=body, headers={"Content-Type": OCI})
    assert (await registry.call("DELETE", "/v2/alice/app/manifests/v1", runner)).status == 202
    await registry.call("PUT", f"{APP}/tags/v1", laptop, json={"digest": first})
    gone = await delete(registry, runner, first)
    assert await restore(registry, laptop, gone) == 204
    found = await history(registry, laptop)
    assert short(found) == [
        ("tag_created", None, first),
        ("tag_deleted", first, None),
        ("tag_created", None, first),
        ("tag_deleted", second, None),
        ("tag_moved", first, second),
        ("tag_created", None, first),
    ]
    assert [event["actor"]["token"] for event in found] == [
        "laptop", "runner", "laptop", "runner", "runner", "laptop",
    ]  # fmt: skip
    assert {event["actor"]["login"] for event in found} == {"alice"}
    assert found[0]["version"] == {"id": gone, "state": "live"}
    page = await registry.call("GET", f"{APP}/tags/v1/history?per_page=4", laptop)
    following = page.headers["Link"].removeprefix("<").partition(">")[0]
    assert (await registry.call("GET", following, laptop)).json == found[4:]
    assert (await registry.call("GET", f"{APP}/tags/never/history", laptop)).status == 404
    assert (await registry.call("GET", f"{APP}/tags/v1/history?after=x", laptop)).status == 422


async def test_a_workflow_pushes_in_the_name_of_its_repository(registry: Registry) -> None:
    alice = await registry.user("alice", REPO)
    await repository(registry, "alice", "source")
    workflow = (await mint(registry, alice, "alice/source"))["token"]
    await registry.push_image("alice/app", "v1", workflow)
    await registry.services.db.execute("UPDATE uploads SET token_id = NULL")
    await registry.services.db.execute("DELETE FROM tokens WHERE kind = 'workflow'")  # as when its hours are over
    [tag] = await tags(registry, alice)
    assert (tag["pushed_by"]["via"], tag["pushed_by"]["token"]) == ("workflow", "alice/source")
    assert (await history(registry, alice))[0]["actor"] == tag["pushed_by"]


async def test_the_names_of_tokens_are_for_admins(registry: Registry) -> None:
    await registry.user("alice")
    alice = await named(registry, "alice", "laptop")
    bob = await registry.user("bob")
    await registry.push_image("alice/app", "v1", alice)
    assert (await registry.call("PATCH", APP, alice, json={"visibility": "public"})).status == 200
    assert (await registry.call("PUT", f"{APP}/access/users/bob", alice, json={"role": "read"})).status == 204
    path = "/api/v3/users/alice/packages/container/app"
    for each in ("/tags", "/tags/v1/history", "/activity", "/versions"):
        seen, own = [await registry.call("GET", path + each, token) for token in (bob, alice)]
        assert seen.status == own.status == 200
        assert (b"laptop" in seen.body, b"laptop" in own.body) == (False, True), each
    actions = [event["action"] for event in (await registry.call("GET", f"{path}/activity", bob)).json]  # type: ignore[attr-defined]
    assert actions == [
        "packages.visibility_changed",
        "packages.tag_created",
        "packages.package_version_published",
        "packages.package_published",
    ]
    own_view = await history(registry, alice, "/activity")
    assert own_view[0]["action"] == "packages.access_granted"


async def test_every_change_has_its_event(registry: Registry) -> None:
    alice = await registry.user("alice", REPO)
    await registry.user("bob")
    await repository(registry, "alice", "source")
    digest = await registry.push_image("alice/app", "v1", alice)
    other = await registry.push_image("alice/app", "v2", alice)

    async def after(method: str, path: str, json: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        last = (await history(registry, alice, "/activity?per_page=1"))[0]["id"]
        answer = await registry.call(method, APP + path, alice, json=json)
        assert answer.status in {200, 201, 204}, (path, answer.body)
        return [event for event in await history(registry, alice, "/activity") if event["id"] > last]

    def told(events: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
        return [(event["action"].removeprefix("packages."), event["data"]) for event in events]

    source = {"id": 1, "full_name": "alice/source"}
    bob = {"id": 2, "login": "bob"}
    assert told(await after("PATCH", "", {"visibility": "public"})) == [
        ("visibility_changed", {"before": "private", "after": "public"})
    ]
    assert told(await after("PATCH", "", {"visibility": "public"})) == []
    assert told(await after("PUT", "/access/users/bob", {"role": "read"})) == [
        ("access_granted", {"user": bob, "role": "read"})
    ]
    assert told(await after("PUT", "/access/users/bob", {"role": "write"})) == [
        ("access_granted", {"user": bob, "role": "write", "before": "read"})
    ]
    assert told(await after("DELETE", "/access/users/bob")) == [("access_revoked", {"user": bob, "before": "write"})]
    assert told(await after("PUT", "/access/repositories/alice/source", {"role": "read"})) == [
        ("access_granted", {"repository": source, "audience": "actions", "role": "read"})
    ]
    assert told(await after("DELETE", "/access/repositories/alice/source")) == [
        ("access_revoked", {"repository": source, "audience": "actions", "before": "read"})
    ]
    assert told(await after("PUT", "/repository", {"repository": "alice/source", "inherit_access": True})) == [
        ("inheritance_changed", {"before": False, "after": True}),
        ("repository_linked", {"repository": source}),
    ]
    assert told(await after("PATCH", "", {"inherit_access": False})) == [
        ("inheritance_changed", {"before": True, "after": False})
    ]
    assert told(await after("DELETE", "/repository")) == [("repository_unlinked", {"repository": source})]
    version = (await listed(registry, alice))[other]["id"]
    deleted = await after("DELETE", f"/versions/{version}")
    assert short(deleted) == [("package_version_deleted", None, other), ("tag_deleted", other, None)]
    assert {event["version"]["state"] for event in deleted} == {"deleted"}
    assert short(await after("POST", f"/versions/{version}/restore")) == [
        ("tag_created", None, other),
        ("package_version_restored", None, other),
    ]
    assert short(await after("PUT", "/tags/stable", {"digest": digest})) == [("tag_created", None, digest)]
    assert short(await after("DELETE", "/tags/stable")) == [("tag_deleted", digest, None)]
    last = (await history(registry, alice, "/activity"))[0]["id"]
    assert (await registry.call("DELETE", APP, alice)).status == 204
    assert (await registry.call("POST", f"{APP}/restore", alice)).status == 204
    found = [event for event in await history(registry, alice, "/activity") if event["id"] > last]
    assert short(found) == [("package_restored", None, None), ("package_deleted", None, None)]


async def test_s3_the_activity_of_a_public_package_names_its_private_repository_to_admins_only(
    registry: Registry,
) -> None:
    people = await acme(registry)
    await registry.push_image("acme/web", "v1", people.owner)
    await forge.repository(registry, "acme", "topsecret")
    path = "/api/v3/orgs/acme/packages/container/web"
    link = {"repository": "acme/topsecret"}
    assert (await registry.call("PUT", f"{path}/repository", people.owner, json=link)).status == 200
    assert (await registry.call("DELETE", f"{path}/repository", people.owner)).status < 300
    assert (await registry.call("PATCH", path, people.owner, json={"visibility": "public"})).status == 200
    for token, told in ((people.owner, True), (people.member, False), (people.stranger, False)):
        got = await registry.call("GET", f"{path}/activity", token)
        assert got.status == 200
        assert (b"repository_linked" in got.body, b"topsecret" in got.body) == (True, told)
        assert (b"repository_unlinked" in got.body) is True

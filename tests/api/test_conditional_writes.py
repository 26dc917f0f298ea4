"""Conditions of the API's writes (RFC 9110 §13.1), by the ETag that a GET has told."""

import asyncio
from typing import Any

from tests.support.api import acme
from tests.support.server import Registry, running

_APP = "/api/v3/user/packages/container/app"


async def _etag(registry: Registry, path: str, token: str) -> str:
    got = await registry.call("GET", path, token)
    assert got.status == 200, got.body
    return got.headers["ETag"]


async def test_what_was_read_is_told_by_its_etag(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    tag = await _etag(registry, _APP, token)
    same = await registry.call("GET", _APP, token, headers={"If-None-Match": tag})
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
    await registry.push_image("alice/app", "v2", token)
    assert (await registry.call("GET", _APP, token, headers={"If-None-Match": tag})).status == 200


async def test_of_eight_changes_to_what_all_have_read_one_is_made(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        await registry.push_image("alice/app", "v1", token)
        seen, visibility = await _etag(registry, _APP, token), "private"
        for _ in range(3):
            visibility = "public" if visibility == "private" else "private"
            answers = await asyncio.gather(
                *(
                    registry.call(
                        "PATCH",
                        _APP,
                        token,
                        json={"visibility": visibility},
                        headers={"If-Match": seen},
                        replica=number % 2,
                    )
                    for number in range(8)
                )
            )
            assert sorted(answer.status for answer in answers) == [200] + [412] * 7
            (made,) = [answer for answer in answers if answer.status == 200]
            seen = made.headers["ETag"]
            assert seen == await _etag(registry, _APP, token), "the answer to a change tells it too"


async def test_a_package_and_its_versions_are_changed_under_their_condition(registry: Registry) -> None:
    token = await registry.user("alice", ("repo", "read:packages", "write:packages", "delete:packages"))
    await registry.call("POST", "/api/v3/user/repos", token, json={"name": "source"})
    await registry.push_image("alice/app", "v1", token)
    await registry.push_image("alice/app", "v2", token)
    listed: Any = (await registry.call("GET", f"{_APP}/versions", token)).json
    version = f"{_APP}/versions/{listed[1]['id']}"
    stale = {"If-Match": '"stale"'}
    link = {"repository": "alice/source"}
    for method, path, body in (
        ("PATCH", _APP, {"visibility": "public"}),
        ("PUT", f"{_APP}/repository", link),
        ("DELETE", f"{_APP}/repository", None),
        ("DELETE", version, None),
        ("DELETE", _APP, None),
    ):
        refused: Any = await registry.call(method, path, token, json=body, headers=stale)
        assert (refused.status, refused.json["status"]) == (412, "412"), (method, path)
        absent = await registry.call(method, path, token, json=body, headers={"If-None-Match": "*"})
        assert absent.status == 412, (method, path)
    seen = await _etag(registry, version, token)
    await registry.call("DELETE", "/v2/alice/app/manifests/v1", token)
    moved = await registry.call("DELETE", version, token, headers={"If-Match": seen})
    assert moved.status == 412, "it had another tag when it was looked at"
    fresh = {"If-Match": await _etag(registry, version, token)}
    assert (await registry.call("DELETE", version, token, headers=fresh)).status == 204
    assert (await registry.call("DELETE", version, token, headers=fresh)).status == 404
    fresh = {"If-Match": await _etag(registry, _APP, token)}
    linked = await registry.call("PUT", f"{_APP}/repository", token, json=link, headers=fresh)
    assert linked.status == 200, linked.body
    assert (await registry.call("DELETE", _APP, token, headers=fresh)).status == 412
    assert (await registry.call("DELETE", _APP, token, headers={"If-Match": linked.headers["ETag"]})).status == 204


async def test_other_things_of_the_api_too(registry: Registry) -> None:
    people = await acme(registry)
    owner, stale = people.owner, {"If-Match": '"stale"'}
    member, stranger = "/api/v3/orgs/acme/memberships/member", "/api/v3/orgs/acme/memberships/stranger"
    made = await registry.call("PUT", stranger, owner, json={"role": "member"}, headers=stale)
    assert made.status == 412, "there is none that could match"
    assert (await registry.call("PUT", member, owner, json={"role": "admin"}, headers=stale)).status == 412
    assert (await registry.call("PUT", member, owner, json={}, headers={"If-None-Match": "*"})).status == 412
    assert (await registry.call("PUT", stranger, owner, json={}, headers={"If-None-Match": "*"})).status == 200
    fresh = {"If-Match": await _etag(registry, member, owner)}
    assert (await registry.call("PUT", member, owner, json={"role": "admin"}, headers=fresh)).status == 200
    assert (await registry.call("DELETE", member, owner, headers=fresh)).status == 412
    org = {"If-Match": await _etag(registry, "/api/v3/orgs/acme", owner)}
    assert (
        await registry.call("PATCH", "/api/v3/orgs/acme", owner, json={"description": "a"}, headers=org)
    ).status == 200
    assert (
        await registry.call("PATCH", "/api/v3/orgs/acme", owner, json={"description": "b"}, headers=org)
    ).status == 412
    # Where nothing can be read, nothing can match; and what is refused anyhow is refused as ever.
    assert (await registry.call("DELETE", "/api/v3/orgs/nobody", owner, headers=stale)).status == 404

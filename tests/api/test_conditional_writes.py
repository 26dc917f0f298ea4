"""Conditions of the API's writes (RFC 9110 §13.1), by the ETag that a GET has told."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.support.api import acme
from tests.support.server import Answer, Registry, running

#: Replicas behind one name tell the same, so that an ETag of one holds at the other.
_ONE_URL = {"MOORAGE_PUBLIC_URL": "https://registry.example"}
_APP = "/api/v3/user/packages/container/app"


async def _etag(registry: Registry, path: str, token: str) -> str:
    got = await registry.call("GET", path, token)
    assert got.status == 200, got.body
    return got.headers["ETag"]


async def _eight(
    registry: Registry, token: str, method: str, path: str, bodies: Sequence[object], seen: str
) -> list[Answer]:
    """Writes eight times at once, on both replicas, under the condition that ``seen`` is so still."""
    held = {"If-Match": seen}
    return await asyncio.gather(
        *(
            registry.call(method, path, token, json=bodies[number % len(bodies)], headers=held, replica=number % 2)
            for number in range(8)
        )
    )


async def test_what_was_read_is_told_by_its_etag(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    tag = await _etag(registry, _APP, token)
    same = await registry.call("GET", _APP, token, headers={"If-None-Match": tag})
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
    await registry.push_image("alice/app", "v2", token)
    assert (await registry.call("GET", _APP, token, headers={"If-None-Match": tag})).status == 200


async def test_of_eight_changes_to_what_all_have_read_one_is_made(env: dict[str, str]) -> None:
    async with running(env | _ONE_URL, replicas=2) as registry:
        token = await registry.user("alice")
        await registry.push_image("alice/app", "v1", token)
        seen, visibility = await _etag(registry, _APP, token), "private"
        for _ in range(3):
            visibility = "public" if visibility == "private" else "private"
            answers = await _eight(registry, token, "PATCH", _APP, [{"visibility": visibility}], seen)
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


_ROLES = ("read", "write", "admin")


async def _one_wins(
    registry: Registry, token: str, told: str, method: str, path: str, bodies: Sequence[object]
) -> None:
    """Of eight that have read what ``told`` tells, one changes it: the rest are told that it has changed."""
    answers = await _eight(registry, token, method, path, bodies, await _etag(registry, told, token))
    statuses = sorted(answer.status for answer in answers)
    assert statuses[0] in {200, 204}, [answer.body for answer in answers]
    # What a winner has deleted is not there any more for who comes after him.
    assert set(statuses[1:]) <= {412, 404 if method == "DELETE" else 412}, (method, path, statuses)


async def test_of_eight_writers_with_the_same_etag_one_is_heard(env: dict[str, str]) -> None:
    async with running(env | _ONE_URL, replicas=2) as registry:
        people = await acme(registry)
        owner = people.owner
        await people.ok("POST", "/orgs/acme/teams", owner, {"name": "crew"}, 201)
        await people.ok("POST", "/orgs/acme/repos", owner, {"name": "source", "private": True}, 201)
        await registry.push_image("acme/app", "v1", owner)
        org, repo, team, app = (
            "/api/v3/orgs/acme",
            "/api/v3/repos/acme/source",
            "/api/v3/orgs/acme/teams/crew",
            "/api/v3/orgs/acme/packages/container/app",
        )
        texts = [{"description": f"number {number}"} for number in range(8)]
        seats = [{"role": "admin"}, {"role": "admin"}]
        permissions = [{"permission": word} for word in ("pull", "push", "admin")]
        roles = [{"role": role} for role in _ROLES]
        made: Any = await people.ok("POST", "/user/tokens", owner, {"note": "ci", "scopes": []}, 201)
        minted = f"/api/v3/user/tokens/{made['id']}"
        for told, method, path, bodies in (
            (org, "PATCH", org, texts),
            (repo, "PATCH", repo, texts),
            (team, "PATCH", team, texts),
            (f"{org}/memberships/member", "PUT", f"{org}/memberships/member", seats),
            (f"{repo}/collaborators/stranger/permission", "PUT", f"{repo}/collaborators/stranger", permissions),
            (f"{app}/access", "PUT", f"{app}/access/users/member", roles),
            (f"{app}/access", "PUT", f"{app}/access/teams/crew", roles),
            (f"{app}/access", "PUT", f"{app}/access/repositories/acme/source", roles),
            (f"{app}/access", "DELETE", f"{app}/access/users/member", [None]),
            (minted, "PUT", f"{minted}/organizations/acme", [None]),
            (minted, "DELETE", minted, [None]),
            (f"{repo}/collaborators/stranger/permission", "DELETE", f"{repo}/collaborators/stranger", [None]),
            (f"{org}/memberships/member", "DELETE", f"{org}/memberships/member", [None]),
            (team, "DELETE", team, [None]),
            (repo, "DELETE", repo, [None]),
        ):
            await _one_wins(registry, owner, told, method, path, bodies)


async def test_a_change_without_a_condition_is_not_written_over_either(env: dict[str, str]) -> None:
    """Half of the writers have a condition, half have none: no condition holds for what another has changed."""
    async with running(env | _ONE_URL, replicas=2) as registry:
        people = await acme(registry)
        owner, path = people.owner, "/api/v3/orgs/acme"
        for round_ in range(5):
            seen = {"If-Match": await _etag(registry, path, owner)}
            wished = [f"{round_}: {number}" for number in range(8)]
            answers = await asyncio.gather(
                *(
                    registry.call(
                        "PATCH",
                        path,
                        owner,
                        json={"description": text},
                        headers=seen if number % 2 else {},
                        replica=number % 2,
                    )
                    for number, text in enumerate(wished)
                )
            )
            assert [answer.status for answer in answers[::2]] == [200] * 4
            assert sum(answer.status == 200 for answer in answers[1::2]) <= 1
            assert {answer.status for answer in answers[1::2]} <= {200, 412}


async def test_writers_of_different_things_do_not_refuse_each_other(env: dict[str, str]) -> None:
    async with running(env | _ONE_URL, replicas=2) as registry:
        token = await registry.user("alice", ("repo", "user"))
        paths = [f"/api/v3/repos/alice/source{number}" for number in range(8)]
        for number in range(8):
            await registry.call("POST", "/api/v3/user/repos", token, json={"name": f"source{number}"})
        for round_ in range(4):
            seen = [{"If-Match": await _etag(registry, path, token)} for path in paths]
            answers = await asyncio.gather(
                *(
                    registry.call(
                        "PATCH", path, token, json={"description": f"{round_}"}, headers=held, replica=number % 2
                    )
                    for number, (path, held) in enumerate(zip(paths, seen, strict=True))
                )
            )
            assert [answer.status for answer in answers] == [200] * 8, [answer.body for answer in answers]


async def test_an_organization_keeps_an_owner_whoever_has_a_condition(env: dict[str, str]) -> None:
    """Two owners make each other members at once: the rule reads what is so when it has its lock, not before."""
    async with running(env | _ONE_URL, replicas=2) as registry:
        people = await acme(registry)
        seats = {login: f"/api/v3/orgs/acme/memberships/{login}" for login in ("owner", "member")}
        tokens = {"owner": people.owner, "member": people.member}
        for _ in range(5):
            everybody = await registry.call("GET", "/api/v3/orgs/acme/members?role=admin", people.admin)
            owner: Any = everybody.json
            first = owner[0]["login"]
            for seat in seats.values():
                made = await registry.call("PUT", seat, tokens[first], json={"role": "admin"})
                assert made.status == 200, made.body
            seen = {"If-Match": await _etag(registry, seats["member"], people.owner)}
            answers = await asyncio.gather(
                registry.call("PUT", seats["member"], people.owner, json={"role": "member"}, headers=seen),
                registry.call("PUT", seats["owner"], people.member, json={"role": "member"}, replica=1),
            )
            left: Any = (await registry.call("GET", "/api/v3/orgs/acme/members?role=admin", people.owner)).json
            assert left, [answer.body for answer in answers]

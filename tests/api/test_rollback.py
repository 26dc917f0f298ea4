"""Roll a tag back to where it pointed, and ask where it pointed at a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import pytest

from registry.jobs.purge_deleted import purge_deleted
from tests.support.api import acme
from tests.support.server import PACKAGES, Answer, Registry

_APP: Final = "/api/v3/user/packages/container/app"
_TAG: Final = f"{_APP}/tags/latest"
_ALL: Final = (*PACKAGES, "user")


async def _pushed(registry: Registry, token: str, count: int, tag: str = "latest") -> list[str]:
    return [await registry.push_image("alice/app", tag, token) for _ in range(count)]


async def _roll_back(registry: Registry, token: str, to: str | None = None, **more: Any) -> Answer:
    body = {**({} if to is None else {"to": to}), **more}
    return await registry.call("POST", f"{_TAG}/rollback", token, json=body)


async def _digest(registry: Registry, token: str) -> str | None:
    return (await registry.call("HEAD", "/v2/alice/app/manifests/latest", token)).headers.get("Docker-Content-Digest")


async def _version(registry: Registry, token: str, digest: str) -> int:
    found: Any = (await registry.call("GET", f"{_APP}/versions?per_page=100", token)).json
    return next(int(one["id"]) for one in found if one["name"] == digest)


async def _history(registry: Registry, token: str) -> list[tuple[str, str | None, str | None]]:
    found: Any = (await registry.call("GET", f"{_TAG}/history", token)).json
    return [(one["action"].removeprefix("packages."), one["before"], one["digest"]) for one in found]


async def test_back_to_the_version_before_and_forth_again(registry: Registry) -> None:
    alice = await registry.user("alice")
    first, second, third = await _pushed(registry, alice, 3)
    done = await _roll_back(registry, alice)
    assert (done.status, done.json["digest"]) == (200, second)  # type: ignore[index]
    assert await _digest(registry, alice) == second
    assert (await _history(registry, alice))[0] == ("tag_rolled_back", third, second)
    await _roll_back(registry, alice)
    assert await _digest(registry, alice) == third
    await _roll_back(registry, alice, first)
    assert await _digest(registry, alice) == first
    assert (await _history(registry, alice))[:2] == [
        ("tag_rolled_back", third, first),
        ("tag_rolled_back", second, third),
    ]


async def test_a_deleted_version_is_restored_first(registry: Registry) -> None:
    alice = await registry.user("alice")
    first, second = await _pushed(registry, alice, 2)
    number = await _version(registry, alice, first)
    assert (await registry.call("DELETE", f"{_APP}/versions/{number}", alice)).status == 204
    assert (await _roll_back(registry, alice)).status == 200
    assert await _digest(registry, alice) == first
    assert (await registry.call("GET", f"{_APP}/versions/{number}", alice)).status == 200
    assert (await _history(registry, alice))[0] == ("tag_rolled_back", second, first)


async def test_a_tag_that_was_removed_comes_back(registry: Registry) -> None:
    alice = await registry.user("alice")
    (digest,) = await _pushed(registry, alice, 1)
    assert (await registry.call("DELETE", _TAG, alice)).status == 204
    assert (await _roll_back(registry, alice)).status == 200
    assert await _digest(registry, alice) == digest
    assert (await _history(registry, alice))[0] == ("tag_rolled_back", None, digest)
    assert b"Nothing is recorded" in (await _roll_back(registry, alice)).body


async def test_what_cannot_be_is_told(registry: Registry) -> None:
    alice = await registry.user("alice")
    first, _second = await _pushed(registry, alice, 2)
    for to, why in (("latest", b"expected sha256"), ("sha256:" + "0" * 64, b"no version")):
        answer = await _roll_back(registry, alice, to)
        assert (answer.status, why in answer.body) == (422, True), answer.body
    number = await _version(registry, alice, first)
    await registry.call("DELETE", f"{_APP}/versions/{number}", alice)
    await registry.services.db.execute(
        "UPDATE manifests SET deleted_at = now() - interval '31 days' WHERE digest = $1", first
    )
    answer = await _roll_back(registry, alice)
    assert (answer.status, b"can no longer be restored" in answer.body) == (422, True)
    stale = await registry.call("POST", f"{_TAG}/rollback", alice, json={"to": first}, headers={"If-Match": '"x"'})
    assert stale.status == 412


async def test_restoring_is_for_admins(registry: Registry) -> None:
    world = await acme(registry)
    first, second = [await registry.push_image("acme/app", "latest", world.owner) for _ in range(2)]
    package = "/orgs/acme/packages/container/app"
    await world.ok("PUT", f"{package}/access/users/member", world.owner, {"role": "write"}, 204)
    await world.ok("POST", f"{package}/tags/latest/rollback", world.member, {})
    await world.ok("POST", f"{package}/tags/latest/rollback", world.member, {"to": second})
    versions = await world.ok("GET", f"{package}/versions", world.owner)
    (number,) = [one["id"] for one in versions if one["name"] == first]
    await world.ok("DELETE", f"{package}/versions/{number}", world.owner, status=204)
    refused = await world.call("POST", f"{package}/tags/latest/rollback", world.member, {})
    assert (refused.status, b"restoring it needs the role admin" in refused.body) == (403, True)
    await world.ok("POST", f"{package}/tags/latest/rollback", world.owner, {})


async def test_a_rule_is_set_aside_by_force_of_an_owner_only(registry: Registry) -> None:
    world = await acme(registry)
    for tag in ("other", "latest", "latest"):
        await registry.push_image("acme/app", tag, world.owner)
    package = "/orgs/acme/packages/container/app"
    await world.ok("PUT", f"{package}/access/users/member", world.owner, {"role": "admin"}, 204)
    rule = {"tags": ["latest"], "forbid": ["move", "create", "delete"]}
    await world.ok("PUT", "/orgs/acme/tag-rules/held", world.owner, rule, 201)
    for token, body, status in (
        (world.member, {}, 409),
        (world.member, {"force": True}, 409),
        (world.owner, {}, 409),
        (world.owner, {"force": True}, 200),
    ):
        assert await world.status("POST", f"{package}/tags/latest/rollback", token, body) == status


async def test_where_a_tag_pointed_at_a_moment(registry: Registry) -> None:
    alice = await registry.user("alice")
    db = registry.services.db
    before = datetime.now(UTC) - timedelta(minutes=1)
    moments, digests = [], []
    for _ in range(2):
        digests += await _pushed(registry, alice, 1)
        row = await db.fetchrow("SELECT clock_timestamp()")
        assert row is not None
        moments.append(row[0])
    await registry.call("DELETE", _TAG, alice)
    row = await db.fetchrow("SELECT clock_timestamp()")
    assert row is not None

    async def at(moment: datetime) -> Answer:
        return await registry.call("GET", f"{_TAG}?at={quote(moment.isoformat())}", alice)

    for moment, digest in zip(moments, digests, strict=True):
        told: Any = (await at(moment)).json
        assert (told["name"], told["digest"], told["version"]["state"]) == ("latest", digest, "live")
        assert datetime.fromisoformat(told["since"]) <= moment
        assert datetime.fromisoformat(told["until"]) >= moment.replace(microsecond=0)  # told in seconds
    assert (await at(before)).status == 404
    assert (await at(row[0])).status == 404
    await db.execute("UPDATE manifests SET deleted_at = now() - interval '31 days' WHERE digest = $1", digests[1])
    assert (await at(moments[1])).json["version"]["state"] == "deleted"  # type: ignore[index]
    await purge_deleted(registry.services)
    told = (await at(moments[1])).json
    assert (told["digest"], told["version"]) == (digests[1], None)
    await registry.call("PUT", _TAG, alice, json={"digest": digests[0]})
    told = (await at(datetime.now(UTC) + timedelta(days=1))).json
    assert (told["digest"], told["until"]) == (digests[0], None)


@pytest.mark.parametrize("at", ["", "yesterday", "2026-11-01", "0001-01-01T00:00:00Z", "2001-01-01T00:00:00Z"])
async def test_what_is_no_time_or_too_long_ago_is_refused(registry: Registry, at: str) -> None:
    alice = await registry.user("alice")
    await _pushed(registry, alice, 1)
    assert (await registry.call("GET", f"{_TAG}?at={at}", alice)).status == 422

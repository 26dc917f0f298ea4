"""Tag rules by API: what they forbid, to whom, of which tags; and how each dialect tells of a refusal."""

import asyncio
from typing import Any, Final

import pytest

from tests.api.test_versions import OCI, put
from tests.support.api import acme
from tests.support.server import PACKAGES, Answer, Registry, running

_RULES: Final = "/orgs/acme/tag-rules"
_RELEASES: Final = {"tags": ["v*.*.*"], "forbid": ["move", "delete"]}
_USER_RULES: Final = "/api/v3/user/tag-rules"
_ALL: Final = (*PACKAGES, "user")


async def _rule(registry: Registry, token: str, name: str = "releases", **fields: Any) -> None:
    answer = await registry.call("PUT", f"{_USER_RULES}/{name}", token, json={**_RELEASES, **fields})
    assert answer.status in {200, 201}, answer.body


async def _tag(registry: Registry, token: str, tag: str, digest: str) -> Answer:
    path = f"/api/v3/user/packages/container/app/tags/{tag}"
    return await registry.call("PUT", path, token, json={"digest": digest})


async def _digest(registry: Registry, token: str, tag: str) -> str | None:
    return (await registry.call("HEAD", f"/v2/alice/app/manifests/{tag}", token)).headers.get("Docker-Content-Digest")


async def _push(registry: Registry, token: str, tag: str, digest: str, query: str = "") -> Answer:
    """Push the manifest that the package has by its digest once more, under a tag."""
    body = (await registry.call("GET", f"/v2/alice/app/manifests/{digest}", token)).body
    path = f"/v2/alice/app/manifests/{tag}{query}"
    return await registry.call("PUT", path, token, data=body, headers={"Content-Type": OCI})


async def test_a_release_stays_as_it_was_pushed(registry: Registry) -> None:
    alice = await registry.user("alice", _ALL)
    first, second = [await registry.push_image("alice/app", tag, alice) for tag in ("v1.0.0", "latest")]
    await _rule(registry, alice)
    again = await _push(registry, alice, "v1.0.0", first)
    assert again.status == 201  # the same once more, as a repeated job does
    refused = await _push(registry, alice, "v1.0.0", second)
    fix = "push another tag, or have an owner lift the rule: moorage tag-rule disable alice releases"
    message = f"tag v1.0.0 of alice/app is immutable (rule releases; it is {first[:19]}): {fix}"
    detail = {"rule": "releases", "tag": "v1.0.0", "digest": first, "fix": fix}
    assert (refused.status, refused.json) == (
        409,
        {"errors": [{"code": "DENIED", "message": message, "detail": detail}]},
    )
    told: Any = (await _tag(registry, alice, "v1.0.0", second)).json
    told.pop("documentation_url")
    assert told == {"message": message, **detail, "status": "409"}
    assert await _digest(registry, alice, "v1.0.0") == first
    assert (await _push(registry, alice, "latest", first)).status == 201  # others move
    assert (await _push(registry, alice, first, first, "?tag=v1.0.0&tag=v1.0.1")).status == 201
    assert (await _push(registry, alice, second, second, "?tag=new&tag=v1.0.1")).status == 409
    assert await _digest(registry, alice, "new") is None  # all or nothing


async def test_of_sixteen_pushes_at_once_one_wins(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        alice = await registry.user("alice", _ALL)
        await _rule(registry, alice)
        digests = [await registry.push_image("alice/app", f"x{number}", alice) for number in range(16)]
        bodies = [(await registry.call("GET", f"/v2/alice/app/manifests/{one}", alice)).body for one in digests]
        for tag, winners in (("v1.0.0", 1), ("free", 16)):
            path, headers = f"/v2/alice/app/manifests/{tag}", {"Content-Type": OCI}
            answers = await asyncio.gather(
                *(
                    registry.call("PUT", path, alice, data=body, headers=headers, replica=number % 2)
                    for number, body in enumerate(bodies)
                )
            )
            assert sorted(answer.status for answer in answers) == [201] * winners + [409] * (16 - winners)
            won = [digest for digest, answer in zip(digests, answers, strict=True) if answer.status == 201]
            assert await _digest(registry, alice, tag) in won


async def test_a_rule_holds_at_once_and_as_long_as_it_is_enabled(registry: Registry) -> None:
    alice = await registry.user("alice", _ALL)
    first, second = [await registry.push_image("alice/app", tag, alice) for tag in ("v1.0.0", "latest")]
    assert (await _push(registry, alice, "v1.0.0", second)).status == 201
    await _rule(registry, alice)
    assert (await _push(registry, alice, "v1.0.0", first)).status == 409
    off = await registry.call("PATCH", f"{_USER_RULES}/releases", alice, json={"enabled": False})
    assert (off.status, off.json["enabled"]) == (200, False)  # type: ignore[index]
    assert (await _push(registry, alice, "v1.0.0", first)).status == 201
    await _rule(registry, alice)
    assert (await _push(registry, alice, "v1.0.0", second)).status == 409
    assert (await registry.call("DELETE", f"{_USER_RULES}/releases", alice)).status == 204
    assert (await _push(registry, alice, "v1.0.0", second)).status == 201


async def test_nothing_takes_a_kept_tag_away(registry: Registry) -> None:
    alice = await registry.user("alice", _ALL)
    digest = await registry.push_image("alice/app", "v1.0.0", alice)
    await registry.push_image("alice/app", "latest", alice)
    await _rule(registry, alice)
    package = "/api/v3/user/packages/container/app"
    version = next(
        one["id"]
        for one in (await registry.call("GET", f"{package}/versions", alice)).json  # type: ignore[attr-defined]
        if one["name"] == digest
    )
    for method, path, json in (
        ("DELETE", f"{package}/tags/v1.0.0", None),
        ("DELETE", f"{package}/versions/{version}", None),
        ("POST", f"{package}/deletion", {"versions": [version]}),
        ("DELETE", package, None),
        ("DELETE", "/v2/alice/app/manifests/v1.0.0", None),
        ("DELETE", f"/v2/alice/app/manifests/{digest}", None),
    ):
        answer = await registry.call(method, path, alice, json=json)
        assert (answer.status, b"may not be deleted" in answer.body) == (409, True), (path, answer.body)
    assert await _digest(registry, alice, "v1.0.0") == digest
    assert (await registry.call("DELETE", f"{package}/tags/latest", alice)).status == 204


async def test_a_preview_tells_what_a_rule_keeps(registry: Registry) -> None:
    alice = await registry.user("alice", _ALL)
    for tag in ("v1.0.0", "v1.0.1", "main-1", "main-2"):
        await registry.push_image("alice/app", tag, alice)
    await _rule(registry, alice)
    package = "/api/v3/user/packages/container/app"
    found: Any = (await registry.call("GET", f"{package}/tags", alice)).json
    kept = next(one["version_id"] for one in found if one["name"] == "v1.0.0")
    message = "tag v1.0.0 of alice/app may not be deleted (rule releases"
    for path in (f"{package}/deletion", f"{package}/versions/{kept}/deletion"):
        told: Any = (await registry.call("GET", path, alice)).json
        assert told["refused"]["message"].startswith(message), told
    told = (await registry.call("GET", f"{package}/selection", alice)).json
    assert {one["id"] for one in told} == {one["version_id"] for one in found if one["name"].startswith("main")}


async def test_a_rule_may_forbid_new_tags_and_spare_admins(registry: Registry) -> None:
    world = await acme(registry)
    await world.ok("PUT", f"{_RULES}/reserved", world.owner,
                   {"tags": ["prod"], "forbid": ["create", "move"], "package": "ap?", "unless_role": "admin"}, 201)  # fmt: skip
    digest = await registry.push_image("acme/app", "latest", world.owner)
    await world.ok("PUT", "/orgs/acme/packages/container/app/access/users/member", world.owner, {"role": "write"}, 204)
    tags = "/orgs/acme/packages/container/app/tags"
    refused = await world.call("PUT", f"{tags}/prod", world.member, {"digest": digest})
    assert (refused.status, refused.json["message"]) == (  # type: ignore[index]
        409,
        (
            "tag prod of acme/app may not be made (rule reserved): push another tag, ask an admin of acme/app, "
            "or have an owner lift the rule: moorage tag-rule disable acme reserved"
        ),
    )
    await world.ok("PUT", f"{tags}/prod", world.owner, {"digest": digest}, 201)
    other = await registry.push_image("acme/app", "other", world.member)
    assert await world.status("PUT", f"{tags}/prod", world.member, {"digest": other}) == 409
    await world.ok("PUT", f"{tags}/prod", world.member, {"digest": digest})
    await world.ok("PUT", f"{tags}/prod", world.owner, {"digest": other})
    await registry.push_image("acme/web", "prod", world.owner)  # of another name
    await registry.push_image("acme/apt", "prod", world.owner)  # an owner, in a package that is not there yet


async def test_a_restore_makes_no_tag_that_may_not_be_made(registry: Registry) -> None:
    alice = await registry.user("alice", _ALL)
    digest = await registry.push_image("alice/app", "v1.0.0", alice)
    await registry.push_image("alice/app", "latest", alice)
    versions = "/api/v3/user/packages/container/app/versions"
    found: Any = (await registry.call("GET", versions, alice)).json
    (version,) = [one["id"] for one in found if one["name"] == digest]
    assert (await registry.call("DELETE", f"{versions}/{version}", alice)).status == 204
    await _rule(registry, alice, forbid=["create"])
    assert (await registry.call("POST", f"{versions}/{version}/restore", alice)).status == 409
    await _rule(registry, alice, forbid=["move", "delete"])
    assert (await registry.call("POST", f"{versions}/{version}/restore", alice)).status == 204
    assert await _digest(registry, alice, "v1.0.0") == digest


@pytest.mark.parametrize(
    ("tags", "but", "tag", "held"),
    [
        (["*"], [], "anything", True),
        (["*"], [], f"sha256-{'a' * 64}", False),
        (["sha256-*"], [], f"sha256-{'a' * 64}.sig", True),
        (["*"], ["dev-*"], "dev-1", False),
        (["*"], ["dev-*"], "xdev-1", True),
        (["v[0-9]*.[0-9]*.[0-9]*"], [], "v1.10.0-rc1", True),
        (["v[0-9]*.[0-9]*.[0-9]*"], [], "v1.10", False),
        (["v[0-9]*.[0-9]*.[0-9]*"], [], "version1.2.3", False),
        (["{stable,prod}-?"], [], "prod-1", True),
        (["{stable,prod}-?"], [], "prod-10", False),
        (["a.c"], [], "abc", False),
        (["[!0-9]*"], [], "x1", True),
        (["[!0-9]*"], [], "1x", False),
    ],
)
async def test_globs(registry: Registry, tags: list[str], but: list[str], tag: str, *, held: bool) -> None:
    alice = await registry.user("alice", _ALL)
    first, second = [await registry.push_image("alice/app", one, alice) for one in (tag, "0latest")]
    rule = {"tags": tags, "except": but, "forbid": ["move"]}
    assert (await registry.call("PUT", f"{_USER_RULES}/some", alice, json=rule)).status == 201
    assert (await _push(registry, alice, tag, second)).status == (409 if held else 201)
    assert await _digest(registry, alice, tag) == (first if held else second)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tags": []}, {"tags": [""]}, {"tags": ["a b"]}, {"tags": ["(a+)+"]}, {"tags": ["[z-a]"]}, {"tags": ["[a"]},
        {"tags": ["{a"]}, {"tags": ["a\\"]}, {"tags": ["*a*a*a*a*a*a"]}, {"tags": ["x" * 129]}, {"tags": ["한"]},
        {"tags": ["[]"]}, {"tags": ["a"] * 21}, {"forbid": []}, {"package": "a|b"}, {"except": ["$"]},
    ],
)  # fmt: skip
async def test_what_is_no_rule_is_refused(registry: Registry, wrong: dict[str, Any]) -> None:
    alice = await registry.user("alice", _ALL)
    answer = await registry.call("PUT", f"{_USER_RULES}/x", alice, json={**_RELEASES, **wrong})
    assert answer.status in {400, 422}, answer.body
    assert (await registry.call("GET", _USER_RULES, alice)).json == []


async def test_rules_are_made_by_owners_and_seen_by_members(registry: Registry) -> None:
    world = await acme(registry)
    assert await world.status("PUT", f"{_RULES}/releases", world.member, _RELEASES) == 403
    assert await world.status("PUT", f"{_RULES}/releases", world.stranger, _RELEASES) == 404
    made = await world.ok("PUT", f"{_RULES}/releases", world.owner, _RELEASES, 201)
    assert await world.ok("GET", _RULES, world.member) == [made]
    assert {**made, "created_at": None, "updated_at": None} == {
        "name": "releases", "package": "*", "tags": ["v*.*.*"], "except": [], "forbid": ["move", "delete"],
        "unless_role": None, "enabled": True, "created_at": None, "updated_at": None,
    }  # fmt: skip
    assert await world.ok("GET", f"{_RULES}/releases", world.member) == made
    assert await world.status("GET", _RULES, world.stranger) == 404
    assert await world.status("DELETE", f"{_RULES}/releases", world.member) == 403
    assert await world.status("PATCH", f"{_RULES}/none", world.owner, {"enabled": False}) == 404
    assert await world.status("PUT", f"{_RULES}/No", world.owner, _RELEASES) == 422
    await world.ok("PATCH", f"{_RULES}/releases", world.owner, {"enabled": False})
    await world.ok("PATCH", f"{_RULES}/releases", world.owner, {"enabled": False})
    assert await world.status("DELETE", f"{_RULES}/releases", world.owner) == 204
    assert await world.status("DELETE", f"{_RULES}/releases", world.owner) == 404
    log = await world.ok("GET", "/orgs/acme/audit-log?phrase=action:tag_rule&order=asc", world.owner)
    assert [(one["action"], one["actor"], one["data"]["rule"]["enabled"]) for one in log] == [
        ("tag_rule.create", "owner", True), ("tag_rule.update", "owner", False), ("tag_rule.destroy", "owner", False),
    ]  # fmt: skip


async def test_an_account_has_fifty_rules_at_most(registry: Registry) -> None:
    alice = await registry.user("alice", _ALL)
    for number in range(50):
        await _rule(registry, alice, f"rule-{number}")
    answer = await registry.call("PUT", f"{_USER_RULES}/one-more", alice, json=_RELEASES)
    assert (answer.status, b"at most 50" in answer.body) == (422, True)
    await _rule(registry, alice, "rule-7", enabled=False)


async def test_signatures_of_a_kept_image_can_be_pushed(registry: Registry) -> None:
    """The tag of a list of referrers moves with each signature: a rule over all tags is not about it."""
    alice = await registry.user("alice", _ALL)
    await _rule(registry, alice, tags=["*"])
    digest = await registry.push_image("alice/app", "v1.0.0", alice)
    fallback = digest.replace(":", "-")
    for note in ("one", "two"):
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
                 "annotations": {"note": note}}  # fmt: skip
        pushed = await put(registry, fallback, index, alice)
        assert await _digest(registry, alice, fallback) == pushed


async def test_refusals_are_counted(registry: Registry) -> None:
    alice = await registry.user("alice", _ALL)
    first, second = [await registry.push_image("alice/app", tag, alice) for tag in ("v1.0.0", "latest")]
    await _rule(registry, alice)
    for digest in (second, second, first):
        await _push(registry, alice, "v1.0.0", digest)
    await _tag(registry, alice, "v1.0.0", second)
    for reference in ("v1.0.0", first):
        await registry.call("DELETE", f"/v2/alice/app/manifests/{reference}", alice)
    assert registry.services.db.refused_changes == {"move": 3, "delete": 2}

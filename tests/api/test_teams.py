"""Teams: who keeps them, who is in them, which repositories they may use."""

import pytest

from registry.accounts.organizations import TeamNameInvalid, slug_of
from tests.support.api import acme
from tests.support.server import Registry


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Developers", "developers"),
        ("My TEam Näme", "my-team-name"),
        ("a/b & c", "a-b-c"),
        ("  x  ", "x"),
        ("R2_D2", "r2_d2"),
    ],
)
def test_slugs_are_githubs(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@pytest.mark.parametrize("name", ["", "  ", "!!", "日本"])
def test_no_slug(name: str) -> None:
    with pytest.raises(TeamNameInvalid):
        slug_of(name)


async def test_made_changed_and_deleted_by_owners(registry: Registry) -> None:
    api = await acme(registry)
    made = await api.ok(
        "POST", "/orgs/acme/teams", api.owner, {"name": "Core Devs", "description": "d", "maintainers": ["member"]}, 201
    )
    assert (made["slug"], made["name"], made["description"], made["members_count"]) == (
        "core-devs",
        "Core Devs",
        "d",
        1,
    )
    assert made["url"] == f"{registry.url}/api/v3/orgs/Acme/teams/core-devs"
    assert made["organization"]["login"] == "Acme"
    assert (await registry.call("GET", made["url"], api.member)).json == made
    assert [t["slug"] for t in await api.ok("GET", "/orgs/acme/teams", api.member)] == ["core-devs"]
    for body in ({"name": "core devs"}, {"name": ""}, {}, {"name": "x", "maintainers": ["stranger"]}):
        assert await api.status("POST", "/orgs/acme/teams", api.owner, body) == 422, body
    assert len(await api.ok("GET", "/orgs/acme/teams", api.owner)) == 1
    changed = await api.ok("PATCH", "/orgs/acme/teams/core-devs", api.owner, {"name": "Ops", "description": None})
    assert (changed["id"], changed["slug"], changed["description"]) == (made["id"], "ops", None)
    for token, status in ((api.member, 403), (api.stranger, 404), (None, 401)):
        assert await api.status("POST", "/orgs/acme/teams", token, {"name": "x"}) == status
        assert await api.status("PATCH", "/orgs/acme/teams/ops", token, {"name": "x"}) == status
        assert await api.status("DELETE", "/orgs/acme/teams/ops", token) == status
        assert await api.status("PUT", "/orgs/acme/teams/ops/memberships/member", token) == status
    assert await api.status("DELETE", "/orgs/acme/teams/ops", api.owner) == 204
    assert await api.status("GET", "/orgs/acme/teams/ops", api.owner) == 404


async def test_only_members_are_in_teams(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/orgs/acme/teams", api.owner, {"name": "devs"}, 201)
    path = "/orgs/acme/teams/devs/memberships"
    assert await api.status("GET", f"{path}/member", api.owner) == 404
    put = await api.ok("PUT", f"{path}/member", api.owner, {"role": "member"})
    assert (put["role"], put["state"]) == ("member", "active")
    assert await api.ok("PUT", f"{path}/member", api.owner) == put
    assert await api.ok("GET", f"{path}/MEMBER", api.member) == put
    assert [p["login"] for p in await api.ok("GET", "/orgs/acme/teams/devs/members", api.member)] == ["member"]
    for login in ("stranger", "nobody"):
        assert await api.status("PUT", f"{path}/{login}", api.owner) == 422
    assert await api.status("PUT", f"{path}/member", api.owner, {"role": "maintainer"}) == 422
    assert await api.status("DELETE", f"{path}/member", api.owner) == 204
    assert await api.status("DELETE", f"{path}/member", api.owner) == 404


async def test_s14_a_team_of_another_organization_is_not_there(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/orgs/acme/teams", api.owner, {"name": "devs"}, 201)
    await api.ok("POST", "/admin/organizations", api.admin, {"login": "evil", "admin": "stranger"}, 201)
    path = "/orgs/evil/teams/devs"
    for method, rest in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/members"), ("PUT", "/memberships/stranger"),
        ("DELETE", "/memberships/member"), ("GET", "/repos"), ("GET", "/repos/acme/src"), ("PUT", "/repos/acme/src"),
    ):  # fmt: skip
        assert await api.status(method, path + rest, api.stranger, {}) == 404, (method, rest)
    assert (await api.ok("GET", "/orgs/acme/teams/devs", api.owner))["members_count"] == 0


async def test_a_team_is_given_repositories_by_their_admins(registry: Registry) -> None:
    api = await acme(registry)
    await registry.user("third", ["repo"])
    third = await registry.token("third", ["repo", "read:org"])
    await api.ok("PUT", "/orgs/acme/memberships/third", api.owner)
    await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": "src", "private": True}, 201)
    await api.ok("POST", "/user/repos", api.owner, {"name": "own", "private": True}, 201)
    await api.ok("POST", "/orgs/acme/teams", api.owner, {"name": "devs", "maintainers": ["third"]}, 201)
    path = "/orgs/acme/teams/devs/repos/acme/src"
    assert await api.status("GET", "/repos/acme/src", third) == 404
    assert await api.status("PUT", path, third, {"permission": "admin"}) == 404
    assert await api.status("GET", path, api.owner) == 404
    assert await api.status("PUT", path, api.owner, {"permission": "push"}) == 204
    assert (await api.ok("GET", "/repos/acme/src", third))["permissions"] == {
        "admin": False, "maintain": False, "push": True, "triage": True, "pull": True,
    }  # fmt: skip
    # S15: who may write does not give himself more.
    assert await api.status("PUT", path, third, {"permission": "admin"}) == 403
    assert await api.status("GET", path, third) == 204
    asked = await registry.call(
        "GET", f"/api/v3{path}", third, headers={"Accept": "application/vnd.github.v3.repository+json"}
    )
    assert (asked.status, asked.json["permissions"]["push"]) == (200, True)  # type: ignore[index]
    assert [r["full_name"] for r in await api.ok("GET", "/orgs/acme/teams/devs/repos", third)] == ["Acme/src"]
    assert await api.ok("GET", "/orgs/acme/teams/devs/repos", api.member) == []
    assert await api.status("PUT", "/orgs/acme/teams/devs/repos/owner/own", api.owner) == 422
    assert await api.status("PUT", path, api.owner, {"permission": "god"}) == 422
    assert await api.status("DELETE", path, api.owner) == 204
    assert await api.status("GET", "/repos/acme/src", third) == 404
    await api.ok("PUT", path, api.owner, {}, 204)
    await api.ok("DELETE", "/orgs/acme/teams/devs", api.owner, status=204)
    assert await api.status("GET", "/repos/acme/src", third) == 404

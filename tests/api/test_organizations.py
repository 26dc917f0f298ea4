"""Organizations: their switches, who belongs to them, and that somebody always owns them."""

import asyncio
import re

from tests.support.api import acme
from tests.support.server import PACKAGES, Registry

SWITCHES = (
    "packages_inherit_access",
    "packages_sso_required",
    "members_can_create_public_packages",
    "members_can_create_private_packages",
    "members_can_create_internal_packages",
)


async def test_made_by_an_administrator(registry: Registry) -> None:
    api = await acme(registry)
    made = await api.ok("POST", "/admin/organizations", api.admin, {"login": "Beta", "admin": "member"}, 201)
    assert made["login"] == "Beta"
    assert made["url"] == f"{registry.url}/api/v3/orgs/Beta"
    assert (await api.ok("GET", "/orgs/beta/memberships/member", api.member))["role"] == "admin"
    for body in (
        {"login": "beta", "admin": "member"},
        {"login": "owner", "admin": "member"},
        {"login": "v2", "admin": "member"},
        {"login": "ok", "admin": "nobody"},
        {"login": "ok", "admin": "acme"},
        {"login": "ok"},
    ):
        assert await api.status("POST", "/admin/organizations", api.admin, body) == 422, body
    assert await api.status("GET", "/orgs/ok", api.admin) == 404


async def test_made_by_whoever_is_a_person(registry: Registry) -> None:
    api = await acme(registry)
    made = await api.ok("POST", "/orgs", api.member, {"login": "Gamma", "profile_name": "Gamma Inc"}, 201)
    assert (made["login"], made["url"]) == ("Gamma", f"{registry.url}/api/v3/orgs/Gamma")
    assert (await api.ok("GET", "/orgs/gamma", api.member))["name"] == "Gamma Inc"
    assert (await api.ok("GET", "/orgs/gamma/memberships/member", api.member))["role"] == "admin"
    for body in ({"login": "gamma"}, {"login": "v2"}, {"login": "owner"}, {}):
        assert await api.status("POST", "/orgs", api.member, body) == 422, body
    weak = await registry.token("member", ["read:org", "repo"])
    assert await api.status("POST", "/orgs", weak, {"login": "delta"}) == 403
    assert await api.status("POST", "/orgs", None, {"login": "delta"}) == 401


async def test_accounts_are_listed_in_the_order_in_which_they_came(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/orgs", api.member, {"login": "beta"}, 201)
    everybody = ["admin", "owner", "member", "stranger", "Acme", "beta"]
    listed = await api.ok("GET", "/users", api.stranger)
    assert [one["login"] for one in listed] == everybody
    assert {one["type"] for one in listed} == {"User", "Organization"}
    assert [one["login"] for one in await api.ok("GET", f"/users?since={listed[2]['id']}", api.stranger)] == everybody[
        3:
    ]
    found, path, pages = [], "/api/v3/users?per_page=2", 0
    while path:
        page = await registry.call("GET", path, api.stranger)
        found += [one["login"] for one in page.json]  # type: ignore[attr-defined]
        links = dict(re.findall(r'<([^>]+)>; rel="(\w+)"', page.headers.get("Link", "")))
        path, pages = next((url for url, name in links.items() if name == "next"), ""), pages + 1
    assert (found, pages) == (everybody, 3)
    organizations = await api.ok("GET", "/organizations", api.stranger)
    assert [one["login"] for one in organizations] == ["Acme", "beta"]
    since = organizations[0]["id"]
    assert [one["login"] for one in await api.ok("GET", f"/organizations?since={since}", api.stranger)] == ["beta"]
    await registry.services.db.execute("UPDATE accounts SET deleted_at = now() WHERE login IN ('beta', 'stranger')")
    assert [one["login"] for one in await api.ok("GET", "/organizations?since=x", api.owner)] == ["Acme"]
    assert [one["login"] for one in await api.ok("GET", "/users?since=-1", api.owner)] == [*everybody[:3], "Acme"]
    for path in ("/users", "/organizations"):
        assert await api.status("GET", path, None) == 401


async def test_a_profile_is_for_all_and_its_switches_for_owners(registry: Registry) -> None:
    api = await acme(registry)
    full = await api.ok("GET", "/orgs/ACME", api.owner)
    assert (full["login"], full["name"], full["type"], full["html_url"]) == (
        "Acme", "Acme", "Organization", f"{registry.url}/Acme",
    )  # fmt: skip
    assert [full[name] for name in SWITCHES] == [True, False, True, True, True]
    for token in (api.member, api.stranger, await registry.token("owner", PACKAGES)):
        seen = await api.ok("GET", "/orgs/acme", token)
        assert seen["name"] == "Acme"
        assert not set(SWITCHES) & set(seen)
    assert await api.status("GET", "/orgs/member", api.owner) == 404
    assert await api.status("GET", "/orgs/nobody", api.owner) == 404


async def test_switched_by_owners_only(registry: Registry) -> None:
    api = await acme(registry)
    wanted = {
        "name": "ACME Inc",
        "description": "makes all",
        "email": "a@example.com",
        **dict.fromkeys(SWITCHES, False),
    }
    changed = await api.ok("PATCH", "/orgs/acme", api.owner, wanted)
    assert {key: changed[key] for key in wanted} == wanted
    kept = await api.ok("PATCH", "/orgs/acme", api.owner, {"description": None, "packages_inherit_access": True})
    assert (kept["name"], kept["description"], kept["packages_inherit_access"]) == ("ACME Inc", "", True)
    assert kept["members_can_create_public_packages"] is False
    for token, status in ((api.member, 403), (api.stranger, 404), (None, 401), (await registry.token("owner"), 403)):
        for method in ("PATCH", "DELETE"):
            assert await api.status(method, "/orgs/acme", token, {"name": "mine"}) == status
    refused = await api.call("PATCH", "/orgs/acme", api.member, {"name": "mine"})
    assert isinstance(refused.json, dict)
    assert {"missing", "have", "fix"} <= set(refused.json)
    assert (await api.ok("GET", "/orgs/acme", api.owner))["name"] == "ACME Inc"


async def test_s16_fields_that_nobody_may_set_change_nothing(registry: Registry) -> None:
    api = await acme(registry)
    before = await api.ok("GET", "/orgs/acme", api.owner)
    extra = {
        "id": 1,
        "login": "stolen",
        "owner_id": 1,
        "site_admin": True,
        "created_at": "2000-01-01T00:00:00Z",
        "type": "User",
    }
    after = await api.ok("PATCH", "/orgs/acme", api.owner, extra)
    assert {**after, "updated_at": None} == {**before, "updated_at": None}
    await api.ok(
        "PUT", "/orgs/acme/memberships/member", api.owner, {"role": "member", "site_admin": True, "is_admin": True}
    )
    assert (await api.ok("GET", "/users/member", api.owner))["site_admin"] is False
    made = await api.ok("POST", "/user/repos", api.member, {**extra, "name": "src"}, 201)
    assert made["owner"]["login"] == "member"
    assert made["id"] > 0
    assert made["created_at"] > "2001"


async def test_members_see_members_and_strangers_see_nothing(registry: Registry) -> None:
    api = await acme(registry)
    people = await api.ok("GET", "/orgs/acme/members", api.member)
    assert [p["login"] for p in people] == ["owner", "member"]
    assert [p["login"] for p in await api.ok("GET", "/orgs/acme/members?role=admin", api.member)] == ["owner"]
    assert await api.status("GET", "/orgs/acme/members/OWNER", api.member) == 204
    assert await api.status("GET", "/orgs/acme/members/stranger", api.member) == 404
    got = await api.ok("GET", "/orgs/acme/memberships/member", api.owner)
    assert (got["role"], got["state"], got["user"]["login"], got["organization"]["login"]) == (
        "member", "active", "member", "Acme",
    )  # fmt: skip
    assert (await api.ok("GET", "/user/memberships/orgs/acme", api.member))["role"] == "member"
    there = await api.call("GET", "/orgs/acme/members", api.stranger)
    for path in ("/orgs/nobody/members", "/orgs/acme/members/owner", "/orgs/acme/members/nobody", "/orgs/acme/teams",
                 "/orgs/acme/memberships/owner", "/orgs/acme/memberships/stranger", "/user/memberships/orgs/acme"):  # fmt: skip
        hidden = await api.call("GET", path, api.stranger)
        assert (hidden.status, hidden.body) == (there.status, there.body) == (404, there.body), path


async def test_lists_have_pages(registry: Registry) -> None:
    api = await acme(registry)
    for number in range(3):
        await registry.user(f"user{number}")
        await api.ok("PUT", f"/orgs/acme/memberships/user{number}", api.owner)
    second = await api.call("GET", "/orgs/acme/members?per_page=2&page=2&role=all", api.owner)
    assert [p["login"] for p in second.json] == ["user0", "user1"]  # type: ignore[attr-defined]
    links = {rel: url for url, _, rel in (part.partition("; ") for part in second.headers["Link"].split(", "))}
    assert set(links) == {'rel="prev"', 'rel="next"', 'rel="last"', 'rel="first"'}
    last = await registry.call("GET", links['rel="last"'].strip("<>"), api.owner)
    assert [p["login"] for p in last.json] == ["user2"]  # type: ignore[attr-defined]
    beyond = await api.call("GET", "/orgs/acme/members?per_page=2&page=9", api.owner)
    assert beyond.json == []


async def test_roles_are_given_by_owners(registry: Registry) -> None:
    """S15: nobody gives himself, or anybody, more than he has."""
    api = await acme(registry)
    for who in ("member", "stranger", "nobody"):
        assert await api.status("PUT", f"/orgs/acme/memberships/{who}", api.member, {"role": "admin"}) == 403
        assert await api.status("PUT", f"/orgs/acme/memberships/{who}", api.stranger, {"role": "admin"}) == 404
    assert await api.status("PUT", "/orgs/acme/memberships/nobody", api.owner) == 404
    assert await api.status("PUT", "/orgs/acme/memberships/acme", api.owner) == 404
    assert await api.status("PUT", "/orgs/acme/memberships/member", api.owner, {"role": "god"}) == 422
    assert await api.status("DELETE", "/orgs/acme/members/owner", api.member) == 403
    assert (await api.ok("PUT", "/orgs/acme/memberships/member", api.owner, {"role": "admin"}))["role"] == "admin"
    assert (await api.ok("PUT", "/orgs/acme/memberships/owner", api.member, {"role": "member"}))["role"] == "member"
    assert await api.status("PATCH", "/orgs/acme", api.owner, {"name": "x"}) == 403


async def test_somebody_always_owns_it(registry: Registry) -> None:
    api = await acme(registry)
    for method, path in (("DELETE", "members"), ("DELETE", "memberships"), ("PUT", "memberships")):
        refused = await api.call(method, f"/orgs/acme/{path}/owner", api.owner, {"role": "member"})
        assert refused.status == 422, path
        assert "last owner" in refused.json["errors"][0]["message"]  # type: ignore[index]
    await api.ok("PUT", "/orgs/acme/memberships/member", api.owner, {"role": "admin"})
    both = [api.status("DELETE", f"/orgs/acme/memberships/{who}", getattr(api, who)) for who in ("owner", "member")]
    assert sorted(await asyncio.gather(*both)) == [204, 422]


async def test_who_leaves_takes_nothing_along(registry: Registry) -> None:
    """S19: with the seat goes every grant in the organization, and coming back brings none of them."""
    api = await acme(registry)
    await registry.push_image("acme/mine", "v1", api.member)
    await api.ok("POST", "/orgs/acme/repos", api.member, {"name": "src", "private": True}, 201)
    await api.ok("POST", "/orgs/acme/teams", api.owner, {"name": "devs", "maintainers": ["member"]}, 201)
    await registry.push_image("member/own", "v1", api.member)
    assert (await registry.call("GET", "/v2/acme/mine/manifests/v1", api.member)).status == 200
    await api.ok("DELETE", "/orgs/acme/memberships/member", api.member, status=204)
    for _ in range(2):
        assert (await registry.call("GET", "/v2/acme/mine/manifests/v1", api.member)).status == 404
        assert (await registry.call("POST", "/v2/acme/mine/blobs/uploads/", api.member)).status in {202, 403}
        assert await api.status("GET", "/repos/acme/src", api.member) == 404
        assert await api.ok("GET", "/orgs/acme/teams/devs/members", api.owner) == []
        await api.ok("PUT", "/orgs/acme/memberships/member", api.owner)
    assert (await registry.call("GET", "/v2/member/own/manifests/v1", api.member)).status == 200
    await api.ok("DELETE", "/orgs/acme/members/member", api.owner, status=204)
    assert await api.status("DELETE", "/orgs/acme/members/member", api.owner) == 404
    assert (await registry.call("POST", "/v2/acme/mine/blobs/uploads/", api.member)).status == 403


async def test_renamed(registry: Registry) -> None:
    api = await acme(registry)
    await registry.push_image("acme/app", "v1", api.owner)
    renamed = await api.ok("PATCH", "/admin/organizations/acme", api.admin, {"login": "Zenith"}, 202)
    assert renamed["message"].startswith("Job queued to rename organization.")
    assert (await registry.call("GET", "/v2/zenith/app/manifests/v1", api.owner)).status == 200
    assert await api.status("GET", "/orgs/acme", api.owner) == 404
    assert (await api.ok("GET", "/orgs/zenith/memberships/owner", api.owner))["role"] == "admin"
    assert await api.status("PATCH", "/admin/organizations/owner", api.admin, {"login": "x"}) == 404


async def test_s20_deleted_and_made_anew_it_is_another(registry: Registry) -> None:
    api = await acme(registry)
    await registry.push_image("acme/app", "v1", api.member)
    await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": "src", "private": True}, 201)
    await api.ok("POST", "/orgs/acme/teams", api.owner, {"name": "devs"}, 201)
    await api.ok("DELETE", "/orgs/acme", api.owner, status=202)
    for path in ("/orgs/acme", "/repos/acme/src", "/orgs/acme/teams"):
        assert await api.status("GET", path, api.owner) == 404, path
    assert (await registry.call("GET", "/v2/acme/app/manifests/v1", api.owner)).status == 404
    await api.ok("POST", "/admin/organizations", api.admin, {"login": "acme", "admin": "stranger"}, 201)
    assert (await registry.call("GET", "/v2/acme/app/manifests/v1", api.stranger)).status == 404
    assert await api.ok("GET", "/orgs/acme/teams", api.stranger) == []
    assert await api.ok("GET", "/orgs/acme/repos", api.stranger) == []
    for token in (api.owner, api.member):
        assert await api.status("GET", "/orgs/acme/members", token) == 404
        assert (await registry.call("POST", "/v2/acme/app/blobs/uploads/", token)).status == 403


async def test_sso_guards_all_but_the_profile(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": "src", "private": True}, 201)
    await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": "open", "private": False}, 201)
    await api.ok("PATCH", "/orgs/acme", api.owner, {"packages_sso_required": True})
    for method, path in (
        ("GET", "/orgs/acme/members"),
        ("PATCH", "/orgs/acme"),
        ("GET", "/repos/acme/src"),
        ("DELETE", "/repos/acme/open"),
    ):
        refused = await api.call(method, path, api.owner, {})
        assert refused.status == 403, path
        assert "/user/tokens/" in refused.json["fix"]  # type: ignore[index]
    assert "packages_sso_required" not in await api.ok("GET", "/orgs/acme", api.owner)
    assert [r["name"] for r in await api.ok("GET", "/user/repos", api.owner)] == ["open"]
    assert await api.status("GET", "/repos/acme/open", api.owner) == 200
    assert await api.status("GET", "/repos/acme/src", api.stranger) == 404
    token = await registry.services.db.fetchrow(
        "SELECT t.id FROM tokens t JOIN accounts a ON a.id = t.account_id WHERE a.login = 'owner'"
    )
    assert token is not None
    await api.ok("PUT", f"/user/tokens/{token['id']}/organizations/acme", api.owner, status=204)
    assert await api.status("PATCH", "/orgs/acme", api.owner, {}) == 200


async def test_tokens_of_other_kinds_govern_nothing(registry: Registry) -> None:
    api = await acme(registry)
    made = await api.ok("POST", "/user/tokens", api.owner, {"rules": [{"packages": "*", "actions": ["write"]}]}, 201)
    assert await api.status("GET", "/user", made["token"]) == 200
    for method, path in (("PATCH", "/orgs/acme"), ("GET", "/orgs/acme/members"), ("POST", "/user/repos"), ("GET", "/user/orgs"),
                         ("PUT", "/orgs/acme/memberships/stranger")):  # fmt: skip
        assert await api.status(method, path, made["token"], {"name": "x"}) == 403, path

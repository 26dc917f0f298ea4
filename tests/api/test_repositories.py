"""Source repositories: who sees them, who changes them, and what becomes of packages linked to them."""

from typing import Any

import pytest

from tests.support.api import Acme, acme
from tests.support.server import PACKAGES, Registry


async def _linked(api: Acme, package: str, repository: str) -> None:
    """Links a package, with inherited access and as a workflow would."""
    owner, _, name = package.partition("/")
    found: list[Any] = await api.registry.services.db.fetch(
        "UPDATE packages p SET repository_id = r.id, inherit_access = true FROM repositories r, accounts a"
        " WHERE p.name = $1 AND a.id = p.owner_id AND lower(a.login) = $2 AND r.owner_id = a.id AND r.name = $3"
        " RETURNING p.id, r.id",
        name, owner, repository.partition("/")[2],
    )  # fmt: skip
    assert len(found) == 1
    await api.registry.services.db.execute("INSERT INTO package_repositories VALUES ($1, $2, 'actions', 3)", *found[0])


async def test_made_and_read_in_githubs_shape(registry: Registry) -> None:
    api = await acme(registry)
    made = await api.ok(
        "POST",
        "/user/repos",
        api.owner,
        {"name": "Src", "private": True, "description": "d", "homepage": "https://x"},
        201,
    )
    assert (made["name"], made["full_name"], made["private"], made["visibility"]) == (
        "Src",
        "owner/Src",
        True,
        "private",
    )
    assert (made["description"], made["homepage"], made["default_branch"], made["archived"]) == (
        "d",
        "https://x",
        "main",
        False,
    )
    assert made["owner"]["login"] == "owner"
    assert made["permissions"]["admin"] is True
    assert made["html_url"] == f"{registry.url}/owner/Src"
    assert made["clone_url"] == f"{registry.url}/owner/Src.git"
    assert made["contents_url"].startswith(made["url"])
    assert await api.ok("GET", "/repos/OWNER/src", api.owner) == made
    assert await api.ok("GET", f"/repositories/{made['id']}", api.owner) == made
    for body in (
        {"name": "src"}, {"name": ""}, {"name": "a b"}, {"name": ".."}, {"name": "x.git"}, {"name": "a" * 101}, {},
        {"name": "y", "visibility": "internal"}, {"name": "y", "visibility": "secret"},
    ):  # fmt: skip
        assert await api.status("POST", "/user/repos", api.owner, body) == 422, body
    taken = await api.call("POST", "/user/repos", api.owner, {"name": "src"})
    assert taken.json["message"] == "Validation Failed"  # type: ignore[index]
    assert taken.json["errors"][0]["message"] == "name already exists on this account"  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "visibility"),
    [
        ({}, "public"),
        ({"private": True}, "private"),
        ({"private": False}, "public"),
        ({"visibility": "internal"}, "internal"),
        ({"visibility": "public", "private": True}, "public"),
    ],
)
async def test_visibility(registry: Registry, body: dict[str, object], visibility: str) -> None:
    api = await acme(registry)
    made = await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": "src", **body}, 201)
    assert (made["visibility"], made["private"]) == (visibility, visibility != "public")
    seen = {
        who: await api.status("GET", "/repos/acme/src", getattr(api, who)) for who in ("member", "stranger", "admin")
    }
    assert seen == {
        "member": 404 if visibility == "private" else 200,
        "stranger": 200 if visibility == "public" else 404,
        "admin": 200,
    }


async def test_of_an_organization_members_make_them(registry: Registry) -> None:
    api = await acme(registry)
    made = await api.ok("POST", "/orgs/acme/repos", api.member, {"name": "src", "private": True}, 201)
    assert made["permissions"]["admin"] is True
    assert made["owner"]["type"] == "Organization"
    assert await api.status("POST", "/orgs/acme/repos", api.stranger, {"name": "x"}) == 404
    assert await api.status("POST", "/orgs/nobody/repos", api.stranger, {"name": "x"}) == 404
    assert await api.status("POST", "/orgs/acme/repos", await registry.token("member"), {"name": "x"}) == 403
    assert (await api.ok("GET", "/repos/acme/src", api.owner))["permissions"]["admin"] is True


async def test_hidden_is_missing(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/user/repos", api.owner, {"name": "src", "private": True}, 201)
    weak = await registry.token("owner", PACKAGES)
    fine = (await api.ok("POST", "/user/tokens", api.owner, {"rules": [{"packages": "*", "actions": ["read"]}]}, 201))[
        "token"
    ]
    missing = await api.call("GET", "/repos/owner/nothing", api.stranger)
    for token in (api.stranger, api.member, weak, fine):
        for method, rest in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/transfer"), ("GET", "/collaborators"),
                             ("PUT", "/collaborators/stranger"), ("GET", "/collaborators/owner/permission")):  # fmt: skip
            if method != "GET" and token in {weak, fine}:
                continue
            path = f"/repos/owner/src{rest}"
            hidden = await api.call(method, path, token, {"new_owner": "stranger"})
            if rest and token in {weak, fine}:
                assert hidden.status == 403  # for want of a scope, whatever is there
                continue
            assert (hidden.status, hidden.body) == (404, missing.body), (method, path)
    assert await api.ok("GET", "/users/owner/repos", api.stranger) == []
    assert await api.ok("GET", "/users/owner/repos", weak) == []
    assert await api.ok("GET", "/user/repos", weak) == []


async def test_lists_show_what_one_may_read(registry: Registry) -> None:
    api = await acme(registry)
    for name, body in (("p", {"private": True}), ("i", {"visibility": "internal"}), ("o", {"private": False})):
        await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": name, **body}, 201)
    await api.ok("POST", "/user/repos", api.owner, {"name": "mine", "private": True}, 201)
    await api.ok("PUT", "/repos/owner/mine/collaborators/stranger", api.owner, {"permission": "pull"}, 204)

    async def names(path: str, token: str) -> list[str]:
        return [r["full_name"] for r in await api.ok("GET", path, token)]

    assert await names("/orgs/acme/repos", api.owner) == ["Acme/o", "Acme/i", "Acme/p"]
    assert await names("/orgs/acme/repos", api.member) == ["Acme/o", "Acme/i"]
    assert await names("/users/acme/repos", api.stranger) == ["Acme/o"]
    assert await names("/user/repos", api.owner) == ["Acme/i", "Acme/o", "Acme/p", "owner/mine"]
    assert await names("/user/repos", api.member) == ["Acme/i", "Acme/o"]
    assert await names("/user/repos", api.stranger) == ["owner/mine"]
    assert await names("/user/repos?visibility=public", api.owner) == ["Acme/o"]
    assert await names("/orgs/acme/repos?type=internal", api.owner) == ["Acme/i"]
    paged = await api.call("GET", "/user/repos?per_page=3&page=2", api.owner)
    assert [r["name"] for r in paged.json] == ["mine"]  # type: ignore[attr-defined]
    assert 'rel="first"' in paged.headers["Link"]
    assert await api.status("GET", "/users/nobody/repos", api.owner) == 404


async def test_changed_by_admins_and_renamed_with_its_links(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/user/repos", api.owner, {"name": "src", "private": False, "homepage": "h"}, 201)
    await registry.push_image("owner/app", "v1", api.owner)
    await _linked(api, "owner/app", "owner/src")
    await api.ok("PUT", "/repos/owner/src/collaborators/member", api.owner, {"permission": "push"}, 204)
    for token, status in ((api.member, 403), (api.stranger, 403), (None, 401)):
        assert await api.status("PATCH", "/repos/owner/src", token, {"name": "x"}) == status
        assert await api.status("DELETE", "/repos/owner/src", token) == status
    body = {"name": "Source", "description": "new", "private": True, "homepage": ""}
    changed = await api.ok("PATCH", "/repos/owner/src", api.owner, body)
    assert (changed["name"], changed["description"], changed["visibility"], changed["homepage"]) == (
        "Source", "new", "private", None,
    )  # fmt: skip
    assert (await api.ok("PATCH", "/repos/owner/source", api.owner, {}))["description"] == "new"
    assert await api.status("GET", "/repos/owner/src", api.owner) == 301
    assert (await registry.call("GET", "/v2/owner/app/manifests/v1", api.member)).status == 200
    await api.ok("POST", "/user/repos", api.owner, {"name": "other", "private": True}, 201)
    for wrong in ({"name": "OTHER"}, {"name": "a b"}, {"visibility": "internal"}, {"private": "yes"}):
        assert await api.status("PATCH", "/repos/owner/source", api.owner, wrong) == 422, wrong


async def test_collaborators(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/user/repos", api.owner, {"name": "src", "private": True}, 201)
    path = "/repos/owner/src/collaborators"
    for permission, role in (
        ("pull", "read"),
        ("triage", "read"),
        ("push", "write"),
        ("maintain", "write"),
        ("admin", "admin"),
    ):
        await api.ok("PUT", f"{path}/member", api.owner, {"permission": permission}, 204)
        got = await api.ok("GET", f"{path}/member/permission", api.owner)
        assert (got["permission"], got["role_name"], got["user"]["login"]) == (role, role, "member"), permission
    assert [(p["login"], p["role_name"]) for p in await api.ok("GET", path, api.owner)] == [
        ("member", "admin"),
        ("owner", "admin"),
    ]
    assert (await api.ok("GET", f"{path}/stranger/permission", api.owner))["permission"] == "none"
    assert await api.status("GET", f"{path}/member", api.owner) == 204
    assert await api.status("GET", f"{path}/stranger", api.owner) == 404
    for login, status in (("nobody", 404), ("acme", 404), ("owner", 422)):
        assert await api.status("PUT", f"{path}/{login}", api.owner) == status, login
    assert await api.status("PUT", f"{path}/stranger", api.owner, {"permission": "god"}) == 422
    # S15: only admins give roles; push is what is given if nothing is said.
    await api.ok("PUT", f"{path}/stranger", api.member, {}, 204)
    for login in ("stranger", "member"):
        assert await api.status("PUT", f"{path}/{login}", api.stranger, {"permission": "admin"}) == 403
    assert await api.status("DELETE", f"{path}/member", api.stranger) == 403
    assert await api.status("DELETE", f"{path}/stranger", api.stranger) == 204
    assert await api.status("GET", "/repos/owner/src", api.stranger) == 404
    assert await api.status("DELETE", f"{path}/member", api.owner) == 204
    assert await api.status("GET", "/repos/owner/src", api.member) == 404


async def test_an_organization_has_outside_collaborators(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": "src", "private": True}, 201)
    await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": "other", "private": True}, 201)
    path = "/repos/acme/src/collaborators"
    await api.ok("PUT", f"{path}/member", api.owner, {"permission": "pull"}, 204)
    assert await api.status("GET", path, api.member) == 403
    assert await api.status("PUT", f"{path}/stranger", api.member) == 403
    await api.ok("PUT", f"{path}/stranger", api.owner, {"permission": "push"}, 204)
    assert {p["login"]: p["role_name"] for p in await api.ok("GET", path, api.owner)} == {
        "owner": "admin",
        "member": "read",
        "stranger": "write",
    }
    # What is of the repository is theirs; what is of the organization is not.
    assert await api.status("GET", "/repos/acme/src", api.stranger) == 200
    assert await api.status("GET", "/repos/acme/other", api.stranger) == 404
    assert await api.status("GET", "/orgs/acme/members", api.stranger) == 404
    assert await api.status("GET", "/orgs/acme/memberships/stranger", api.owner) == 404
    for image in ("linked", "alone"):
        await registry.push_image(f"acme/{image}", "v1", api.owner)
    link = {"repository": "acme/src", "inherit_access": True}
    await api.ok("PUT", "/orgs/acme/packages/container/linked/repository", api.owner, link)
    assert (await registry.call("GET", "/v2/acme/linked/manifests/v1", api.stranger)).status == 200
    assert (await registry.call("GET", "/v2/acme/alone/manifests/v1", api.stranger)).status == 404
    assert (await registry.call("POST", "/v2/acme/linked/blobs/uploads/", api.stranger)).status == 202
    assert (await registry.call("POST", "/v2/acme/new/blobs/uploads/", api.stranger)).status == 403
    await api.ok("DELETE", f"{path}/stranger", api.owner, status=204)
    assert await api.status("GET", "/repos/acme/src", api.stranger) == 404
    assert (await registry.call("GET", "/v2/acme/linked/manifests/v1", api.stranger)).status == 404


async def test_a_former_name_leads_to_the_present_one(registry: Registry) -> None:
    api = await acme(registry)
    made = await api.ok("POST", "/user/repos", api.owner, {"name": "one", "private": True}, 201)
    await api.ok("PATCH", "/repos/owner/one", api.owner, {"name": "two"})

    async def leads(path: str, to: str, method: str = "GET", status: int = 301) -> None:
        moved = await api.call(method, path, api.owner, {} if method != "GET" else None)
        assert (moved.status, moved.headers.get("Location")) == (status, f"{registry.url}/api/v3{to}"), moved.body
        assert moved.json["url"] == moved.headers["Location"]  # type: ignore[index]

    await leads("/repos/OWNER/One", "/repos/owner/two")
    await leads("/repos/owner/one/collaborators?per_page=5", "/repos/owner/two/collaborators?per_page=5")
    await leads("/repos/owner/one", "/repos/owner/two", "PATCH", 307)
    await leads("/repos/owner/one/collaborators/member", "/repos/owner/two/collaborators/member", "PUT", 307)
    # Nobody learns from it what they may not see.
    assert await api.status("GET", "/repos/owner/one", api.stranger) == 404
    # Again, then moved, then its owner renamed: from each name to what it is now.
    await api.ok("PATCH", "/repos/owner/two", api.owner, {"name": "three"})
    await api.ok("POST", "/repos/owner/three/transfer", api.owner, {"new_owner": "acme"}, 202)
    await api.ok("PATCH", "/admin/organizations/acme", api.admin, {"login": "umbrella"}, 202)
    for path in ("/repos/owner/one", "/repos/owner/two", "/repos/owner/three", "/repos/acme/three"):
        await leads(path, "/repos/umbrella/three")
    # Who takes a former name has it.
    taken = await api.ok("POST", "/user/repos", api.owner, {"name": "one"}, 201)
    assert (await api.ok("GET", "/repos/owner/one", api.owner))["id"] == taken["id"] != made["id"]
    await api.ok("POST", "/orgs", await registry.token("member", ["admin:org"]), {"login": "acme"}, 201)
    assert await api.status("GET", "/repos/acme/three", api.owner) == 404
    await api.ok("DELETE", "/repos/umbrella/three", api.owner, status=204)
    assert await api.status("GET", "/repos/owner/two", api.owner) == 404


async def test_s14_a_repository_of_another_owner(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/user/repos", api.owner, {"name": "src", "private": True}, 201)
    made = await api.ok("GET", "/repos/owner/src", api.owner)
    for method, rest in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("PUT", "/collaborators/stranger"),
        ("POST", "/transfer"),
    ):
        assert await api.status(method, f"/repos/stranger/src{rest}", api.stranger, {"new_owner": "stranger"}) == 404
    assert await api.status("GET", f"/repositories/{made['id']}", api.stranger) == 404
    assert await api.ok("GET", "/repos/owner/src", api.owner) == made


async def test_deleted_it_leaves_its_packages_unlinked_and_its_tokens_dead(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/user/repos", api.owner, {"name": "src", "private": True}, 201)
    await api.ok("PUT", "/repos/owner/src/collaborators/member", api.owner, {"permission": "admin"}, 204)
    await registry.push_image("owner/app", "v1", api.owner)
    await _linked(api, "owner/app", "owner/src")
    workflow = (await api.ok("POST", "/repos/owner/src/actions/token", api.owner, {}, 201))["token"]
    for token in (api.member, workflow):
        assert (await registry.call("GET", "/v2/owner/app/manifests/v1", token)).status == 200
    assert (await api.ok("GET", "/repos/owner/src", workflow))["permissions"]["admin"] is False
    for path in ("/user", "/user/repos", "/user/orgs"):
        assert await api.status("GET", path, workflow) == 403, path
    for method, path in (("PATCH", "/repos/owner/src"), ("DELETE", "/repos/owner/src"), ("POST", "/user/repos")):
        assert await api.status(method, path, workflow, {"name": "x"}) == 403, path
    assert await api.status("DELETE", "/repos/owner/src", api.owner) == 204
    assert (await registry.call("GET", "/v2/owner/app/manifests/v1", api.member)).status == 404
    assert (await registry.call("GET", "/v2/owner/app/manifests/v1", workflow)).status == 401
    assert (await registry.call("GET", "/v2/owner/app/manifests/v1", api.owner)).status == 200
    # One of the same name is another.
    await api.ok("POST", "/user/repos", api.owner, {"name": "src", "private": True}, 201)
    assert await api.status("GET", "/repos/owner/src", api.member) == 404
    assert (await registry.call("GET", "/v2/owner/app/manifests/v1", workflow)).status == 401


async def test_moved_it_leaves_its_packages_behind(registry: Registry) -> None:
    api = await acme(registry)
    made = await api.ok("POST", "/user/repos", api.owner, {"name": "src", "private": True}, 201)
    for login in ("member", "stranger"):
        await api.ok("PUT", f"/repos/owner/src/collaborators/{login}", api.owner, {"permission": "push"}, 204)
    await registry.push_image("owner/app", "v1", api.owner)
    await _linked(api, "owner/app", "owner/src")
    workflow = (await api.ok("POST", "/repos/owner/src/actions/token", api.owner, {}, 201))["token"]
    assert await api.status("POST", "/repos/owner/src/transfer", api.member, {"new_owner": "member"}) == 403
    assert await api.status("POST", "/repos/owner/src/transfer", api.owner, {"new_owner": "stranger"}) == 403
    for wrong in ("nobody", "owner", "a b"):
        assert await api.status("POST", "/repos/owner/src/transfer", api.owner, {"new_owner": wrong}) == 422, wrong
    moved = await api.ok("POST", "/repos/owner/src/transfer", api.owner, {"new_owner": "acme"}, 202)
    assert (moved["id"], moved["full_name"], moved["private"]) == (made["id"], "Acme/src", True)
    assert await api.status("GET", "/repos/owner/src", api.owner) == 301
    # The package stays with its account; nobody inherits any more. A collaborator who is no member is none now.
    for token, status in ((api.owner, 200), (api.member, 404), (api.stranger, 404), (workflow, 401)):
        assert (await registry.call("GET", "/v2/owner/app/manifests/v1", token)).status == status
    anew = (await api.ok("POST", "/repos/acme/src/actions/token", api.owner, {}, 201))["token"]
    assert (await registry.call("GET", "/v2/owner/app/manifests/v1", anew)).status == 404
    assert await api.status("GET", "/repos/acme/src", api.stranger) == 404
    assert (await api.ok("GET", "/repos/acme/src", api.member))["permissions"]["push"] is True


async def test_a_member_who_moves_one_into_the_organization_keeps_it(registry: Registry) -> None:
    api = await acme(registry)
    await api.ok("POST", "/user/repos", api.member, {"name": "src", "private": True}, 201)
    await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": "src", "private": True}, 201)
    assert await api.status("POST", "/repos/member/src/transfer", api.member, {"new_owner": "acme"}) == 422
    body = {"new_owner": "acme", "new_name": "tools"}
    moved = await api.ok("POST", "/repos/member/src/transfer", api.member, body, 202)
    assert (moved["full_name"], moved["permissions"]["admin"]) == ("Acme/tools", True)
    assert await api.status("POST", "/repos/acme/tools/transfer", api.stranger, {"new_owner": "stranger"}) == 404
    await api.ok("PATCH", "/repos/acme/tools", api.member, {"visibility": "internal"})
    assert await api.status("POST", "/repos/acme/tools/transfer", api.member, {"new_owner": "member"}) == 422


async def test_lists_are_in_the_order_that_is_asked_for(registry: Registry) -> None:
    """As in GitHub's API: ``sort`` and ``direction``, which is «asc» for names and «desc» for times."""
    api = await acme(registry)
    names = ("beta", "Alpha", "gamma")
    for name in names:
        await api.ok("POST", "/user/repos", api.owner, {"name": name}, 201)
        await api.ok("POST", "/orgs/acme/repos", api.owner, {"name": name}, 201)
    for owner in ("owner", "acme"):
        await api.ok("PATCH", f"/repos/{owner}/Alpha", api.owner, {"description": "changed last"})

    async def listed(path: str, query: str) -> list[str]:
        return [one["name"] for one in await api.ok("GET", f"{path}?{query}", api.owner)]

    orders = {
        "sort=full_name": ["Alpha", "beta", "gamma"],
        "sort=full_name&direction=desc": ["gamma", "beta", "Alpha"],
        "sort=created": ["gamma", "Alpha", "beta"],
        "sort=created&direction=asc": ["beta", "Alpha", "gamma"],
        "sort=updated": ["Alpha", "gamma", "beta"],
        "sort=updated&direction=asc": ["beta", "gamma", "Alpha"],
        "sort=pushed": ["Alpha", "gamma", "beta"],
    }
    for query, wanted in orders.items():
        for path in ("/users/owner/repos", "/orgs/acme/repos"):
            assert await listed(path, query) == wanted, (path, query)
    assert await listed("/users/owner/repos", "") == orders["sort=full_name"]
    assert await listed("/orgs/acme/repos", "") == orders["sort=created"], "GitHub's default of an organization"
    assert await listed("/users/owner/repos", "sort=1;--&direction=x") == orders["sort=full_name"]
    assert await listed("/orgs/acme/repos", "sort=updated&per_page=1&page=2") == ["gamma"]
    mine = [one["full_name"] for one in await api.ok("GET", "/user/repos?sort=updated&per_page=2", api.owner)]
    assert mine == ["Acme/Alpha", "owner/Alpha"]
    both = [one["full_name"] for one in await api.ok("GET", "/user/repos?direction=desc", api.owner)]
    assert both == ["owner/gamma", "owner/beta", "owner/Alpha", "Acme/gamma", "Acme/beta", "Acme/Alpha"]

"""Roles over packages by API, links to repositories, and changing from one mode to the other."""

from typing import Any

import pytest

from tests.support import forge
from tests.support.server import Registry

API = "/api/v3"


async def access(registry: Registry, path: str, token: str) -> dict[str, Any]:
    answer = await registry.call("GET", f"{path}/access", token)
    assert answer.status == 200, answer.body
    found: Any = answer.json
    return dict(found)


async def roles(registry: Registry, path: str, token: str) -> dict[str, str]:
    found = await access(registry, path, token)
    named = [(user["login"], user["role"]) for user in found["users"]]
    return dict(named + [(f"@{team['slug']}", team["role"]) for team in found["teams"]])


async def rights(registry: Registry, name: str, token: str) -> str:
    """What the holder of the token can do with the package, tried."""
    if (await registry.call("GET", f"/v2/{name}/tags/list", token)).status != 200:
        return "none"
    if (await registry.call("POST", f"/v2/{name}/blobs/uploads/", token)).status != 202:
        return "read"
    owner, _, image = name.partition("/")
    asked = await registry.call("GET", f"{API}/users/{owner}/packages/container/{image}/access", token)
    return "admin" if asked.status == 200 else "write"


async def test_people_of_a_users_package(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("Bob")
    await registry.push_image("alice/app", "v1", alice)
    path = f"{API}/user/packages/container/app"
    assert await rights(registry, "alice/app", bob) == "none"
    for role in ("read", "write", "admin", "read"):
        assert (await registry.call("PUT", f"{path}/access/users/BOB", alice, json={"role": role})).status == 204
        assert await rights(registry, "alice/app", bob) == role
        assert await roles(registry, path, alice) == {"Bob": role}
    assert (await registry.call("DELETE", f"{path}/access/users/bob", alice)).status == 204
    assert await rights(registry, "alice/app", bob) == "none"
    assert (await registry.call("DELETE", f"{path}/access/users/bob", alice)).status == 404
    assert (await registry.call("PUT", f"{path}/access/users/nobody", alice, json={"role": "read"})).status == 404
    for body in ({}, {"role": "owner"}, {"role": None}, {"role": 3}):
        assert (await registry.call("PUT", f"{path}/access/users/bob", alice, json=body)).status == 422
    assert (await registry.call("PUT", f"{path}/access/teams/x", alice, json={"role": "read"})).status == 422


async def test_nobody_grants_more_than_they_are(registry: Registry) -> None:  # S15
    alice, bob, eve = [await registry.user(login) for login in ("alice", "bob", "eve")]
    await registry.push_image("alice/app", "v1", alice)
    path = f"{API}/users/alice/packages/container/app"
    for role in ("read", "write"):
        await registry.call("PUT", f"{path}/access/users/bob", alice, json={"role": role})
        for login in ("bob", "eve"):
            refused = await registry.call("PUT", f"{path}/access/users/{login}", bob, json={"role": "read"})
            assert refused.status == 403
    assert await roles(registry, path, alice) == {"bob": "write"}
    assert await rights(registry, "alice/app", eve) == "none"
    # The owner stays an admin, whatever an admin does.
    await registry.call("PUT", f"{path}/access/users/bob", alice, json={"role": "admin"})
    await registry.call("PUT", f"{path}/access/users/alice", bob, json={"role": "read"})
    assert await rights(registry, "alice/app", alice) == "admin"


async def test_people_and_teams_of_an_organization(registry: Registry) -> None:
    owner, member, bob, eve = [await registry.user(login) for login in ("olga", "mike", "bob", "eve")]
    await forge.organization(registry, "acme", owners=["olga"], members=["mike", "bob"])
    await forge.organization(registry, "other", owners=["eve"])
    await forge.team(registry, "acme", "devs", ["bob"])
    await forge.team(registry, "other", "devils", ["eve"])
    await registry.push_image("acme/app", "v1", member)
    path = f"{API}/orgs/acme/packages/container/app"
    assert (await registry.call("PUT", f"{path}/access/teams/devs", member, json={"role": "write"})).status == 204
    assert await rights(registry, "acme/app", bob) == "write"
    assert await roles(registry, path, member) == {"mike": "admin", "@devs": "write"}
    # S14: a team of another organization is none.
    assert (await registry.call("PUT", f"{path}/access/teams/devils", owner, json={"role": "read"})).status == 404
    refused = await registry.call("PUT", f"{path}/access/users/eve", owner, json={"role": "read"})
    assert refused.status == 422
    # Of a public package everybody can be; who is no member loses the role when it is private again.
    await registry.call("PATCH", path, owner, json={"visibility": "public"})
    assert (await registry.call("PUT", f"{path}/access/users/eve", owner, json={"role": "write"})).status == 204
    assert await rights(registry, "acme/app", eve) == "write"
    await registry.call("PATCH", path, owner, json={"visibility": "private"})
    assert await rights(registry, "acme/app", eve) == "none"
    assert await roles(registry, path, owner) == {"mike": "admin", "@devs": "write"}
    assert (await registry.call("DELETE", f"{path}/access/teams/devs", member)).status == 204
    assert await rights(registry, "acme/app", bob) == "none"
    assert (await registry.call("DELETE", f"{path}/access/users/mike", member)).status == 204
    assert await rights(registry, "acme/app", member) == "none"
    assert await rights(registry, "acme/app", owner) == "admin"


async def test_links(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await forge.repository(registry, "alice", "Src", people={"bob": "write"})
    await forge.repository(registry, "bob", "own", people={"alice": "admin"})
    await forge.repository(registry, "bob", "secret")
    await registry.push_image("alice/app", "v1", alice)
    path = f"{API}/user/packages/container/app"
    await registry.call("PUT", f"{path}/access/users/bob", alice, json={"role": "read"})
    linked = await registry.call("PUT", f"{path}/repository", alice, json={"repository": "ALICE/src"})
    assert linked.status == 200
    found: Any = linked.json
    assert found["repository"]["full_name"] == "alice/Src"
    assert found["repository"]["private"] is True
    # Linking alone changes no role; inheriting replaces all.
    assert await rights(registry, "alice/app", bob) == "read"
    inherit = {"repository": "alice/src", "inherit_access": True}
    assert (await registry.call("PUT", f"{path}/repository", alice, json=inherit)).status == 200
    assert await rights(registry, "alice/app", bob) == "write"
    for method in ("PUT", "DELETE"):
        refused = await registry.call(method, f"{path}/access/users/bob", alice, json={"role": "read"})
        assert refused.status == 409
        assert "inherits" in refused.json["message"]  # type: ignore[index]
    assert (await registry.call("DELETE", f"{path}/repository", alice)).status == 204
    assert await rights(registry, "alice/app", bob) == "none"
    assert "repository" not in (await registry.call("GET", path, alice)).json  # type: ignore[operator]
    assert (await registry.call("DELETE", f"{path}/repository", alice)).status == 404
    for name, status in (("bob/own", 422), ("bob/secret", 404), ("alice/none", 404), ("x", 422), ("a/b/c", 422)):
        answer = await registry.call("PUT", f"{path}/repository", alice, json={"repository": name})
        assert answer.status == status, name


async def test_a_private_repository_is_shown_to_who_may_see_it(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await forge.repository(registry, "alice", "secret")
    await registry.push_image("alice/app", "v1", alice)
    path = f"{API}/users/alice/packages/container/app"
    await registry.call("PUT", f"{path}/repository", alice, json={"repository": "alice/secret"})
    await registry.call("PATCH", path, alice, json={"visibility": "public"})
    assert "repository" in (await registry.call("GET", path, alice)).json  # type: ignore[operator]
    seen = await registry.call("GET", path, bob)
    assert seen.status == 200
    assert b"secret" not in seen.body
    listed = await registry.call("GET", f"{API}/users/alice/packages?package_type=container", bob)
    assert b"secret" not in listed.body


@pytest.mark.parametrize("owner", ["alice", "acme"])
async def test_changing_the_mode_overwrites_roles(registry: Registry, owner: str) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await forge.organization(registry, "acme", owners=["alice"], members=["bob"])
    await forge.repository(registry, owner, "src", people={"bob": "admin"})
    await registry.push_image(f"{owner}/app", "v1", alice)
    path = f"{API}/users/{owner}/packages/container/app"
    await registry.call("PUT", f"{path}/access/users/bob", alice, json={"role": "read"})
    await registry.call("PUT", f"{path}/repository", alice, json={"repository": f"{owner}/src"})
    assert (await registry.call("PATCH", path, alice, json={"inherit_access": True})).status == 200
    assert await rights(registry, f"{owner}/app", bob) == "admin"
    # Whoever ends it goes on as an admin, and all others begin anew.
    assert (await registry.call("PATCH", path, bob, json={"inherit_access": False})).status == 200
    assert await roles(registry, path, bob) == {"bob": "admin"}
    await registry.call("PATCH", path, alice, json={"inherit_access": True})
    await registry.call("PATCH", path, alice, json={"inherit_access": False})
    assert await rights(registry, f"{owner}/app", bob) == "none"
    assert await rights(registry, f"{owner}/app", alice) == "admin"


async def test_repositories(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await forge.repository(registry, "alice", "one")
    await forge.repository(registry, "bob", "two", visibility="public")
    await forge.repository(registry, "bob", "three")
    await registry.push_image("alice/app", "v1", alice)
    path = f"{API}/user/packages/container/app"
    for repo, body, status in (
        ("alice/one", {"role": "write"}, 204),
        ("alice/one", {"role": "read", "audience": "codespaces"}, 204),
        ("alice/one", {"role": "read", "audience": "everybody"}, 422),
        ("alice/none", {"role": "read"}, 404),
        ("bob/two", {"role": "read"}, 422),
        ("bob/three", {"role": "read"}, 404),
    ):
        answer = await registry.call("PUT", f"{path}/access/repositories/{repo}", alice, json=body)
        assert answer.status == status, (repo, body)
    found = await access(registry, path, alice)
    assert [(g["full_name"], g["audience"], g["role"]) for g in found["repositories"]] == [
        ("alice/one", "actions", "write"),
        ("alice/one", "codespaces", "read"),
    ]
    assert (await registry.call("DELETE", f"{path}/access/repositories/alice/one?audience=x", alice)).status == 422
    assert (await registry.call("DELETE", f"{path}/access/repositories/alice/one", alice)).status == 204
    assert (await registry.call("DELETE", f"{path}/access/repositories/alice/one", alice)).status == 404
    assert bob


async def test_unlinked_blobs_stay_unlinked(registry: Registry) -> None:  # S25
    alice, bob = await registry.user("alice"), await registry.user("bob")
    digest = await registry.push_blob("alice/a", b"the same bytes", alice)
    assert await registry.push_blob("bob/b", b"the same bytes", bob) == digest
    assert (await registry.call("DELETE", f"/v2/alice/a/blobs/{digest}", alice)).status == 202
    for _ in range(3):
        assert (await registry.call("GET", f"/v2/bob/b/blobs/{digest}", bob)).status == 200
        assert (await registry.call("GET", f"/v2/alice/a/blobs/{digest}", alice)).status == 404

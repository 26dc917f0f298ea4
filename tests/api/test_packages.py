"""The packages API: listed, shown, deleted and restored, as GitHub's clients know it."""

from typing import Any

import pytest

from tests.support import forge
from tests.support.server import Registry, running

API = "/api/v3"


async def get(registry: Registry, path: str, token: str | None, status: int = 200) -> Any:
    answer = await registry.call("GET", API + path, token)
    assert answer.status == status, answer.body
    return answer.json


async def tags(registry: Registry, name: str, token: str) -> list[str]:
    listed: Any = (await registry.call("GET", f"/v2/{name}/tags/list", token)).json
    return list(listed["tags"])


async def test_a_package_has_the_json_of_github(registry: Registry) -> None:
    alice = await registry.user("Alice")
    await registry.push_image("alice/tools/app", "v1", alice)
    found = await get(registry, "/users/alice/packages/container/tools%2Fapp", alice)
    url = registry.url
    assert found["owner"]["login"] == "Alice"
    assert found["owner"]["type"] == "User"
    assert {k: v for k, v in found.items() if k not in {"id", "owner", "created_at", "updated_at"}} == {
        "name": "tools/app",
        "package_type": "container",
        "version_count": 1,
        "visibility": "private",
        "url": f"{url}/api/v3/users/Alice/packages/container/tools%2Fapp",
        "html_url": f"{url}/users/Alice/packages/container/package/tools%2Fapp",
    }
    assert found["created_at"].endswith("Z")
    assert await get(registry, "/user/packages/container/tools%2Fapp", alice) == found
    assert await get(registry, "/users/ALICE/packages/container/tools%2Fapp", alice) == found
    assert await get(registry, "/user/packages?package_type=container", alice) == [found]


async def test_a_package_of_an_organization(registry: Registry) -> None:
    owner, member = await registry.user("olga"), await registry.user("mike")
    await forge.organization(registry, "Acme", owners=["olga"], members=["mike"])
    await registry.push_image("acme/web", "v1", member)
    found = await get(registry, "/orgs/acme/packages/container/web", owner)
    assert found["url"] == f"{registry.url}/api/v3/orgs/Acme/packages/container/web"
    assert found["html_url"] == f"{registry.url}/orgs/Acme/packages/container/package/web"
    assert found["owner"]["type"] == "Organization"
    assert await get(registry, "/orgs/acme/packages?package_type=container", member) == [found]
    # Who makes a package is its admin; other members do not even see it.
    access = await get(registry, "/orgs/acme/packages/container/web/access", member)
    assert [(user["login"], user["role"], user["inherited"]) for user in access["users"]] == [("mike", "admin", False)]
    await get(registry, "/orgs/olga/packages?package_type=container", owner, 404)
    await get(registry, "/orgs/olga/packages/container/web", owner, 404)


@pytest.mark.parametrize("prefix", ["/user", "/users/alice", "/orgs/acme"])
async def test_lists(registry: Registry, prefix: str) -> None:
    alice = await registry.user("alice")
    await forge.organization(registry, "acme", owners=["alice"])
    namespace = "acme" if prefix.startswith("/orgs") else "alice"
    for name in ("a", "b", "c"):
        await registry.push_image(f"{namespace}/{name}", "v1", alice)
    # Only begun: nothing was published.
    assert (await registry.call("POST", f"/v2/{namespace}/begun/blobs/uploads/", alice)).status == 202
    listed = await get(registry, f"{prefix}/packages?package_type=container", alice)
    assert [p["name"] for p in listed] == ["a", "b", "c"]
    page = await registry.call("GET", f"{API}{prefix}/packages?package_type=container&per_page=1&page=2", alice)
    assert [p["name"] for p in page.json] == ["b"]  # type: ignore[attr-defined]
    for rel, number in (("prev", 1), ("next", 3), ("last", 3), ("first", 1)):
        assert f'&per_page=1&page={number}>; rel="{rel}"' in page.headers["Link"]
    path = f"{API}{prefix}/packages/container/b"
    assert (await registry.call("PATCH", path, alice, json={"visibility": "public"})).status == 200
    for visibility, names in (("public", ["b"]), ("private", ["a", "c"]), ("internal", [])):
        found = await get(registry, f"{prefix}/packages?package_type=container&visibility={visibility}", alice)
        assert [p["name"] for p in found] == names
    for kind in ("npm", "maven", "rubygems", "docker", "nuget"):
        assert await get(registry, f"{prefix}/packages?package_type={kind}", alice) == []
        await get(registry, f"{prefix}/packages/{kind}/a", alice, 404)
    assert await get(registry, f"{prefix}/docker/conflicts", alice) == []
    await get(registry, f"{prefix}/packages", alice, 422)
    await get(registry, f"{prefix}/packages/container/begun", alice, 404)
    await get(registry, f"{prefix}/packages/container/begun/versions", alice, 404)


async def test_odd_parameters(registry: Registry) -> None:  # S17
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    where = f"{API}/user/packages"
    for query, status in (
        ("package_type=' OR 1=1--", 422),
        ("package_type=container&visibility=password=~a", 422),
        ("package_type=container&state=%00", 422),
        ("package_type=container&per_page=-1", 200),
        ("package_type=container&per_page=1e9", 200),
        ("package_type=container&page=%_", 200),
        ("package_type=container&page=999999999", 400),
        ("package_type=container&page=9&sort=secret&q=%25", 200),
    ):
        assert (await registry.call("GET", f"{where}?{query}", alice)).status == status, query
    for name in ("%00", "..%2F..", "APP", "a%2F%2Fb", "app%00", "x" * 300, "%25"):
        for rest in ("", "/versions", "/access"):
            found = await registry.call("GET", f"{where}/container/{name}{rest}", alice)
            assert found.status == 404, (name, rest)
    for number in ("0", "-1", "abc", "9" * 30, "1%00", "%D9%A1"):
        assert (await registry.call("GET", f"{where}/container/app/versions/{number}", alice)).status == 404, number
    assert (await registry.call("GET", f"{where}/container/app/versions?state=x", alice)).status == 422


async def test_a_deleted_package_comes_back_as_it_was(registry: Registry) -> None:
    alice = await registry.user("alice")
    first = await registry.push_image("alice/app", "v1", alice)
    second = await registry.push_image("alice/app", "v2", alice)
    before = await get(registry, "/user/packages/container/app", alice)
    versions = await get(registry, "/user/packages/container/app/versions", alice)
    assert (await registry.call("DELETE", f"{API}/user/packages/container/app", alice)).status == 204
    await get(registry, "/user/packages/container/app", alice, 404)
    assert await get(registry, "/user/packages?package_type=container", alice) == []
    for path in (f"manifests/{first}", "manifests/v2", "tags/list"):
        assert (await registry.call("GET", f"/v2/alice/app/{path}", alice)).code == "NAME_UNKNOWN"
    assert (await registry.call("DELETE", f"{API}/user/packages/container/app", alice)).status == 404
    gone = await get(registry, "/user/packages?package_type=container&state=deleted", alice)
    assert [(p["id"], p["name"], "deleted_at" in p) for p in gone] == [(before["id"], "app", True)]
    assert (await registry.call("POST", f"{API}/user/packages/container/app/restore", alice)).status == 204
    after = await get(registry, "/user/packages/container/app", alice)
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}
    assert await get(registry, "/user/packages/container/app/versions", alice) == versions
    assert await tags(registry, "alice/app", alice) == ["v1", "v2"]
    pulled = await registry.call("GET", "/v2/alice/app/manifests/v2", alice)
    assert pulled.headers["Docker-Content-Digest"] == second
    assert await get(registry, "/user/packages?package_type=container&state=deleted", alice) == []
    assert (await registry.call("POST", f"{API}/user/packages/container/app/restore", alice)).status == 404


async def test_a_package_is_not_restored_over_another(registry: Registry) -> None:
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "old", alice)
    old = await get(registry, "/user/packages/container/app", alice)
    await registry.call("DELETE", f"{API}/user/packages/container/app", alice)
    # A push that was only begun is not in the way, a published one is.
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", alice)).status == 202
    assert (await registry.call("POST", f"{API}/user/packages/container/app/restore", alice)).status == 204
    assert await tags(registry, "alice/app", alice) == ["old"]
    await registry.call("DELETE", f"{API}/user/packages/container/app", alice)
    await registry.push_image("alice/app", "new", alice)
    new = await get(registry, "/user/packages/container/app", alice)
    assert new["id"] != old["id"]
    refused = await registry.call("POST", f"{API}/user/packages/container/app/restore", alice)
    assert refused.status == 409
    assert "Delete it before" in refused.json["message"]  # type: ignore[index]
    assert await tags(registry, "alice/app", alice) == ["new"]


async def test_not_restored_after_the_window(registry: Registry) -> None:
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    await registry.call("DELETE", f"{API}/user/packages/container/app", alice)
    await registry.services.db.execute("UPDATE packages SET deleted_at = now() - interval '30 days 1 minute'")
    assert await get(registry, "/user/packages?package_type=container&state=deleted", alice) == []
    assert (await registry.call("POST", f"{API}/user/packages/container/app/restore", alice)).status == 404


async def test_an_old_package_gives_nothing_to_a_new_one_of_its_name(registry: Registry) -> None:  # S20
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await registry.push_image("alice/app", "v1", alice)
    given = await registry.call(
        "PUT", f"{API}/user/packages/container/app/access/users/bob", alice, json={"role": "write"}
    )
    assert given.status == 204
    old = await registry.call("GET", "/token?scope=repository:alice/app:pull,push", bob)
    bearer = {"Authorization": f"Bearer {old.json['token']}"}  # type: ignore[index]
    begun = await registry.call("POST", "/v2/alice/app/blobs/uploads/", bob)
    assert begun.status == 202
    await registry.call("DELETE", f"{API}/user/packages/container/app", alice)
    await registry.push_image("alice/app", "v2", alice)
    assert (await registry.call("GET", "/v2/alice/app/manifests/v2", headers=bearer)).status == 404
    assert (await registry.call("GET", "/v2/alice/app/manifests/v2", bob)).status == 404
    assert (await registry.call("PATCH", begun.headers["Location"], bob, data=b"x")).status in {403, 404}
    assert (await registry.call("PATCH", begun.headers["Location"], alice, data=b"x")).status == 404
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", bob)).status == 403


async def test_hidden_is_missing(registry: Registry) -> None:  # S3
    alice, eve = await registry.user("alice"), await registry.user("eve")
    await forge.organization(registry, "acme", owners=["alice"])
    await registry.push_image("alice/app", "v1", alice)
    await registry.push_image("acme/app", "v1", alice)
    version = (await get(registry, "/user/packages/container/app/versions", alice))[0]["id"]
    await registry.push_image("alice/gone", "v1", alice)
    await registry.call("DELETE", f"{API}/user/packages/container/gone", alice)
    for prefix in ("/users/alice", "/orgs/acme"):
        assert await get(registry, f"{prefix}/packages?package_type=container", eve) == []
        assert await get(registry, f"{prefix}/packages?package_type=container&state=deleted", eve) == []
        for method, rest, body in (
            ("GET", "", None),
            ("DELETE", "", None),
            ("PATCH", "", {"visibility": "public"}),
            ("GET", "/versions", None),
            ("GET", "/versions?state=deleted", None),
            ("GET", f"/versions/{version}", None),
            ("DELETE", f"/versions/{version}", None),
            ("POST", f"/versions/{version}/restore", None),
            ("GET", f"/versions/{version}/downloads", None),
            ("POST", "/restore", None),
            ("GET", "/access", None),
            ("PUT", "/access/users/eve", {"role": "admin"}),
            ("DELETE", "/access/users/eve", None),
            ("PUT", "/access/teams/x", {"role": "admin"}),
            ("PUT", "/access/repositories/alice/x", {"role": "admin"}),
            ("PUT", "/repository", {"repository": "alice/x"}),
            ("DELETE", "/repository", None),
        ):
            answers = [
                await registry.call(method, f"{API}{prefix}/packages/container/{name}{rest}", eve, json=body)
                for name in ("app", "none", "gone")
            ]
            for answer in answers:
                documented = f"{registry.url}{API}/openapi.json"
                missing = {"message": "Not Found", "documentation_url": documented, "status": "404"}
                assert (answer.status, answer.json) == (404, missing), (method, rest)
                assert {*answer.headers} == {*answers[0].headers}
            anonymous = await registry.call(method, f"{API}{prefix}/packages/container/app{rest}", json=body)
            assert anonymous.status == 401


async def test_private_within_public_and_public_within_private(registry: Registry) -> None:  # S4
    owner, member, eve = [await registry.user(login) for login in ("olga", "mike", "eve")]
    await forge.organization(registry, "acme", owners=["olga"], members=["mike"])
    for visibility in ("private", "internal", "public"):
        await registry.push_image(f"acme/{visibility}", "v1", owner)
        path = f"{API}/orgs/acme/packages/container/{visibility}"
        assert (await registry.call("PATCH", path, owner, json={"visibility": visibility})).status == 200
    seen = {}
    for login, token in (("olga", owner), ("mike", member), ("eve", eve)):
        listed = await get(registry, "/orgs/acme/packages?package_type=container", token)
        seen[login] = {package["name"] for package in listed}
        for name in ("private", "internal", "public"):
            there = name in seen[login]
            rest = await registry.call("GET", f"{API}/orgs/acme/packages/container/{name}", token)
            pulled = await registry.call("GET", f"/v2/acme/{name}/manifests/v1", token)
            assert (rest.status == 200, pulled.status == 200) == (there, there), (login, name)
    assert seen == {
        "olga": {"private", "internal", "public"},
        "mike": {"internal", "public"},
        "eve": {"public"},
    }
    assert (await registry.call("GET", "/v2/acme/public/manifests/v1")).status == 200
    assert (await registry.call("GET", "/v2/acme/internal/manifests/v1")).status == 401


async def test_public_made_private_again(registry: Registry) -> None:  # S5
    alice, eve = await registry.user("alice"), await registry.user("eve")
    digest = await registry.push_image("alice/app", "v1", alice)
    path = f"{API}/user/packages/container/app"
    assert (await registry.call("PATCH", path, alice, json={"visibility": "public"})).status == 200
    anonymous = await registry.call("GET", "/token?scope=repository:alice/app:pull")
    bearer = {"Authorization": f"Bearer {anonymous.json['token']}"}  # type: ignore[index]
    pulled = await registry.call("GET", "/v2/alice/app/manifests/v1", headers=bearer)
    assert pulled.status == 200
    assert pulled.headers["Cache-Control"] == "private, no-store, no-transform"
    blob = pulled.json["layers"][0]["digest"]  # type: ignore[index]
    assert (await registry.call("PATCH", path, alice, json={"visibility": "private"})).json["visibility"] == "private"  # type: ignore[index]
    for more in ({}, {"If-None-Match": f'"{digest}"'}, {"Range": "bytes=0-1"}):
        for what in ("manifests/v1", f"manifests/{digest}", f"blobs/{blob}", "tags/list"):
            for headers in (bearer, {}):
                answer = await registry.call("GET", f"/v2/alice/app/{what}", headers={**headers, **more})
                assert answer.status == 401, (what, more)
            assert (await registry.call("GET", f"/v2/alice/app/{what}", eve, headers=more)).status == 404


async def test_settings(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await registry.push_image("alice/app", "v1", alice)
    path = f"{API}/user/packages/container/app"
    before = await get(registry, "/user/packages/container/app", alice)
    # S16: what is not ours to take is not taken.
    odd = {"id": 7, "owner_id": 1, "name": "x", "created_at": "2000-01-01T00:00:00Z", "creator_id": 2, "role": "admin"}
    same = await registry.call("PATCH", path, alice, json=odd)
    assert (same.status, same.json) == (200, before)
    for body, status in (
        ({"visibility": "internal"}, 422),
        ({"visibility": "secret"}, 422),
        ({"inherit_access": True}, 422),
        ({"inherit_access": "yes"}, 422),
        ([], 422),
    ):
        assert (await registry.call("PATCH", path, alice, json=body)).status == status, body
    assert (await registry.call("PATCH", path, alice, data=b"{")).status == 400
    assert await get(registry, "/user/packages/container/app", alice) == before
    for login, role in (("bob", "write"),):
        await registry.call("PUT", f"{path}/access/users/{login}", alice, json={"role": role})
    refused = await registry.call(
        "PATCH", f"{API}/users/alice/packages/container/app", bob, json={"visibility": "public"}
    )
    assert refused.status == 403
    assert {"missing", "have", "fix"} <= refused.json.keys()  # type: ignore[attr-defined]
    reader = await registry.token("alice", ["read:packages"])
    assert (await registry.call("PATCH", path, reader, json={"visibility": "public"})).status == 403
    assert (await registry.call("DELETE", path, await registry.token("alice", ["write:packages"]))).status == 403


async def test_what_members_may_make(registry: Registry) -> None:
    owner, member = await registry.user("olga"), await registry.user("mike")
    org = await forge.organization(registry, "acme", owners=["olga"], members=["mike"])
    await registry.push_image("acme/app", "v1", member)
    path = f"{API}/orgs/acme/packages/container/app"
    for visibility in ("internal", "public", "private"):
        column = f"members_can_create_{visibility}_packages"
        await registry.services.db.execute(f"UPDATE accounts SET {column} = false WHERE id = $1", org)
        await registry.services.db.execute(
            "UPDATE packages SET visibility = CASE $1 WHEN 'private' THEN 'public' ELSE 'private' END", visibility
        )
        refused = await registry.call("PATCH", path, member, json={"visibility": visibility})
        assert refused.status == 403, visibility
        assert column in refused.json["fix"]  # type: ignore[index]
        assert (await registry.call("PATCH", path, owner, json={"visibility": visibility})).status == 200
        await registry.services.db.execute(f"UPDATE accounts SET {column} = true WHERE id = $1", org)
        await registry.services.db.execute(
            "UPDATE packages SET visibility = CASE $1 WHEN 'private' THEN 'public' ELSE 'private' END", visibility
        )
        assert (await registry.call("PATCH", path, member, json={"visibility": visibility})).status == 200


async def test_popular_packages_stay(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_DOWNLOADS_LOCK": "2"}) as registry:
        alice = await registry.user("alice")
        first = await registry.push_image("alice/app", "v1", alice)
        await registry.push_image("alice/app", "v2", alice)
        for _ in range(3):
            await registry.call("GET", "/v2/alice/app/manifests/v1", alice)
            await registry.services.downloads.flush()
        path = f"{API}/user/packages/container/app"
        await registry.call("PATCH", path, alice, json={"visibility": "public"})
        ids = {v["name"]: v["id"] for v in await get(registry, "/user/packages/container/app/versions", alice)}
        refused = await registry.call("DELETE", f"{path}/versions/{ids[first]}", alice)
        assert refused.status == 400
        refused = await registry.call("DELETE", path, alice)
        assert refused.status == 400
        assert refused.json["message"] == (  # type: ignore[index]
            "Publicly visible packages with a version with more than 2 downloads cannot be deleted. "
            "contact GitHub support for further assistance"
        )
        assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{first}", alice)).code == "DENIED"
        await registry.call("PATCH", path, alice, json={"visibility": "private"})
        assert (await registry.call("DELETE", f"{path}/versions/{ids[first]}", alice)).status == 204
        assert (await registry.call("DELETE", path, alice)).status == 204


async def test_retired_names_are_refused(registry: Registry) -> None:
    alice = await registry.user("Alice")
    await registry.services.db.execute("INSERT INTO retired_names (owner_login, name) VALUES ('alice', 'app')")
    for method, path in (("POST", "blobs/uploads/"), ("PUT", "manifests/v1")):
        refused = await registry.call(method, f"/v2/alice/app/{path}", alice, data=MANIFEST, headers=OCI)
        assert (refused.status, refused.code) == (403, "DENIED"), path
        assert b"retired" in refused.body
    await registry.push_image("alice/other", "v1", alice)


MANIFEST = (
    b'{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:'
    + b"4" * 64
    + b'","size":2},"layers":[]}'
)
OCI = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}

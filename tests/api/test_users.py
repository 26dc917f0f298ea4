"""Users: who sees what of whom, and what becomes of renamed, suspended and deleted ones."""

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import Any

from storage.metadata import downloads
from tests.support.api import SCOPES, acme
from tests.support.server import PACKAGES, Registry, running


async def _popular(registry: Registry, owner: str, often: int) -> None:
    """Makes the packages of an account public, and every version of them downloaded so often on each of two days."""
    db = registry.services.db
    await db.execute(
        f"UPDATE packages SET visibility = 'public' WHERE owner_id = (SELECT id FROM accounts WHERE login = '{owner}')"
    )
    versions = await db.fetch(
        "SELECT m.id FROM manifests m JOIN packages p ON p.id = m.package_id JOIN accounts a ON a.id = p.owner_id"
        " WHERE a.login = $1",
        owner,
    )
    days = date(2026, 1, 1), date(2026, 1, 2)
    await downloads.add(db, {(version, day): often for (version,) in versions for day in days}, {})


async def test_the_root_and_what_clients_ask_first(registry: Registry) -> None:
    root = await registry.call("GET", "/api/v3/")
    assert root.status == 200
    assert root.json["current_user_url"] == f"{registry.url}/api/v3/user"  # type: ignore[index]
    assert "X-OAuth-Scopes" not in root.headers
    alice = await registry.user("alice", ["repo", "read:org"])
    assert (await registry.call("GET", "/api/v3/", alice)).headers["X-OAuth-Scopes"] == "read:org, repo"
    meta = (await registry.call("GET", "/api/v3/meta")).json
    assert meta["installed_version"].startswith("3.")  # type: ignore[index]
    assert meta["moorage_version"]  # type: ignore[index]
    limit = (await registry.call("GET", "/api/v3/rate_limit", alice)).json
    assert limit["rate"]["remaining"] > 0  # type: ignore[index]
    # hub4j reads these without asking whether they are there; githubkit checks all that GitHub's schema requires.
    assert limit["resources"].keys() >= {"core", "search", "graphql", "integration_manifest"}  # type: ignore[index]
    assert meta.keys() >= {"hooks", "git", "web", "api", "pages", "importer", "packages", "actions", "dependabot"}  # type: ignore[attr-defined]
    assert {"ssh_keys", "ssh_key_fingerprints"} <= meta.keys()  # type: ignore[attr-defined]
    assert root.json.keys() >= set(_REQUIRED_OF_THE_ROOT)  # type: ignore[attr-defined]
    assert all(url.startswith(registry.url) for url in root.json.values())  # type: ignore[attr-defined]


_REQUIRED_OF_THE_ROOT = (
    "code_search_url", "commit_search_url", "current_user_authorizations_html_url",
    "current_user_repositories_url", "current_user_url", "emails_url", "emojis_url", "events_url", "feeds_url",
    "followers_url", "following_url", "gists_url", "issue_search_url", "issues_url", "keys_url",
    "label_search_url", "notifications_url", "organization_repositories_url", "organization_teams_url",
    "organization_url", "public_gists_url", "rate_limit_url", "repository_search_url", "repository_url",
    "starred_gists_url", "starred_url", "user_organizations_url", "user_repositories_url", "user_search_url",
    "user_url",
)  # fmt: skip


async def test_every_answer_tells_the_scopes_of_a_classic_token(registry: Registry) -> None:
    """snok/container-retention-policy reads them from /rate_limit, gh from whatever it has asked."""
    alice = await registry.user("alice", ["read:org", "read:packages"])
    for path, status in (("/rate_limit", 200), ("/user", 200), ("/user/tokens", 403), ("/users/nobody", 404)):
        answer = await registry.call("GET", f"/api/v3{path}", alice)
        assert (answer.status, answer.headers.get("X-OAuth-Scopes")) == (status, "read:org, read:packages"), path
    assert (await registry.call("GET", "/api/v3/user/tokens", alice)).headers["X-Accepted-OAuth-Scopes"] == "user"
    assert "X-OAuth-Scopes" not in (await registry.call("GET", "/api/v3/user", "mrgc_nonsense")).headers
    fine = await registry.user("fine", ["user", "read:packages"])
    body = {"rules": [{"packages": "fine/*", "actions": ["read"]}]}
    made: Any = (await registry.call("POST", "/api/v3/user/tokens", fine, json=body)).json
    assert "X-OAuth-Scopes" not in (await registry.call("GET", "/api/v3/user", made["token"])).headers


def _relative(found: object, at: str = "") -> Iterator[str]:
    if isinstance(found, dict):
        for name, value in found.items():
            here = f"{at}.{name}"
            if (name == "url" or name.endswith("_url")) and value is not None and not str(value).startswith("http"):
                yield f"{here} = {value!r}"
            yield from _relative(value, here)
    elif isinstance(found, list):
        for value in found:
            yield from _relative(value, f"{at}[]")


async def test_every_url_is_absolute(registry: Registry) -> None:
    """octocrab refuses to parse the whole answer for one that is not."""
    api = await acme(registry)
    await registry.push_image("owner/app", "v1", api.owner)
    await api.ok("POST", "/user/repos", api.owner, {"name": "code"}, 201)
    await api.ok("PUT", "/user/packages/container/app/repository", api.owner, {"repository": "owner/code"})
    for path in ("/", "/user", "/users/owner", "/orgs/acme", "/user/orgs", "/user/memberships/orgs", "/orgs/acme/members",
                 "/user/repos", "/repos/owner/code", "/user/packages?package_type=container", "/user/packages/container/app",
                 "/user/packages/container/app/versions", "/nowhere", "/users/nobody"):  # fmt: skip
        found = (await api.call("GET", path, api.owner)).json
        assert not list(_relative(found)), path
    refused = await registry.call("GET", "/api/v3/user")
    assert refused.json["documentation_url"] == f"{registry.url}/api/v3/openapi.json"  # type: ignore[index]


async def test_an_avatar_is_a_picture_for_everybody(registry: Registry) -> None:
    api = await acme(registry)
    pictures, url = set(), ""
    for path in ("/users/owner", "/users/member", "/users/acme"):
        url = (await api.ok("GET", path, api.owner))["avatar_url"]
        for _ in range(2):
            picture = await registry.call("GET", url + "?s=40")
            assert (picture.status, picture.headers["Content-Type"]) == (200, "image/svg+xml"), url
            assert picture.body.startswith(b"<svg ")
            pictures.add(picture.body)
    assert len(pictures) == 3
    assert (await api.ok("GET", "/orgs/acme", api.owner))["avatar_url"] == url
    # Whether there is such an account is not told.
    assert (await registry.call("GET", "/api/v3/avatars/999999")).status == 200
    assert (await registry.call("GET", "/api/v3/avatars/x")).status == 404


async def test_who_i_am_and_who_others_are(registry: Registry) -> None:
    api = await acme(registry)
    await registry.services.db.execute("UPDATE accounts SET email = login || '@example.com' WHERE kind = 'User'")
    me = await api.ok("GET", "/user", api.member)
    assert (me["login"], me["type"], me["email"], me["site_admin"]) == ("member", "User", "member@example.com", False)
    assert me["two_factor_authentication"] is False
    assert me["created_at"].endswith("Z")
    other = await api.ok("GET", "/users/OWNER", api.member)
    assert (other["login"], other["email"]) == ("owner", None)
    assert other["url"] == f"{registry.url}/api/v3/users/owner"
    assert (await api.ok("GET", f"/user/{other['id']}", api.member)) == other
    assert (await api.ok("GET", "/users/owner", api.admin))["email"] == "owner@example.com"
    assert (await api.ok("GET", "/users/acme", api.stranger))["type"] == "Organization"


async def test_s18_nobody_learns_who_has_an_account(registry: Registry) -> None:
    """Without a token a login that is there and one that is not are one answer."""
    await acme(registry)
    for path in ("/users/{}", "/users/{}/orgs", "/users/{}/repos", "/orgs/{}", "/orgs/{}/members", "/repos/{}/app"):
        known = await registry.call("GET", "/api/v3" + path.format("acme"))
        unknown = await registry.call("GET", "/api/v3" + path.format("nobody"))
        assert (known.status, known.body) == (unknown.status, unknown.body) == (401, known.body), path


async def test_s17_garbage_in_paths_and_pages(registry: Registry) -> None:
    api = await acme(registry)
    for junk in ("%00", "a%00b", "%27%20OR%201%3D1--", "%25", "a_b", "%F0%9F%A6%80", "a" * 300, "..%2Fadmin", "-"):
        for path in (f"/users/{junk}", f"/orgs/{junk}", f"/orgs/acme/members/{junk}", f"/orgs/acme/teams/{junk}",
                     f"/repos/{junk}/x", f"/repos/owner/{junk}", f"/user/{junk}", f"/repositories/{junk}"):  # fmt: skip
            assert await api.status("GET", path, api.owner) == 404, path
    for query in ("page=-1", "page=x", "per_page=1e9", "per_page=%00", "per_page=0", "page=", "role=%27", "visibility=%00",
                  "type=password%3D~a", "sort=%27--", "q=%25"):  # fmt: skip
        for path in ("/orgs/acme/members", "/user/repos", "/user/orgs", "/orgs/acme/teams", "/orgs/acme/repos"):
            assert await api.status("GET", f"{path}?{query}", api.owner) == 200, (path, query)
    assert await api.status("GET", "/user/repos?page=1000000", api.owner) == 400
    assert await api.status("PATCH", "/orgs/acme", api.owner, {"name": "a\x00b"}) == 422
    assert await api.status("PATCH", "/orgs/acme", api.owner, {"name": 1}) == 422
    assert await api.status("POST", "/user/repos", api.owner, {"name": "a\x00"}) == 422


async def test_organizations_of_a_user_are_for_those_who_are_in_them(registry: Registry) -> None:
    api = await acme(registry)
    assert [o["login"] for o in await api.ok("GET", "/user/orgs", api.member)] == ["Acme"]
    assert await api.ok("GET", "/user/orgs", api.stranger) == []
    assert [o["login"] for o in await api.ok("GET", "/users/owner/orgs", api.member)] == ["Acme"]
    assert await api.ok("GET", "/users/owner/orgs", api.stranger) == []
    mine = await api.ok("GET", "/user/memberships/orgs", api.owner)
    assert [(m["role"], m["state"], m["organization"]["login"], m["user"]["login"]) for m in mine] == [
        ("admin", "active", "Acme", "owner")
    ]
    assert await api.ok("GET", "/user/memberships/orgs?state=pending", api.owner) == []
    weak = await registry.token("member", PACKAGES)
    assert await api.status("GET", "/user/orgs", weak) == 403


async def test_only_administrators_administer(registry: Registry) -> None:
    api = await acme(registry)
    weak = await registry.token("admin", [s for s in SCOPES if s != "site_admin"])
    for method, path, body in (
        ("POST", "/admin/organizations", {"login": "x", "admin": "owner"}),
        ("PATCH", "/admin/organizations/acme", {"login": "x"}),
        ("PATCH", "/admin/users/member", {"login": "x"}),
        ("DELETE", "/admin/users/member", None),
        ("PUT", "/users/member/suspended", None),
        ("DELETE", "/users/member/suspended", None),
        ("PUT", "/users/owner/site_admin", None),
        ("DELETE", "/users/admin/site_admin", None),
    ):
        assert await api.status(method, path, api.owner, body) == 403, path
        assert await api.status(method, path, weak, body) == 403, path
        assert await api.status(method, path, None, body) == 401, path
    assert (await api.ok("GET", "/user", api.owner))["site_admin"] is False


async def test_suspended_is_refused_at_once_everywhere(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        api = await acme(registry)
        await registry.push_image("member/app", "v1", api.member)
        bearer = await _bearer(registry, api.member, "member/app")
        assert await api.status("PUT", "/users/member/suspended", api.admin) == 204
        for replica in (0, 1):
            path = "/v2/member/app/manifests/v1"
            assert (await registry.call("GET", path, headers=bearer, replica=replica)).status == 401
            assert (await registry.call("GET", path, api.member, replica=replica)).status == 401
            assert (await registry.call("GET", "/api/v3/user", api.member, replica=replica)).status == 401
        assert (await api.ok("GET", "/users/member", api.admin))["suspended_at"] is not None
        assert (await api.ok("GET", "/users/member", api.stranger))["suspended_at"] is None
        assert await api.status("DELETE", "/users/member/suspended", api.admin) == 204
        assert await api.status("GET", "/user", api.member) == 200
        assert await api.status("PUT", "/users/acme/suspended", api.admin) == 404


async def test_somebody_always_administers(registry: Registry) -> None:
    api = await acme(registry)
    for method, path in (
        ("DELETE", "/users/admin/site_admin"),
        ("PUT", "/users/admin/suspended"),
        ("DELETE", "/admin/users/admin"),
    ):
        refused = await api.call(method, path, api.admin)
        assert refused.status == 422, path
        assert "last administrator" in refused.json["errors"][0]["message"]  # type: ignore[index]
    assert await api.status("PUT", "/users/owner/site_admin", api.admin) == 204
    assert await api.status("DELETE", "/users/admin/site_admin", api.admin) == 204
    assert await api.status("PUT", "/users/admin/site_admin", api.admin) == 403


async def test_two_administrators_do_not_demote_each_other(registry: Registry) -> None:
    api = await acme(registry)
    await api.call("PUT", "/users/owner/site_admin", api.admin)
    both = [api.status("DELETE", f"/users/{who}/site_admin", api.admin) for who in ("owner", "admin")]
    assert sorted(await asyncio.gather(*both)) in ([204, 422], [204, 403])
    left = await registry.services.db.fetch("SELECT 1 FROM accounts WHERE site_admin AND deleted_at IS NULL")
    assert len(left) == 1


async def test_renamed_with_packages_and_tokens(registry: Registry) -> None:
    api = await acme(registry)
    digest = await registry.push_image("member/app", "v1", api.member)
    renamed = await api.ok("PATCH", "/admin/users/Member", api.admin, {"login": "Ada"}, 202)
    assert renamed["message"].startswith("Job queued")
    assert (await registry.call("GET", renamed["url"], api.admin)).json["login"] == "Ada"  # type: ignore[index]
    assert (await registry.call("GET", f"/v2/ada/app/manifests/{digest}", api.member)).status == 200
    assert (await registry.call("GET", f"/v2/member/app/manifests/{digest}", api.member)).status == 404
    assert await api.status("GET", "/orgs/acme/members/ada", api.owner) == 204
    # Only the case.
    await api.ok("PATCH", "/admin/users/ada", api.admin, {"login": "ADA"}, 202)
    for login in ("owner", "v2", "a--b", "_x", "Acme"):
        assert await api.status("PATCH", "/admin/users/ada", api.admin, {"login": login}) == 422, login
    assert await api.status("PATCH", "/admin/users/member", api.admin, {"login": "zoe"}) == 404
    assert await api.status("PATCH", "/admin/users/acme", api.admin, {"login": "zoe"}) == 404


async def test_s20_who_takes_a_free_login_inherits_nothing(registry: Registry) -> None:
    api = await acme(registry)
    await registry.push_image("member/app", "v1", api.member)
    bearer = await _bearer(registry, api.member, "member/app")
    started = await registry.call("POST", "/v2/member/app/blobs/uploads/", api.member)
    assert started.status == 202
    await api.ok("POST", "/user/repos", api.member, {"name": "src", "private": True}, 201)
    await api.ok("DELETE", "/admin/users/member", api.admin, status=204)
    assert await api.status("GET", "/users/member", api.admin) == 404
    assert await api.status("GET", "/user", api.member) == 401

    await api.ok("POST", "/admin/users", api.admin, {"login": "member"}, 201)
    heir = await registry.token("member", SCOPES)
    assert await api.ok("GET", "/user/orgs", heir) == []
    assert await api.ok("GET", "/user/repos", heir) == []
    assert await api.status("GET", "/repos/member/src", heir) == 404
    assert (await registry.call("GET", "/v2/member/app/manifests/v1", heir)).status == 404
    await registry.push_image("member/app", "v2", heir)
    for headers in (bearer, {}):
        token = None if headers else api.member
        old = await registry.call("GET", "/v2/member/app/manifests/v2", token, headers=headers)
        assert old.status == 401
        assert (
            await registry.call("PATCH", started.headers["Location"], token, data=b"x", headers=headers)
        ).status == 401
    assert (await registry.call("PATCH", started.headers["Location"], heir, data=b"x")).status == 404
    assert await api.status("GET", "/orgs/acme/members/member", api.owner) == 404


async def test_the_names_of_popular_public_packages_are_retired(registry: Registry) -> None:
    api = await acme(registry)
    for name in ("member/popular", "owner/popular"):
        await registry.push_image(name, "v1", api.member if name.startswith("member") else api.owner)
    await _popular(registry, "member", 2501)
    await _popular(registry, "owner", 2500)
    await api.ok("PATCH", "/admin/users/member", api.admin, {"login": "ada"}, 202)
    await api.ok("PATCH", "/admin/users/owner", api.admin, {"login": "bob"}, 202)
    heirs = [await registry.user(login) for login in ("member", "owner")]
    refused = await registry.call("POST", "/v2/member/popular/blobs/uploads/", heirs[0])
    assert refused.status in {403, 404}, refused.body
    await registry.push_image("member/other", "v1", heirs[0])
    await registry.push_image("owner/popular", "v1", heirs[1])  # 5,000 is not more than 5,000
    # Nor by renaming.
    await api.ok("DELETE", "/admin/users/member", api.admin, status=204)
    back = await api.call("PATCH", "/admin/users/ada", api.admin, {"login": "member"})
    assert back.status == 422
    assert "member/popular" in back.json["errors"][0]["message"]  # type: ignore[index]


async def test_a_deleted_user_leaves_nothing_behind(registry: Registry) -> None:
    api = await acme(registry)
    await registry.push_image("member/app", "v1", api.member)
    await registry.push_image("owner/app", "v1", api.owner)
    await api.ok("POST", "/user/repos", api.owner, {"name": "src", "private": True}, 201)
    await api.ok("PUT", "/repos/owner/src/collaborators/member", api.owner, {"permission": "admin"}, 204)
    await api.ok("POST", "/orgs/acme/teams", api.owner, {"name": "devs", "maintainers": ["member"]}, 201)
    refused = await api.call("DELETE", "/admin/users/owner", api.admin)
    assert refused.status == 422
    assert "only owner of Acme" in refused.json["errors"][0]["message"]  # type: ignore[index]
    await api.ok("DELETE", "/admin/users/member", api.admin, status=204)
    for path in ("/orgs/acme/members", "/repos/owner/src/collaborators"):
        assert [p["login"] for p in await api.ok("GET", path, api.owner)] == ["owner"], path
    assert await api.ok("GET", "/orgs/acme/teams/devs/members", api.owner) == []
    assert (await registry.call("GET", "/v2/member/app/manifests/v1", api.admin)).status == 404
    assert (await registry.call("GET", "/v2/owner/app/manifests/v1", api.owner)).status == 200
    assert await api.status("DELETE", "/admin/users/member", api.admin) == 404


async def _bearer(registry: Registry, token: str, package: str) -> dict[str, str]:
    got = await registry.call("GET", f"/token?service=moorage&scope=repository:{package}:pull,push", token)
    assert got.status == 200
    return {"Authorization": f"Bearer {got.json['token']}"}  # type: ignore[index]

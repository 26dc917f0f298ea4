"""What site administrators see of all accounts and tokens, and how much there is of everything."""

from typing import Any

from tests.support.api import acme
from tests.support.pages import Pages
from tests.support.people import browser, send
from tests.support.server import Registry


async def _all(registry: Registry, path: str, token: str, key: str = "login") -> list[Any]:
    """All pages of a list, three at a time."""
    found, path = list[Any](), f"/api/v3{path}{'&' if '?' in path else '?'}per_page=3"
    while path:
        got: Any = await registry.call("GET", path, token)
        assert got.status == 200, got.body
        assert len(got.json) <= 3
        found += [one[key] for one in got.json]
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    return found


async def test_lists_of_accounts(registry: Registry) -> None:
    people = await acme(registry)
    for number in range(4):
        await registry.user(f"User-{number}")
    await people.ok("PUT", "/users/user-1/suspended", people.admin, None, 204)
    await people.ok("PUT", "/users/user-2/site_admin", people.admin, None, 204)
    users = ["admin", "owner", "member", "stranger", *(f"User-{number}" for number in range(4))]
    assert await _all(registry, "/admin/users", people.admin) == users
    assert await _all(registry, "/admin/users?filter=suspended", people.admin) == ["User-1"]
    assert await _all(registry, "/admin/users?filter=site_admin", people.admin) == ["admin", "User-2"]
    assert await _all(registry, "/admin/users?q=user", people.admin) == users[4:]
    assert await _all(registry, "/admin/users?q=A", people.admin) == ["Acme", "admin"]
    assert await _all(registry, "/admin/users?q=user-", people.admin) == users[4:]
    for query in ("ser", "%25", "%00", "x" * 300):
        assert await _all(registry, f"/admin/users?q={query}", people.admin) == []
    assert await _all(registry, "/admin/organizations", people.admin) == ["Acme"]
    one: Any = (await registry.call("GET", "/api/v3/admin/users?q=user-1", people.admin)).json
    assert (one[0]["suspended_at"] is not None, one[0]["site_admin"]) == (True, False)
    assert (await registry.call("GET", "/api/v3/admin/users?filter=x", people.admin)).status == 422


async def test_tokens_of_others_are_listed_and_revoked(registry: Registry) -> None:
    people = await acme(registry)
    alice = await registry.user("alice")
    more = [await registry.token("alice", ["read:packages"]) for _ in range(4)]
    found: Any = (await registry.call("GET", "/api/v3/admin/tokens?user=ALICE", people.admin)).json
    assert [one["token_last_eight"] for one in found] == [token[-8:] for token in (*more[::-1], alice)]
    assert (found[0]["scopes"], found[0]["user"]["login"], found[0]["token"]) == (["read:packages"], "alice", "")
    assert alice not in str(found)
    every = await _all(registry, "/admin/tokens", people.admin, "id")
    assert every == sorted(every, reverse=True)
    assert len(every) == 9
    path = f"/api/v3/admin/tokens/{found[-1]['id']}"
    assert (await registry.call("GET", "/api/v3/user", alice)).status == 200
    assert (await registry.call("DELETE", path, people.admin)).status == 204
    assert (await registry.call("GET", "/api/v3/user", alice)).status == 401
    assert (await registry.call("DELETE", path, people.admin)).status == 404
    assert (await registry.call("GET", "/api/v3/admin/tokens?user=nobody", people.admin)).status == 404
    assert (await registry.call("GET", "/api/v3/admin/tokens?user=%00", people.admin)).status == 404


async def test_how_much_there_is(registry: Registry) -> None:
    people = await acme(registry)
    before = await people.ok("GET", "/enterprise/stats/all", people.admin)
    await registry.push_image("acme/web", "v1", people.owner, size=100_000)
    assert (await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)).status == 202
    after = await people.ok("GET", "/enterprise/stats/all", people.admin)
    assert before["users"] == {"total_users": 4, "admin_users": 1, "suspended_users": 0}
    assert before["orgs"] == {"total_orgs": 1, "total_teams": 0}
    assert (before["packages"]["total_packages"], after["packages"]["total_packages"]) == (0, 1)
    assert (after["packages"]["total_versions"], after["storage"]["total_blobs"]) == (1, 2)
    assert 100_000 < after["storage"]["stored_bytes"] < 101_000
    assert after["storage"]["open_uploads"] == 1
    assert (after["estimated"], after["schema"][:2]) == (False, "00")


async def test_nobody_else_is_told(registry: Registry) -> None:
    people = await acme(registry)
    weak = await registry.token("admin", ["user", "read:packages"])
    for path in ("/admin/users", "/admin/organizations", "/admin/tokens", "/enterprise/stats/all"):
        for token, status in ((None, 401), (people.stranger, 403), (people.owner, 403), (weak, 403)):
            assert await people.status("GET", path, token) == status, path
    assert await people.status("DELETE", "/admin/tokens/1", people.owner) == 403


async def test_a_sign_in_link_and_the_sessions_of_a_user(registry: Registry) -> None:
    people, alice = await acme(registry), await browser(registry, "alice")
    answer = await registry.call("POST", "/api/v3/admin/users/ALICE/sign-in-link", people.admin)
    assert answer.status == 201, answer.body
    link: Any = answer.json
    start, _, code = link["url"].partition("#")
    assert start == f"{registry.url}/login/code"
    assert "no-store" in answer.headers["Cache-Control"]
    found = await people.ok("GET", "/admin/users/alice/sessions", people.admin)
    assert [(one["way"], one["address"]) for one in found] == [("password", "127.0.0.1")]
    assert await send(Pages(registry), "/login/code", "/login/code", {"code": code}) == "/settings/security"
    assert len(await people.ok("GET", "/admin/users/alice/sessions", people.admin)) == 2
    await people.ok("DELETE", "/admin/users/alice/sessions", people.admin, None, 204)
    assert await people.ok("GET", "/admin/users/alice/sessions", people.admin) == []
    assert (await alice.get_raw("/settings/profile")).status == 303
    for method, path in (("POST", "sign-in-link"), ("GET", "sessions"), ("DELETE", "sessions")):
        for login in ("acme", "nobody", "%00"):
            assert await people.status(method, f"/admin/users/{login}/{path}", people.admin, None) == 404, (
                method,
                login,
            )


async def test_administrators_see_all_organizations_of_a_user(registry: Registry) -> None:
    people = await acme(registry)
    for token, logins in ((people.admin, ["Acme"]), (people.member, ["Acme"]), (people.stranger, [])):
        found = await people.ok("GET", "/users/member/orgs", token)
        assert [one["login"] for one in found] == logins


async def test_health_jobs_and_settings(registry: Registry) -> None:
    people = await acme(registry)
    health = await people.ok("GET", "/admin/health", people.admin)
    assert (health["status"], health["store"]["reachable"], health["database"]["read_only"]) == ("ok", True, False)
    assert health["database"]["schema"] == health["database"]["expected_schema"]
    assert await people.ok("GET", "/admin/jobs", people.admin) == []
    assert "MOORAGE_RESTORE_DAYS" in await people.ok("GET", "/admin/settings", people.admin)


async def test_packages_that_go_with_their_account_are_recorded_with_the_administrator(registry: Registry) -> None:
    people = await acme(registry)
    await registry.push_image("stranger/web", "v1", people.stranger)
    await registry.call("POST", "/v2/stranger/begun/blobs/uploads/", people.stranger)
    await registry.push_image("acme/web", "v1", people.owner)
    await people.ok("DELETE", "/admin/users/stranger", people.admin, None, 204)
    await people.ok("DELETE", "/orgs/acme", people.owner, None, 202)
    rows = await registry.services.db.fetch(
        "SELECT package.name, actor.login, event.via FROM events event JOIN packages package ON package.id = event.package_id"
        " AND package.owner_id = event.owner_id JOIN accounts actor ON actor.id = event.actor_id"
        " WHERE action = 'packages.package_deleted' ORDER BY event.id"
    )
    assert [tuple(row) for row in rows] == [("web", "admin", "classic"), ("web", "owner", "classic")]

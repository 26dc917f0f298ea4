"""``/user/tokens``: who may make what, what it may do, and what becomes of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from registry.jobs.forget_tokens import forget_tokens
from tests.support.server import PACKAGES, Registry, running

USER = ("user", *PACKAGES)
TOKENS = "/api/v3/user/tokens"


async def make(registry: Registry, by: str, **body: object) -> dict[str, Any]:
    made = await registry.call("POST", TOKENS, by, json=body)
    assert made.status == 201, made.body
    assert isinstance(made.json, dict)
    return made.json


async def test_a_token_is_made_shown_once_listed_and_revoked(registry: Registry) -> None:
    alice = await registry.user("alice", USER)
    made = await make(registry, alice, note="ci", scopes=["write:packages"])
    assert made["kind"] == "classic"
    assert made["scopes"] == ["write:packages"]
    assert made["token"].startswith("mrp_")
    assert made["token"].endswith(made["token_last_eight"])
    assert (made["last_used_at"], made["expires_at"], made["organizations"]) == (None, None, [])
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", made["token"])).status == 202

    one = await registry.call("GET", f"{TOKENS}/{made['id']}", alice)
    listed = await registry.call("GET", TOKENS, alice)
    assert isinstance(one.json, dict)
    assert isinstance(listed.json, list)
    assert one.json["last_used_at"] is not None
    assert "token" not in one.json
    assert listed.json[0] == one.json
    assert made["token"].encode() not in one.body + listed.body

    assert (await registry.call("DELETE", f"{TOKENS}/{made['id']}", alice)).status == 204
    assert (await registry.call("GET", f"{TOKENS}/{made['id']}", alice)).status == 404
    assert (await registry.call("DELETE", f"{TOKENS}/{made['id']}", alice)).status == 404
    assert (await registry.call("GET", "/token", made["token"])).status == 401


async def test_lists_have_pages(registry: Registry) -> None:
    alice = await registry.user("alice", USER)
    for number in range(4):
        await make(registry, alice, note=str(number))
    second = await registry.call("GET", f"{TOKENS}?per_page=2&page=2", alice)
    assert isinstance(second.json, list)
    assert [token["note"] for token in second.json] == ["1", "0"]
    assert 'rel="prev"' in second.headers["Link"]
    assert 'rel="last"' in second.headers["Link"]


async def test_s14_the_tokens_of_others_are_not_there(registry: Registry) -> None:
    alice, mallory = await registry.user("alice", USER), await registry.user("mallory", USER)
    made = await make(registry, alice)
    await org(registry, "acme", member="mallory")
    for method, path in (
        ("GET", f"{TOKENS}/{made['id']}"),
        ("DELETE", f"{TOKENS}/{made['id']}"),
        ("PUT", f"{TOKENS}/{made['id']}/organizations/acme"),
        ("DELETE", f"{TOKENS}/{made['id']}/organizations/acme"),
    ):
        refused = await registry.call(method, path, mallory)
        assert (refused.status, refused.json["message"]) == (404, "Not Found"), path  # type: ignore[index]
    assert (await registry.call("GET", "/token", made["token"])).status == 200
    for number in ("0", "-1", "x", "9" * 19, "1%00"):
        assert (await registry.call("GET", f"{TOKENS}/{number}", mallory)).status == 404, number


async def test_s15_no_token_makes_what_may_do_more(registry: Registry) -> None:
    cases: list[tuple[list[str], dict[str, object], str]] = [
        (["user"], {"scopes": ["read:packages"]}, "scope read:packages"),
        (["user", "read:packages"], {"scopes": ["write:packages"]}, "scope write:packages"),
        (["user", "write:packages"], {"scopes": ["delete:packages"]}, "scope delete:packages"),
        (["user", *PACKAGES], {"scopes": ["site_admin"]}, "scope site_admin"),
        (["user", *PACKAGES], {"scopes": ["repo"]}, "scope repo"),
        (["user", "read:packages"], {"rules": [{"packages": "*", "actions": ["write"]}]}, "scope write:packages"),
        (["user", "write:packages"], {"rules": [{"packages": "*", "actions": ["delete"]}]}, "scope delete:packages"),
    ]
    for number, (held, wanted, missing) in enumerate(cases):
        alice = await registry.user(f"alice{number}", held)
        refused = await registry.call("POST", TOKENS, alice, json=wanted)
        assert refused.status == 403, wanted
        body = refused.json
        assert isinstance(body, dict)
        assert body["missing"] == missing
        assert "user" in body["have"]
        assert body["fix"]
        listed = await registry.call("GET", TOKENS, alice)
        assert isinstance(listed.json, list)
        assert len(listed.json) == 1


async def test_s15_no_token_makes_what_outlives_it(registry: Registry) -> None:
    alice = await registry.user("alice", USER)
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    short = await make(registry, alice, scopes=list(USER), expires_at=end.isoformat())
    later = (end + timedelta(seconds=1)).isoformat()
    assert (await registry.call("POST", TOKENS, short["token"], json={"expires_at": later})).status == 403
    inherited = await make(registry, short["token"], scopes=["read:packages"])
    assert inherited["expires_at"] == short["expires_at"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_s31_only_a_classic_token_with_the_scope_user_may(registry: Registry) -> None:
    alice = await registry.user("alice", USER)
    weak = await registry.token("alice", PACKAGES)
    fine = (await make(registry, alice, rules=[{"packages": "alice/*", "actions": ["read", "write", "delete"]}]))[
        "token"
    ]
    workload = await workflow(registry, "alice", "app")
    for token, status in ((weak, 403), (fine, 403), (workload, 403), (None, 401)):
        for method, path in (("GET", TOKENS), ("POST", TOKENS), ("DELETE", f"{TOKENS}/1"), ("GET", f"{TOKENS}/1")):
            assert (await registry.call(method, path, token, json={})).status == status, (token, method)


async def test_what_makes_no_sense_is_refused(registry: Registry) -> None:
    alice = await registry.user("alice", USER)
    bodies: list[dict[str, object]] = [
        {"scopes": ["packages"]},
        {"scopes": ["read:packages"], "rules": [{"packages": "alice/*", "actions": ["read"]}]},
        {"rules": []},
        {"rules": [{"packages": "alice/*", "actions": []}]},
        {"rules": [{"packages": "alice/*", "actions": ["admin"]}]},
        {"rules": [{"packages": "alice/[a-z]", "actions": ["read"]}]},
        {"rules": [{"packages": "alice/*\n", "actions": ["read"]}]},
        {"rules": [{"packages": "", "actions": ["read"]}]},
        {"rules": [{"packages": "a" * 256, "actions": ["read"]}]},
        {"rules": [{"packages": "alice/*", "actions": ["read"]}] * 51},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00"},
        {"expires_at": "tomorrow"},
        {"note": "x" * 256},
        {"note": 1},
    ]
    for body in bodies:
        assert (await registry.call("POST", TOKENS, alice, json=body)).status == 422, body


async def test_s16_a_field_that_is_not_known_is_refused(registry: Registry) -> None:
    """What was dropped silently was ``expires_in``, and the token never ended."""
    alice, admin = await registry.user("alice", [*USER, "repo", "read:packages"]), await registry.admin()
    assert (await registry.call("POST", "/api/v3/user/repos", alice, json={"name": "code"})).status == 201
    repository, workload = "/api/v3/repos/alice/code", {"ttl_seconds": 60}
    for path, who, body in (
        (TOKENS, alice, {"note": "x"}),
        ("/api/v3/admin/users/alice/authorizations", admin, {"scopes": []}),
        (f"{repository}/actions/token", alice, workload),
        (f"{repository}/codespaces/token", alice, workload),
    ):
        assert (await registry.call("POST", path, who, json=body)).status == 201, path
        for field in ("expires_in", "expires", "account_id", "kind", "site_admin", "organizations", "repositories"):
            refused = await registry.call("POST", path, who, json={**body, field: 3600})
            assert refused.status == 422, (path, field)
            assert field in refused.json["message"], path  # type: ignore[index]
    rule = {"packages": "alice/*", "actions": ["read"], "expires_at": None}
    assert (await registry.call("POST", TOKENS, alice, json={"rules": [rule]})).status == 422


async def test_a_token_made_by_an_administrator_may_end(env: dict[str, str]) -> None:
    async with running(env) as registry:
        admin = await registry.admin()
        await registry.user("alice")
        path = "/api/v3/admin/users/alice/authorizations"
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
        made: Any = (await registry.call("POST", path, admin, json={"scopes": [], "expires_at": end.isoformat()})).json
        assert made["expires_at"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (await registry.call("GET", "/api/v3/user", made["token"])).status == 200
        for wrong in ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00", "tomorrow"):
            refused = await registry.call("POST", path, admin, json={"scopes": [], "expires_at": wrong})
            assert refused.status == 422, wrong
        await asyncio.sleep(3)
        assert (await registry.call("GET", "/api/v3/user", made["token"])).status == 401


async def test_a_fine_grained_token_may_what_its_rules_say(registry: Registry) -> None:
    alice = await registry.user("alice", USER)
    rules = [
        {"packages": "Alice/app-*", "actions": ["write", "read"]},
        {"packages": "alice/base", "actions": ["read"]},
        {"packages": "alice/old_?", "actions": ["delete"]},
    ]
    made = await make(registry, alice, note="ci", rules=rules)
    assert made["kind"] == "fine_grained"
    assert made["token"].startswith("mrf_")
    assert made["rules"][0] == {"packages": "alice/app-*", "actions": ["read", "write"]}
    for name in ("alice/base", "alice/other", "alice/old_1", "alice/oldx1"):
        await registry.push_image(name, "v1", alice)
    await registry.push_image("alice/app-one", "v1", made["token"])
    for method, name, status in (
        ("GET", "alice/app-one", 200),
        ("GET", "alice/base", 200),
        ("PUT", "alice/base", 403),
        ("GET", "alice/other", 404),
        ("PUT", "alice/other", 403),
        ("DELETE", "alice/app-one", 403),
        ("DELETE", "alice/base", 403),
        ("DELETE", "alice/oldx1", 404),
        ("DELETE", "alice/old_1", 202),
    ):
        got = await registry.call(
            method, f"/v2/{name}/manifests/v1", made["token"], data=b"{}" if method == "PUT" else None
        )
        assert got.status == status, (method, name, got.body)


async def test_sso(registry: Registry) -> None:
    """Where an organization requires it, a token is refused with a message that says where to authorise it."""
    await org(registry, "acme", sso=True)
    alice = await registry.user("alice", USER)
    await seat(registry, "acme", "alice", "admin")
    docker = await make(registry, alice, scopes=list(PACKAGES))
    refused = await registry.call("POST", "/v2/acme/app/blobs/uploads/", docker["token"])
    path = f"{TOKENS}/{docker['id']}/organizations/acme"
    assert (refused.status, refused.code) == (403, "DENIED")
    assert f"PUT {path}" in refused.json["errors"][0]["message"]  # type: ignore[index]
    assert refused.json["errors"][0]["detail"]["missing"] == "authorisation of this token for the organization acme"  # type: ignore[index]

    assert (await registry.call("PUT", path.replace("acme", "nobody"), alice)).status == 404
    assert (await registry.call("PUT", path, docker["token"])).status == 403
    for _ in range(2):
        assert (await registry.call("PUT", path, alice)).status == 204
    digest = await registry.push_image("acme/app", "v1", docker["token"])
    shown = await registry.call("GET", f"{TOKENS}/{docker['id']}", alice)
    assert shown.json["organizations"] == ["acme"]  # type: ignore[index]

    # A token is authorised, not its owner.
    assert (await registry.call("GET", f"/v2/acme/app/manifests/{digest}", alice)).status == 403
    assert (await registry.call("DELETE", path, alice)).status == 204
    assert (await registry.call("DELETE", path, alice)).status == 404
    assert (await registry.call("GET", f"/v2/acme/app/manifests/{digest}", docker["token"])).status == 403
    # To strangers it is still as if there were nothing.
    mallory = await registry.user("mallory", USER)
    assert (await registry.call("GET", f"/v2/acme/app/manifests/{digest}", mallory)).status == 404
    own = await make(registry, mallory)
    assert (await registry.call("PUT", f"{TOKENS}/{own['id']}/organizations/acme", mallory)).status == 404
    # What is public is everybody's.
    await registry.services.db.execute("UPDATE packages SET visibility = 'public'")
    assert (await registry.call("GET", f"/v2/acme/app/manifests/{digest}", docker["token"])).status == 200


async def test_an_expired_token_is_no_token(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        alice = await registry.user("alice", USER)
        end = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
        made = await make(registry, alice, scopes=["read:packages"], expires_at=end)
        assert (await registry.call("GET", "/v2/", made["token"])).status == 200
        await asyncio.sleep(0.6)
        for replica in (0, 1):
            assert (await registry.call("GET", "/v2/", made["token"], replica=replica)).status == 401
            assert (await registry.call("GET", "/token", made["token"], replica=replica)).status == 401
            assert (await registry.call("GET", TOKENS, made["token"], replica=replica)).status == 401
        # Its owner still sees that it was there.
        assert (await registry.call("GET", f"{TOKENS}/{made['id']}", alice)).status == 200
        assert await forget_tokens(registry.services) == 0


async def test_lists_show_what_the_token_may_read(registry: Registry) -> None:
    """The catalog is narrowed as a pull is: by scopes, rules, SSO and, for a workflow, by its repository."""
    await org(registry, "acme", sso=True)
    alice = await registry.user("alice", USER)
    await seat(registry, "acme", "alice", "admin")
    for name in ("alice/app_1", "alice/appx1", "alice/public", "alice/linked"):
        await registry.push_image(name, "v1", alice)
    own = await make(registry, alice, scopes=list(PACKAGES))
    await registry.call("PUT", f"{TOKENS}/{own['id']}/organizations/acme", alice)
    await registry.push_image("acme/app", "v1", own["token"])
    db = registry.services.db
    await db.execute("UPDATE packages SET visibility = 'public' WHERE name = 'public'")
    workload = await workflow(registry, "alice", "source")
    await db.execute(
        "INSERT INTO package_repositories SELECT p.id, r.id, 'actions', 1 FROM packages p, repositories r"
        " WHERE p.name = 'linked' AND r.name = 'source'"
    )
    rules = [{"packages": "alice/app_1", "actions": ["read"]}, {"packages": "*", "actions": ["delete"]}]
    fine = await make(registry, alice, rules=rules)
    some = await make(registry, alice, rules=[{"packages": "alice/app?1", "actions": ["write"]}])
    for token, names in (
        (await registry.token("alice", ["user"]), {"alice/public"}),
        (await registry.token("alice", ["delete:packages"]), {"alice/public"}),
        (alice, {"alice/public", "alice/app_1", "alice/appx1", "alice/linked"}),
        (own["token"], {"acme/app", "alice/public", "alice/app_1", "alice/appx1", "alice/linked"}),
        (fine["token"], {"alice/public", "alice/app_1"}),
        (some["token"], {"alice/public", "alice/app_1", "alice/appx1"}),
        (workload, {"alice/public", "alice/linked"}),
    ):
        listed = await registry.call("GET", "/v2/_catalog", token)
        assert set(listed.json["repositories"]) == names  # type: ignore[index]


async def org(registry: Registry, login: str, *, member: str | None = None, sso: bool = False) -> None:
    await registry.services.db.execute(
        "INSERT INTO accounts (kind, login, packages_sso_required) VALUES ('Organization', $1, $2)", login, sso
    )
    if member is not None:
        await seat(registry, login, member, "member")


async def seat(registry: Registry, login: str, user: str, role: str) -> None:
    await registry.services.db.execute(
        "INSERT INTO memberships (org_id, user_id, role) SELECT o.id, u.id, $3 FROM accounts o, accounts u"
        " WHERE o.login = $1 AND u.login = $2",
        login,
        user,
        role,
    )


async def workflow(registry: Registry, owner: str, name: str) -> str:
    """A workflow token of a new repository."""
    await registry.services.db.execute(
        "INSERT INTO repositories (owner_id, name) SELECT id, $2 FROM accounts WHERE login = $1", owner, name
    )
    minter = await registry.token(owner, ["repo", *PACKAGES])
    made = await registry.call(
        "POST", f"/api/v3/repos/{owner}/{name}/actions/token", minter, json={"permissions": {"packages": "write"}}
    )
    assert made.status == 201, made.body
    return str(made.json["token"])  # type: ignore[index]


async def test_a_note_that_postgres_has_no_place_for_is_not_our_fault(registry: Registry) -> None:
    alice = await registry.user("alice", USER)
    refused = await registry.call("POST", TOKENS, alice, json={"note": "a\0b", "scopes": []})
    assert refused.status == 422, refused.body

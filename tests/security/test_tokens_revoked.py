"""S19, S33: what is taken away is gone with the next request, on every replica, for bearer tokens issued before too."""

import re
from collections.abc import AsyncIterator

import pytest

from tests.support.server import PACKAGES, Registry, running

PULL = "/v2/acme/app/manifests/v1"
PUSH = "/v2/acme/app/blobs/uploads/"

#: How bob comes to his role of a writer, in SQL.
GRANTED = "INSERT INTO package_users SELECT p.id, u.id, 2 FROM packages p, accounts u WHERE u.login = 'bob'"
TEAM = (
    "WITH team AS (INSERT INTO teams (org_id, slug, name) SELECT id, 't', 't' FROM accounts WHERE login = 'acme' RETURNING id),"
    " seat AS (INSERT INTO team_members SELECT team.id, u.id FROM team, accounts u WHERE u.login = 'bob')"
    " INSERT INTO package_teams SELECT p.id, team.id, 2 FROM packages p, team"
)
INHERITED = (
    "WITH r AS (INSERT INTO repositories (owner_id, name) SELECT id, 'r' FROM accounts WHERE login = 'acme' RETURNING id),"
    " c AS (INSERT INTO repository_users SELECT r.id, u.id, 2 FROM r, accounts u WHERE u.login = 'bob')"
    " UPDATE packages SET repository_id = r.id, inherit_access = true FROM r"
)
OWNER = (
    "INSERT INTO memberships (org_id, user_id, role) SELECT o.id, u.id, 'admin' FROM accounts o, accounts u"
    " WHERE o.login = 'acme' AND u.login = 'bob'"
)
INTERNAL = f"WITH seat AS ({OWNER.replace('admin', 'member')}) UPDATE packages SET visibility = 'internal'"
PUBLIC = "UPDATE packages SET visibility = 'public'"


@pytest.fixture
async def registry(env: dict[str, str]) -> AsyncIterator[Registry]:
    async with running(env, replicas=2) as served:
        await served.services.db.execute("INSERT INTO accounts (kind, login) VALUES ('Organization', 'acme')")
        await served.push_image("acme/app", "v1", await served.admin())
        yield served


#: What is given, what is taken away; the status of a pull and of a push after it.
CASES = [
    (GRANTED, "UPDATE tokens SET revoked_at = now()", 401, 401),
    (GRANTED, "UPDATE tokens SET expires_at = now()", 401, 401),
    (GRANTED, "UPDATE accounts SET suspended_at = now() WHERE login = 'bob'", 401, 401),
    (GRANTED, "UPDATE accounts SET deleted_at = now() WHERE login = 'bob'", 401, 401),
    (GRANTED, "UPDATE tokens SET scopes = '{read:packages}'", 200, 403),
    (GRANTED, "UPDATE tokens SET scopes = '{}'", 404, 403),
    (GRANTED, "DELETE FROM package_users", 404, 403),
    (GRANTED, "UPDATE package_users SET role = 1", 200, 403),
    (GRANTED, "UPDATE accounts SET packages_sso_required = true WHERE login = 'acme'", 403, 403),
    (GRANTED, "UPDATE packages SET deleted_at = now()", 404, 403),
    (GRANTED, "UPDATE accounts SET login = 'other' WHERE login = 'acme'", 404, 403),
    (TEAM, "DELETE FROM team_members", 404, 403),
    (TEAM, "DELETE FROM teams", 404, 403),
    (INHERITED, "DELETE FROM repository_users", 404, 403),
    (INHERITED, "UPDATE packages SET repository_id = NULL, inherit_access = false", 404, 403),
    (OWNER, "DELETE FROM memberships", 404, 403),
    (OWNER, "UPDATE memberships SET role = 'member'", 404, 403),
    (INTERNAL, "DELETE FROM memberships", 404, 403),
    (INTERNAL, "UPDATE packages SET visibility = 'private'", 404, 403),
    (PUBLIC, "UPDATE packages SET visibility = 'private'", 404, 403),
]


async def test_s19_s33_a_bearer_token_is_only_as_good_as_what_stands_behind_it(registry: Registry) -> None:
    for router in registry.routers:
        router.throttle.most = 1_000_000  # they are what this is about
    for number, (given, taken, pull, push) in enumerate(CASES):
        await _case(registry, number, given, taken, pull, push)


async def _case(registry: Registry, number: int, given: str, taken: str, pull: int, push: int) -> None:
    """With an organization and people of its own."""

    def own(text: str) -> str:
        return re.sub(r"\b(acme|bob|other)\b", rf"\g<1>{number}", text)

    db = registry.services.db
    await db.execute(own("INSERT INTO accounts (kind, login) VALUES ('Organization', 'acme')"))
    keeper = await registry.user(f"keeper{number}", site_admin=True)
    await registry.push_image(own("acme/app"), "v1", keeper)
    bob = await registry.user(own("bob"), PACKAGES)
    await db.execute(own(given))
    scope = own("/token?scope=repository:acme/app:pull,push")
    issued = await registry.call("GET", scope, bob)
    bearer = {"Authorization": f"Bearer {issued.json['token']}"}  # type: ignore[index]
    for replica in (0, 1):
        assert (await registry.call("GET", own(PULL), headers=bearer, replica=replica)).status == 200
    await db.execute(own(taken))
    for replica in (0, 1):
        for token, headers in ((None, bearer), (bob, {})):
            pulled = await registry.call("GET", own(PULL), token, headers=headers, replica=replica)
            pushed = await registry.call("POST", own(PUSH), token, headers=headers, replica=replica)
            assert (pulled.status, pushed.status) == (pull, push), (taken, replica)
        token_of = await registry.call("GET", scope, bob, replica=replica)
        assert token_of.status == (401 if pull == 401 else 200)


async def test_s33_revoked_by_api_on_one_replica(registry: Registry) -> None:
    admin = await registry.token("admin", ["user", *PACKAGES])
    made = await registry.call("POST", "/api/v3/user/tokens", admin, json={"scopes": list(PACKAGES)})
    token, number = made.json["token"], made.json["id"]  # type: ignore[index]
    issued = await registry.call("GET", "/token?scope=repository:acme/app:pull", token, replica=1)
    bearer = {"Authorization": f"Bearer {issued.json['token']}"}  # type: ignore[index]
    assert (await registry.call("GET", PULL, headers=bearer, replica=1)).status == 200
    assert (await registry.call("DELETE", f"/api/v3/user/tokens/{number}", admin, replica=0)).status == 204
    assert (await registry.call("GET", PULL, headers=bearer, replica=1)).status == 401
    assert (await registry.call("GET", PULL, token, replica=1)).status == 401
    assert (await registry.call("GET", "/api/v3/user", token, replica=1)).status == 401


async def test_s5_an_anonymous_bearer_token_of_what_was_public(registry: Registry) -> None:
    await registry.services.db.execute(PUBLIC)
    issued = await registry.call("GET", "/token?scope=repository:acme/app:pull")
    bearer = {"Authorization": f"Bearer {issued.json['token']}"}  # type: ignore[index]
    seen = await registry.call("GET", PULL, headers=bearer)
    assert seen.status == 200
    await registry.services.db.execute("UPDATE packages SET visibility = 'private'")
    for more in ({}, {"If-None-Match": seen.headers["ETag"]}, {"Range": "bytes=0-1"}):
        for replica in (0, 1):
            assert (await registry.call("GET", PULL, headers={**bearer, **more}, replica=replica)).status == 401


async def test_s20_a_name_that_another_owner_has_now(registry: Registry) -> None:
    """Nothing that was got for the old package does anything for the new one of the same name."""
    db = registry.services.db
    alice = await registry.user("alice")
    bob = await registry.user("bob")
    await registry.push_image("alice/app", "v1", alice)
    await db.execute(f"{GRANTED} AND p.name = 'app' AND p.owner_id = (SELECT id FROM accounts WHERE login = 'alice')")
    scope = "/token?scope=repository:alice/app:pull,push"
    bearers = []
    for token in (alice, bob):
        issued = await registry.call("GET", scope, token)
        bearers.append({"Authorization": f"Bearer {issued.json['token']}"})  # type: ignore[index]
    started = await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=bearers[0])
    await db.execute("UPDATE packages SET deleted_at = now()")
    await db.execute("UPDATE accounts SET login = 'old-alice' WHERE login = 'alice'")
    new = await registry.user("alice2")
    await db.execute("UPDATE accounts SET login = 'alice' WHERE login = 'alice2'")
    await registry.push_image("alice/app", "v1", new)
    for headers in bearers:
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", headers=headers)).status == 404
        assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=headers)).status == 403
        mount = f"/v2/bob/x/blobs/uploads/?mount=sha256:{'0' * 64}&from=alice/app"
        assert (await registry.call("POST", mount, headers=headers)).status in {202, 401, 403}
    assert (await registry.call("PATCH", started.headers["Location"], headers=bearers[0], data=b"x")).status in {
        403,
        404,
    }
    assert (await registry.call("GET", started.headers["Location"], new)).status == 404

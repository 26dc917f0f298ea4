"""Why somebody may: the role that is told is the one that requests have, and each of its reasons."""

from typing import Any

from tests.support import forge
from tests.support.api import acme
from tests.support.server import Registry

_WEB = "/api/v3/orgs/acme/packages/container/web"


async def _role(registry: Registry, token: str, login: str, path: str = _WEB) -> tuple[str, list[tuple[str, str]]]:
    got = await registry.call("GET", f"{path}/access/{login}", token)
    assert got.status == 200, got.body
    told: Any = got.json
    assert told["user"]["login"] == login
    assert told["permission"] == told["role_name"]
    reasons = [
        (" ".join(filter(None, (one["kind"], one["name"], one["repository"]))), one["role"]) for one in told["reasons"]
    ]
    return told["role_name"], reasons


async def test_every_reason_is_told(registry: Registry) -> None:
    people = await acme(registry)
    owner, db = people.owner, registry.services.db
    await registry.push_image("acme/web", "v1", owner)
    for login in ("rita", "tim", "out"):
        await registry.user(login)
    for login in ("rita", "tim"):
        await people.ok("PUT", f"/orgs/acme/memberships/{login}", owner, {})
    await forge.team(registry, "acme", "crew", ["tim"])
    assert (await registry.call("PUT", f"{_WEB}/access/users/rita", owner, json={"role": "read"})).status == 204
    assert (await registry.call("PUT", f"{_WEB}/access/teams/crew", owner, json={"role": "write"})).status == 204
    member, none = ("organization_member Acme", "none"), list[tuple[str, str]]()
    assert await _role(registry, owner, "owner") == (
        "admin",
        [("organization_owner Acme", "admin"), ("grant", "admin")],
    )
    assert await _role(registry, owner, "admin") == ("admin", [("site_admin", "admin")])
    assert await _role(registry, owner, "rita") == ("read", [member, ("grant", "read")])
    assert await _role(registry, owner, "tim") == ("write", [member, ("team crew", "write")])
    assert await _role(registry, owner, "member") == ("none", [member])
    assert await _role(registry, owner, "out") == ("none", none)
    await db.execute("UPDATE packages SET visibility = 'internal'")
    assert await _role(registry, owner, "member") == ("read", [("organization_member Acme", "read")])
    assert await _role(registry, owner, "out") == ("none", none)
    await db.execute("UPDATE packages SET visibility = 'public'")
    assert await _role(registry, owner, "out") == ("read", [("public", "read")])
    await people.ok("PUT", "/users/rita/suspended", people.admin, None, 204)
    role, reasons = await _role(registry, owner, "rita")
    assert (role, reasons[0]) == ("none", ("suspended", "none"))
    # Inherited from a repository, whose collaborators need not be members.
    await forge.repository(registry, "acme", "code", people={"out": "write", "member": "admin"})
    await db.execute(
        "INSERT INTO repository_teams SELECT repository.id, team.id, 1 FROM repositories repository, teams team"
    )
    await db.execute(
        "UPDATE packages SET visibility = 'private', inherit_access = true,"
        " repository_id = (SELECT id FROM repositories WHERE name = 'code')"
    )
    assert await _role(registry, owner, "out") == ("write", [("outside_collaborator Acme/code", "write")])
    assert await _role(registry, owner, "member") == ("admin", [member, ("collaborator Acme/code", "admin")])
    assert await _role(registry, owner, "tim") == ("read", [member, ("team crew Acme/code", "read")])
    await db.execute("UPDATE accounts SET packages_sso_required = true WHERE login = 'Acme'")
    told: Any = (await registry.call("GET", f"{_WEB}/access/member", people.admin)).json
    assert (told.get("role_name"), told.get("sso_required")) in {("admin", True), (None, None)}


async def test_a_package_of_a_user(registry: Registry) -> None:
    alice = await registry.user("alice")
    await registry.user("bob")
    await registry.push_image("alice/web", "v1", alice)
    path = "/api/v3/users/alice/packages/container/web"
    assert await _role(registry, alice, "alice", path) == ("admin", [("owner alice", "admin")])
    assert await _role(registry, alice, "bob", path) == ("none", [])


async def test_who_may_ask(registry: Registry) -> None:
    people = await acme(registry)
    await registry.push_image("acme/web", "v1", people.owner)
    reader = await registry.user("rita")
    await people.ok("PUT", "/orgs/acme/memberships/rita", people.owner, {})
    assert (await registry.call("PUT", f"{_WEB}/access/users/rita", people.owner, json={"role": "read"})).status == 204
    assert (await _role(registry, reader, "rita"))[0] == "read"
    for token, login, status in (
        (None, "owner", 401),
        (people.stranger, "stranger", 404),
        (people.stranger, "owner", 404),
        (people.member, "member", 404),
        (reader, "owner", 403),
        (reader, "nobody", 403),
        (people.owner, "nobody", 404),
        (people.owner, "acme", 404),
        (people.owner, "%00", 404),
    ):
        got = await registry.call("GET", f"{_WEB}/access/{login}", token)
        assert got.status == status, (login, got.body)
    hidden = await registry.call("GET", f"{_WEB}/access/owner", people.stranger)
    missing = await registry.call("GET", f"{_WEB.replace('web', 'bew')}/access/owner", people.stranger)
    assert (hidden.status, hidden.body) == (missing.status, missing.body)


async def test_the_role_that_is_told_is_the_role_of_requests(registry: Registry) -> None:
    people = await acme(registry)
    await registry.push_image("acme/web", "v1", people.owner)
    logins = {"owner": people.owner, "member": people.member, "stranger": people.stranger, "admin": people.admin}
    for visibility in ("private", "internal", "public"):
        await registry.services.db.execute("UPDATE packages SET visibility = $1", visibility)
        for role in (None, "read", "write", "admin"):
            if role is not None:
                await registry.services.db.execute(
                    "INSERT INTO package_users (package_id, user_id, role)"
                    " SELECT package.id, person.id, $1 FROM packages package, accounts person WHERE login = 'member'"
                    " ON CONFLICT (package_id, user_id) DO UPDATE SET role = excluded.role",
                    forge.ROLES[role],
                )
            for login, token in logins.items():
                told, reasons = await _role(registry, people.owner, login)
                names = ["none", "read", "write", "admin"]
                assert told == max([one[1] for one in reasons], key=names.index, default="none")
                pull = (await registry.call("GET", "/v2/acme/web/manifests/v1", token)).status == 200
                push = (await registry.call("POST", "/v2/acme/web/blobs/uploads/", token)).status == 202
                admin = (await registry.call("GET", f"{_WEB}/access", token)).status == 200
                assert [pull, push, admin] == [names.index(told) >= needed for needed in (1, 2, 3)], (visibility, login)

"""Workflow and workspace tokens: who mints them, where they work, what they may do, and when they end."""

import asyncio
from typing import Any

import pytest

from registry.jobs.forget_tokens import forget_tokens
from tests.api.test_tokens import USER, make, org, seat
from tests.support.server import PACKAGES, Registry, running

REPO = ("repo", *PACKAGES)
KINDS = ("actions", "codespaces")


async def repository(registry: Registry, owner: str, name: str, visibility: str = "private") -> None:
    await registry.services.db.execute(
        "INSERT INTO repositories (owner_id, name, visibility) SELECT id, $2, $3 FROM accounts WHERE login = $1",
        owner,
        name,
        visibility,
    )


async def collaborator(registry: Registry, name: str, login: str, role: int) -> None:
    await registry.services.db.execute(
        "INSERT INTO repository_users SELECT r.id, a.id, $3 FROM repositories r, accounts a"
        " WHERE r.name = $1 AND a.login = $2",
        name,
        login,
        role,
    )


async def mint(
    registry: Registry, by: str, repo: str, kind: str = "actions", permission: str = "write", **more: object
) -> dict[str, Any]:
    body = {"permissions": {"packages": permission, "contents": "read"}, **more}
    made = await registry.call("POST", f"/api/v3/repos/{repo}/{kind}/token", by, json=body)
    assert made.status == 201, made.body
    assert isinstance(made.json, dict)
    return made.json


async def allow(registry: Registry, package: str, repo: str, audience: str, role: int) -> None:
    await registry.services.db.execute(
        "INSERT INTO package_repositories SELECT p.id, r.id, $3, $4 FROM packages p, repositories r"
        " WHERE p.name = $1 AND r.name = $2 ON CONFLICT (package_id, repository_id, audience) DO UPDATE SET role = $4",
        package,
        repo,
        audience,
        role,
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_the_shape(registry: Registry, kind: str) -> None:
    alice = await registry.user("alice", REPO)
    await repository(registry, "alice", "Source")
    made = await mint(registry, alice, "ALICE/source", kind, "read", ttl_seconds=60)
    assert made["permissions"] == {"packages": "read"}
    assert made["repository"]["full_name"] == "alice/Source"
    assert made["expires_at"].endswith("Z")
    assert made["token"].startswith({"actions": "mrw_", "codespaces": "mrk_"}[kind])
    row = await registry.services.db.fetchrow(
        "SELECT extract(epoch FROM expires_at - created_at)::int FROM tokens WHERE repository_id IS NOT NULL"
    )
    assert row is not None
    assert row[0] == 60


async def test_who_mints(registry: Registry) -> None:
    alice = await registry.user("alice", REPO)
    await repository(registry, "alice", "private")
    await repository(registry, "alice", "public", "public")
    await org(registry, "acme")
    await repository(registry, "acme", "tool")
    cases: list[tuple[str, str, int]] = [(alice, "alice/private", 201)]
    for login, role in (("reader", 1), ("writer", 2), ("keeper", 3)):
        token = await registry.user(login, REPO)
        await collaborator(registry, "private", login, role)
        cases.append((token, "alice/private", 201 if role == 3 else 403))
    stranger = await registry.user("stranger", REPO)
    cases += [(stranger, "alice/private", 404), (stranger, "alice/public", 403), (stranger, "alice/none", 404)]
    for login, role_name, status in (("owner", "admin", 201), ("member", "member", 404)):
        token = await registry.user(login, REPO)
        await seat(registry, "acme", login, role_name)
        cases.append((token, "acme/tool", status))
    cases.append((await registry.admin(), "alice/private", 201))
    for kind in KINDS:
        for token, repo, status in cases:
            got = await registry.call("POST", f"/api/v3/repos/{repo}/{kind}/token", token, json={})
            assert got.status == status, (repo, status, got.body)
            if status == 403:
                assert got.json["missing"] == f"admin role on {repo}"  # type: ignore[index]
        assert (await registry.call("POST", f"/api/v3/repos/alice/public/{kind}/token", json={})).status == 401


async def test_s15_it_may_no_more_than_its_minter(registry: Registry) -> None:
    await registry.user("alice")
    await repository(registry, "alice", "source")
    for held, permission, missing in (
        (PACKAGES, "read", "scope repo"),
        (["repo"], "read", "scope read:packages"),
        (["repo", "read:packages"], "write", "scope write:packages"),
    ):
        alice = await registry.token("alice", held)
        body = {"permissions": {"packages": permission}}
        refused = await registry.call("POST", "/api/v3/repos/alice/source/actions/token", alice, json=body)
        assert refused.status == 403
        assert refused.json["missing"] == missing  # type: ignore[index]


async def test_s15_it_deletes_only_where_its_minter_may(registry: Registry) -> None:
    alice = await registry.user("alice", REPO)
    await repository(registry, "alice", "source")
    weak = (await mint(registry, await registry.token("alice", ["repo", "write:packages"]), "alice/source"))["token"]
    strong = (await mint(registry, alice, "alice/source"))["token"]
    await registry.push_image("alice/app", "v1", alice)
    await allow(registry, "app", "source", "actions", 3)
    assert (await registry.call("DELETE", "/v2/alice/app/manifests/v1", weak)).status == 403
    assert (await registry.call("DELETE", "/v2/alice/app/manifests/v1", strong)).status == 202


async def test_no_token_of_a_repository_mints_another(registry: Registry) -> None:
    alice = await registry.user("alice", (*USER, "repo"))
    await repository(registry, "alice", "source")
    workload = (await mint(registry, alice, "alice/source"))["token"]
    fine = (await make(registry, alice, rules=[{"packages": "*", "actions": ["read", "write"]}]))["token"]
    for token in (workload, fine):
        for kind in KINDS:
            got = await registry.call("POST", f"/api/v3/repos/alice/source/{kind}/token", token, json={})
            assert got.status == 403, got.body


async def test_it_does_not_go_around_sso(registry: Registry) -> None:
    await org(registry, "acme", sso=True)
    alice = await registry.user("alice", (*USER, "repo"))
    await seat(registry, "acme", "alice", "admin")
    await repository(registry, "acme", "tool", "public")
    refused = await registry.call("POST", "/api/v3/repos/acme/tool/actions/token", alice, json={})
    assert refused.status == 403
    assert "organizations/acme" in refused.json["fix"]  # type: ignore[index]
    listed = await registry.call("GET", "/api/v3/user/tokens", alice)
    own = listed.json[0]["id"]  # type: ignore[index]
    assert (await registry.call("PUT", f"/api/v3/user/tokens/{own}/organizations/acme", alice)).status == 204
    workload = (await mint(registry, alice, "acme/tool"))["token"]
    await registry.push_image("acme/app", "v1", workload)


async def test_what_makes_no_sense_is_refused(registry: Registry) -> None:
    alice = await registry.user("alice", REPO)
    await repository(registry, "alice", "source")
    bodies: list[dict[str, object]] = [
        {"ttl_seconds": 0},
        {"ttl_seconds": 86401},
        {"ttl_seconds": "1h"},
        {"permissions": {"packages": "admin"}},
        {"permissions": "write"},
    ]
    for body in bodies:
        got = await registry.call("POST", "/api/v3/repos/alice/source/actions/token", alice, json=body)
        assert got.status == 422, body


async def test_it_works_wherever_a_token_does(registry: Registry) -> None:
    alice = await registry.user("alice", REPO)
    await repository(registry, "alice", "source")
    token = (await mint(registry, alice, "alice/source"))["token"]
    await registry.push_image("alice/app", "v1", token)  # as Basic
    given = await registry.call("GET", "/token?scope=repository:alice/app:pull,push", token)
    assert given.status == 200
    bearer = {"Authorization": f"Bearer {given.json['token']}"}  # type: ignore[index]
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=bearer)).status == 202
    assert (
        await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers={"Authorization": f"Bearer {token}"})
    ).status == 202


async def test_actions_and_codespaces_are_apart(registry: Registry) -> None:
    alice = await registry.user("alice", REPO)
    await repository(registry, "alice", "source")
    await registry.push_image("alice/app", "v1", alice)
    workflow = (await mint(registry, alice, "alice/source", "actions"))["token"]
    workspace = (await mint(registry, alice, "alice/source", "codespaces"))["token"]
    path = "/v2/alice/app/manifests/v1"
    for audience, sees, blind in (("actions", workflow, workspace), ("codespaces", workspace, workflow)):
        await registry.services.db.execute("DELETE FROM package_repositories")
        await allow(registry, "app", "source", audience, 1)
        assert (await registry.call("GET", path, sees)).status == 200
        assert (await registry.call("GET", path, blind)).status == 404
        # It is the package that was granted, not what its minter may.
        refused = await registry.call("POST", "/v2/alice/app/blobs/uploads/", sees)
        assert refused.status == 403
        message = refused.json["errors"][0]["message"]  # type: ignore[index]
        assert message.startswith("permission_denied: write_package")
        assert "access/repositories/" in message


async def test_it_ends(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        alice = await registry.user("alice", REPO)
        await repository(registry, "alice", "source")
        short = (await mint(registry, alice, "alice/source", ttl_seconds=1))["token"]
        gone = (await mint(registry, alice, "alice/source"))["token"]
        kept = (await mint(registry, alice, "alice/source"))["token"]
        opened = await registry.call("POST", "/v2/alice/app/blobs/uploads/", short)
        assert opened.status == 202
        assert (await registry.call("DELETE", "/api/v3/installation/token", alice)).status == 403
        assert (await registry.call("DELETE", "/api/v3/installation/token", gone)).status == 204
        await asyncio.sleep(1)
        for replica in (0, 1):
            for token, status in ((short, 401), (gone, 401), (kept, 200)):
                assert (await registry.call("GET", "/v2/", token, replica=replica)).status == status
        assert await forget_tokens(registry.services) == 0, "its session is still there to be swept"
        await registry.services.db.execute("DELETE FROM uploads")
        assert await forget_tokens(registry.services) == 1, "the one that was given back is kept until its time is over"
        assert await forget_tokens(registry.services) == 0

        # The repository, and who minted it.
        await registry.services.db.execute("UPDATE accounts SET suspended_at = now()")
        assert (await registry.call("GET", "/v2/", kept, replica=1)).status == 401
        await registry.services.db.execute("UPDATE accounts SET suspended_at = NULL")
        assert (await registry.call("GET", "/v2/", kept, replica=1)).status == 200
        await registry.services.db.execute("UPDATE repositories SET deleted_at = now()")
        assert (await registry.call("GET", "/v2/", kept, replica=1)).status == 401
        assert (await registry.call("GET", "/token", kept, replica=1)).status == 401

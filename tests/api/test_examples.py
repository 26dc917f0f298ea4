"""The calls that the API reference shows are answered well, in a registry that has what they name."""

import re
import shlex
from dataclasses import dataclass, field
from typing import Any

import orjson

from auth.tokens import SCOPES
from registry.http.api.app import PREFIX, ROUTES
from registry.http.api.openapi import document
from tests.support.api_examples import EXAMPLE_DIGEST, HOST, Operation, example, operations_of
from tests.support.server import Registry

#: Calls that need what the registry has not at once: what is deleted, a token of a workflow; or that rename the rest.
_ELSEWHERE = {
    "packages/restore-package",
    "deletions/preview-package-restore",
    "versions/restore-version",
    "deletions/preview-version-restore",
    "workflows/give-back",
    "packages/transfer-package",
    "repositories/transfer",
    "admin/rename-user",
    "admin/rename-organization",
    "organizations/remove-member",  # as remove-membership
    "administration/revoke-token",  # as the user's own
    "hooks/send-test",  # of a repository's hook alone
    "retention/create-policy",  # of the name that update-policy gives
    "retention/undo-plan",
}
_ORDER = {"GET": 0, "PUT": 1, "PATCH": 2, "POST": 3, "DELETE": 4}


@dataclass
class _World:
    """A registry with the names of the examples: acme, its owner alice, bob, crew, code, and web:latest."""

    registry: Registry
    token: str
    digest: str
    ids: dict[str, int] = field(default_factory=dict)


async def _world(registry: Registry) -> _World:
    token = await registry.user("alice", sorted(SCOPES), site_admin=True)
    await registry.user("bob")

    async def made(method: str, path: str, body: dict[str, Any]) -> Any:
        got = await registry.call(method, PREFIX + path, token, json=body)
        assert got.status in {200, 201, 204}, (path, got.body)
        return orjson.loads(got.body) if got.body else None

    await made("POST", "/admin/organizations", {"login": "acme", "admin": "alice"})
    await made("PUT", "/orgs/acme/memberships/bob", {})
    await made("POST", "/orgs/acme/teams", {"name": "crew"})
    await made("PUT", "/orgs/acme/teams/crew/memberships/bob", {})
    code = await made("POST", "/orgs/acme/repos", {"name": "code", "private": True})
    await made("PUT", "/orgs/acme/teams/crew/repos/acme/code", {})
    await made("PUT", "/orgs/acme/tag-rules/releases", {"tags": ["v*"], "forbid": ["move"]})
    await made("PUT", "/orgs/acme/clusters/prod", {"issuer": "https://cluster.example"})
    grant = await made("POST", "/orgs/acme/clusters/prod/grants", {"namespace": "*"})
    for tag in ("one", "two", "three"):
        await registry.push_image("acme/web", tag, token)
    digest = await registry.push_image("acme/web", "latest", token)
    versions = await made("GET", "/orgs/acme/packages/container/web/versions", {})
    tokens = await made("POST", "/user/tokens", {"scopes": []})
    hook = await made("POST", "/orgs/acme/hooks", {"config": {"url": "https://ci.example/hook"}})
    deliveries = await made("GET", f"/orgs/acme/hooks/{hook['id']}/deliveries", {})
    policy = await made("POST", "/orgs/acme/retention/policies", {"name": "old", "packages": ["none"], "rules": []})
    plan = await made("POST", "/orgs/acme/retention/plans", {"policy_id": policy["id"]})
    await registry.services.db.execute("UPDATE retention_plans SET state = 'planned'")
    await registry.services.db.execute(
        "INSERT INTO mirrors (owner_id, url) SELECT id, 'https://registry-1.docker.io' FROM accounts WHERE login = 'acme'"
    )
    ids = {
        "hooks": hook["id"],
        "deliveries": deliveries[0]["id"],
        "policies": policy["id"],
        "plans": plan["id"],
        "versions": versions[0]["id"],
        "oldest": versions[-1]["id"],
        "repositories": code["id"],
        "tokens": tokens["id"],
        "grants": grant["id"],
        "user": 1,
        "avatars": 1,
    }
    return _World(registry, token, digest, ids)


async def _called(world: _World, line: str) -> int:
    """The status of a call, as curl makes it of its arguments."""
    words = shlex.split(line.replace(EXAMPLE_DIGEST, world.digest))[1:]
    method, body = "GET", None
    while len(words) > 1:
        option = words.pop(0)
        value = words.pop(0)
        if option == "-X":
            method = value
        elif option == "--json":
            body, method = value, "POST" if method == "GET" else method
        else:
            assert option == "-u", line
    path = words[0].removeprefix(f"https://{HOST}")
    path = re.sub(r"/(\w+)/42(?=/|$)", lambda found: f"/{found[1]}/{world.ids[found[1]]}", path)
    sent = None if body is None else body.replace("[42,43]", f"[{world.ids['oldest']}]")
    sent = None if sent is None else sent.replace('"policy_id":42', f'"policy_id":{world.ids["policies"]}')
    answer = await world.registry.call(method, path, world.token, data=sent)
    assert answer.status < 500, (line, answer.body)
    return answer.status


def _place(one: Operation) -> tuple[int, int, str]:
    """Where the call comes: what deletes at last, and the inner before the outer."""
    return (_ORDER[one.method], -len(one.path) * (2 if "/tags/" in one.path else 1), one.path)


async def test_the_calls_of_the_examples_are_answered_well(registry: Registry) -> None:
    world, made = await _world(registry), document(ROUTES)
    shown = [one for one in operations_of(made) if one.path.startswith(PREFIX) and one.id not in _ELSEWHERE]
    wrong = []
    for one in sorted(shown, key=_place):
        line = example(one, made)[0]
        status = await _called(world, line)
        if not 200 <= status < 300:
            wrong.append(f"{status} {line}")
    assert not wrong, "\n".join(wrong)

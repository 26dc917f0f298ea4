"""What a refused caller reads: GHCR's words, and then what is missing, what there is, and what to do; on both dialects."""

from typing import Any

from tests.api.test_tokens import USER, make, org, seat
from tests.api.test_tokens_of_repositories import allow, mint, repository
from tests.support.server import PACKAGES, Answer, Registry


def oci(answer: Answer) -> tuple[str, dict[str, Any]]:
    assert answer.status == 403, answer.body
    assert answer.code == "DENIED"
    error = answer.json["errors"][0]  # type: ignore[index]
    return error["message"], error["detail"]


def rest(answer: Answer) -> tuple[str, dict[str, Any]]:
    assert answer.status == 403, answer.body
    assert isinstance(answer.json, dict)
    return answer.json["message"], answer.json


def told(missing: str, have: list[str], detail: dict[str, Any]) -> None:
    assert (detail["missing"], detail["have"]) == (missing, have)
    assert detail["fix"]


async def test_s31_in_ghcrs_words_on_v2(registry: Registry) -> None:
    await org(registry, "acme")
    alice = await registry.user("alice", (*USER, "repo"))
    await seat(registry, "acme", "alice", "admin")
    await repository(registry, "acme", "source")
    await registry.push_image("acme/app", "v1", alice)
    push, new = "/v2/acme/app/blobs/uploads/", "/v2/acme/new/blobs/uploads/"
    workload = (await mint(registry, alice, "acme/source"))["token"]
    reading = (await mint(registry, alice, "acme/source", permission="read"))["token"]
    read = await registry.token("alice", ["read:packages"])
    fine = (await make(registry, alice, rules=[{"packages": "acme/*", "actions": ["read"]}]))["token"]

    message, detail = oci(await registry.call("POST", push, workload))
    assert message.startswith("permission_denied: write_package")
    told("write role on acme/app for the repository of this token", ["role none"], detail)
    assert "PUT" in detail["fix"]

    message, detail = oci(await registry.call("POST", new, reading))
    assert message.startswith("installation not allowed to Create organization package")
    told("permission packages: write of the workflow token", ["packages: read"], detail)
    await allow(registry, "app", "source", "actions", 3)
    message, detail = oci(await registry.call("POST", push, reading))
    assert message.startswith("installation not allowed to Write organization package")

    for token, have in ((read, ["read:packages"]), (fine, ["read"])):
        for method, path in (("POST", push), ("DELETE", "/v2/acme/app/manifests/v1")):
            message, detail = oci(await registry.call(method, path, token))
            assert message.startswith("permission_denied: The token provided does not match expected scopes.")
            assert detail["have"] == have
            assert detail["missing"]
    # By the bearer token that was issued for it, just so.
    issued = await registry.call("GET", "/token?scope=repository:acme/app:pull,push", read)
    bearer = {"Authorization": f"Bearer {issued.json['token']}"}  # type: ignore[index]
    message, detail = oci(await registry.call("POST", push, headers=bearer))
    told("scope write:packages", ["read:packages"], detail)


async def test_s31_on_the_api(registry: Registry) -> None:
    alice = await registry.user("alice", PACKAGES)
    await registry.push_image("alice/app", "v1", alice)
    read = await registry.token("alice", ["read:packages"])
    owner = await registry.token("alice", USER)
    fine = (await make(registry, owner, rules=[{"packages": "alice/*", "actions": ["read"]}]))["token"]
    path = "/api/v3/user/packages/container/app"
    assert (await registry.call("GET", path, read)).status == 200
    _, detail = rest(await registry.call("DELETE", path, read))
    told("scope delete:packages", ["read:packages"], detail)
    message, detail = rest(await registry.call("DELETE", "/api/v3/users/alice/packages/container/app", fine))
    assert message.startswith("permission_denied: The token provided does not match expected scopes.")
    told("delete on alice/app", ["read"], detail)
    for token in (read, fine):
        _, detail = rest(await registry.call("POST", "/api/v3/user/tokens", token, json={}))
        assert "scope user" in detail["missing"]

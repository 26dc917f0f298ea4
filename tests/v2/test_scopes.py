"""Scopes that clients get wrong, or ask many of at once, and challenges as they read them (S30)."""

from collections.abc import Sequence
from urllib.parse import urlencode

import pytest

from auth.bearer import TOKEN_MAX
from tests.support.server import Answer, Registry, basic

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_EVERYTHING = {"pull", "push", "delete"}


async def _ask(registry: Registry, method: str, token: str | None, scopes: Sequence[str]) -> Answer:
    pairs = urlencode([("scope", scope) for scope in scopes])
    if method == "GET":
        return await registry.call("GET", f"/token?{pairs}", token)
    return await registry.call("POST", "/token", data=f"{urlencode({'password': token})}&{pairs}", headers=_FORM)


def _bearer(answer: Answer) -> dict[str, str]:
    assert answer.status == 200, answer.body
    token: str = answer.json["token"]  # type: ignore[index]
    assert len(token) <= TOKEN_MAX <= 4096
    return {"Authorization": f"Bearer {token}"}


def _granted(registry: Registry, answer: Answer) -> dict[str, set[str]] | None:
    token = _bearer(answer)["Authorization"].removeprefix("Bearer ")
    grants = registry.services.bearer.verify(token, registry.services.now()).grants
    return None if grants is None else {grant.name: set(grant.actions) for grant in grants}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_s30_a_scope_that_cannot_be_read_costs_that_scope(registry: Registry, method: str) -> None:
    token = await registry.user("alice")
    for bad in (
        "repository", "repository:alice/app", "::", ":alice/app:pull", "repository:alice/app:pull\nrepository:x/y:pull",
        "repository:alice/../bob:pull", "repository:alice/app:pull;push", "repository:alice/app:pull\0", "a" * 3000,
        "repository:älice/app:pull", "x" * 600, 'repository:alice/"app:pull', "repository:alice/app:p*", '"', "*",
    ):  # fmt: skip
        answer = await _ask(registry, method, token, [bad])
        assert _granted(registry, answer) == {}, bad
        answer = await _ask(registry, method, token, ["repository:alice/one:pull", bad, "repository:alice/two:pull"])
        assert _granted(registry, answer) == {"alice/one": _EVERYTHING, "alice/two": _EVERYTHING}, bad


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_s30_a_scope_that_is_a_little_off_is_read(registry: Registry, method: str) -> None:
    token = await registry.user("alice")
    for scope in (
        "repository:alice/app:pull,pull,push,pull",
        "repository:alice/app:PULL,Push",
        '"repository:alice/app:pull',  # of a challenge that was cut at a comma
        '"repository:alice/app:pull,push"',
        "repository:alice/app:pull " * 21,
    ):
        answer = await _ask(registry, method, token, [scope])
        assert _granted(registry, answer) == {"alice/app": _EVERYTHING}, scope
    answer = await _ask(registry, method, token, ["repository:alice/app:pull"] * 100)
    assert _granted(registry, answer) == {"alice/app": _EVERYTHING}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_s30_many_scopes_are_a_token_for_what_the_account_may(registry: Registry, method: str) -> None:
    """Regsync and regbot put every repository of a host into one request."""
    alice, bob = await registry.user("alice"), await registry.user("bob")
    for name, token in (("alice/app0", alice), ("alice/last", alice), ("bob/app", bob)):
        await registry.push_image(name, "v1", token)
    count = 1000 if method == "POST" else 150
    wanted = [f"repository:alice/app{number}:pull" for number in range(count)]
    wanted += ["repository:bob/app:pull", "repository:alice/last:pull"]
    answer = await _ask(registry, method, alice, wanted)
    assert _granted(registry, answer) is None
    if method == "POST":
        assert answer.json["scope"] == "*"  # type: ignore[index]
    for name, status in (("alice/app0", 200), ("alice/last", 200), ("bob/app", 404)):
        got = await registry.call("GET", f"/v2/{name}/manifests/v1", headers=_bearer(answer))
        assert got.status == status, name
    assert (await registry.call("POST", "/v2/alice/new/blobs/uploads/", headers=_bearer(answer))).status == 202
    assert (await registry.call("POST", "/v2/bob/app/blobs/uploads/", headers=_bearer(answer))).status == 403
    assert (await registry.call("GET", "/api/v3/user", headers=_bearer(answer))).status == 401
    reading = await registry.token("alice", ["read:packages"])
    read = _bearer(await _ask(registry, method, reading, wanted))
    assert (await registry.call("GET", "/v2/alice/app0/manifests/v1", headers=read)).status == 200
    for verb, path in (("POST", "/v2/alice/app0/blobs/uploads/"), ("DELETE", "/v2/alice/app0/manifests/v1")):
        assert (await registry.call(verb, path, headers=read)).status == 403
    await registry.services.db.execute("UPDATE tokens SET revoked_at = now()")
    for headers in (read, _bearer(answer)):
        assert (await registry.call("GET", "/v2/alice/app0/manifests/v1", headers=headers)).status == 401


async def test_s30_many_scopes_of_nobody_are_what_nobody_may(registry: Registry) -> None:
    alice = await registry.user("alice")
    for name in ("open", "priv"):
        await registry.push_image(f"alice/{name}", "v1", alice)
    await registry.services.db.execute("UPDATE packages SET visibility = 'public' WHERE name = 'open'")
    wanted = [f"repository:alice/app{number}:pull" for number in range(50)]
    nobody = _bearer(await _ask(registry, "GET", None, wanted))
    assert (await registry.call("GET", "/v2/alice/open/manifests/v1", headers=nobody)).status == 200
    for method, path in (
        ("GET", "/v2/alice/priv/manifests/v1"),
        ("GET", "/v2/"),
        ("GET", "/v2/_catalog"),
        ("POST", "/v2/alice/open/blobs/uploads/"),
    ):
        assert (await registry.call(method, path, headers=nobody)).status == 401, path


async def test_s30_long_names_make_no_token_that_a_header_cannot_carry(registry: Registry) -> None:
    alice = await registry.user("alice")
    wanted = [f"repository:alice/{'x' * 200}{number}:pull" for number in range(20)]
    assert _granted(registry, await _ask(registry, "GET", alice, wanted)) is None
    few = _granted(registry, await _ask(registry, "GET", alice, wanted[:3]))
    assert few is not None
    assert len(few) == 3


def _cut(challenge: str) -> dict[str, str]:
    """As ghcr-cleanup-action reads it: cut at each comma, and quotes taken off where both are there."""
    found = {}
    for part in challenge.removeprefix("Bearer ").split(","):
        name, _, value = part.partition("=")
        found[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return found


async def test_a_challenge_is_read_also_by_who_cuts_it_at_commas(registry: Registry) -> None:
    alice = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", alice)
    manifest = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).body
    wrong = registry.services.bearer.issue(account_id=None, token_id=None, grants=[], now=registry.services.now())
    upload, host = "/v2/alice/app/blobs/uploads/", registry.url.removeprefix("http://")
    for method, path, data, status in (
        ("GET", "/v2/alice/app/manifests/v1", None, 200),
        ("PUT", "/v2/alice/app/manifests/v2", manifest, 201),
        ("POST", upload, None, 202),
        ("POST", f"{upload}?mount={digest}&from=alice/other", None, 202),
        ("DELETE", "/v2/alice/app/manifests/v1", None, 202),
        ("GET", "/v2/_catalog", None, 200),
    ):
        content = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"} if data else {}
        narrow = await registry.call(method, path, data=data, headers={**content, "Authorization": f"Bearer {wrong}"})
        challenged = await registry.call(method, path, data=data, headers=content)
        assert narrow.status == challenged.status == 401, path
        read = _cut(challenged.headers["WWW-Authenticate"])
        refusal = {"error": "insufficient_scope", "error_description": f"sign in first: docker login {host}"}
        assert _cut(narrow.headers["WWW-Authenticate"]) in (read, {**read, **refusal}), path
        assert read["realm"] == f"{registry.url}/token"
        assert set(read) == {"realm", "service", "scope"}, path
        issued = await registry.call(
            "GET", f"{read['realm']}?service={read['service']}&scope={read['scope']}", headers=basic(alice, "token")
        )
        answer = await registry.call(method, path, data=data, headers={**content, **_bearer(issued)})
        assert answer.status == status, (path, answer.body)

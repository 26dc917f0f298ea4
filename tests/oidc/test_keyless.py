"""Keyless: the identity token of a provider, a real process, is a workflow token of the repository it runs for."""

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import jwt
import orjson
import pytest

from registry.jobs.forget_tokens import forget_tokens
from tests.support.provider import Running
from tests.support.server import Registry, basic, running

PUSH = "repository:alice/app:pull,push"
Sign = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
async def registry(env: dict[str, str], provider: Running) -> AsyncIterator[Registry]:
    env["MOORAGE_OIDC_ISSUERS"] = provider.config()
    async with running(env, replicas=2) as served:
        await served.user("alice")
        await served.user("bob")
        db = served.services.db
        await db.execute("INSERT INTO repositories (owner_id, name) SELECT id, 'App' FROM accounts WHERE login <> 'x'")
        yield served


@pytest.fixture
def sign(registry: Registry, provider: Running) -> Sign:
    """What the provider issues: GitHub Actions' claims, changed as a test wants them."""

    async def signed(kid: str = "rsa", header: dict[str, object] | None = None, **changed: object) -> str:
        now = int(time.time())
        claims = {
            "iss": provider.url,
            "aud": "moorage",
            "sub": "repo:alice/app:ref:refs/heads/main",
            "repository": "alice/app",
            "repository_owner": "alice",
            "ref": "refs/heads/main",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            **changed,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        asked = {"claims": claims, "kid": kid, "header": header or {}}
        async with registry.http.post(provider.sign_url, json=asked) as answer:
            assert answer.status == 200
            return (await answer.read()).decode()

    return signed


async def bearer(registry: Registry, identity: str, scope: str = PUSH, replica: int = 0) -> dict[str, Any]:
    answer = await registry.call("GET", f"/token?scope={scope}", headers=basic(identity, "oidc"), replica=replica)
    assert answer.status == 200, answer.body
    assert isinstance(answer.json, dict)
    return answer.json


async def test_docker_logs_in_with_the_identity_token_and_pushes(registry: Registry, sign: Sign) -> None:
    for kid in ("rsa", "ec", "ed"):
        await _pushed(registry, await sign(kid), kid.encode())
    row = await registry.services.db.fetchrow("SELECT count(*) FROM tokens WHERE kind = 'workflow'")
    assert row is not None
    assert row[0] == 3


async def _pushed(registry: Registry, identity: str, data: bytes) -> None:
    ours = await bearer(registry, identity)
    assert 297 <= ours["expires_in"] <= 300
    headers = {"Authorization": f"Bearer {ours['token']}"}
    assert (await registry.call("GET", "/v2/", headers=headers)).status == 200
    started = await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=headers)
    assert started.status == 202
    again = {"Authorization": f"Bearer {(await bearer(registry, identity, replica=1))['token']}"}
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    done = await registry.call(
        "PUT", f"{started.headers['Location']}?digest={digest}", headers=again, data=data, replica=1
    )
    assert done.status == 201, "the same identity token is the same caller, wherever and however often it comes"


async def test_it_speaks_for_its_repository_only(registry: Registry, sign: Sign) -> None:
    bob = await registry.token("bob")
    await registry.push_image("bob/tool", "v1", bob)
    await registry.push_image("alice/private", "v1", await registry.token("alice"))
    scope = "repository:alice/private:pull,push,delete&scope=repository:bob/tool:pull&scope=repository:bob/new:push"
    ours = await bearer(registry, await sign(), f"{scope}&scope=repository:alice/new:pull,push,delete")
    claims = jwt.decode(ours["token"], options={"verify_signature": False})
    assert claims["access"] == [{"type": "repository", "name": "alice/new", "actions": ["pull", "push"]}]
    headers = {"Authorization": f"Bearer {ours['token']}"}
    refused = await registry.call("POST", "/v2/alice/private/blobs/uploads/", headers=headers)
    assert refused.status == 403
    message = refused.json["errors"][0]["message"]  # type: ignore[index]
    assert message.startswith("permission_denied: write_package")


async def test_it_works_by_form_and_as_bearer(registry: Registry, sign: Sign) -> None:
    identity = await sign()
    form = {"grant_type": "password", "username": "oidc", "password": identity, "scope": "repository:alice/app:pull"}
    assert (await registry.call("POST", "/token", data=form)).status == 200
    as_bearer = {"Authorization": f"Bearer {identity}"}
    assert (await registry.call("GET", f"/token?scope={PUSH}", headers=as_bearer)).status == 200
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=as_bearer)).status == 202
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=basic(identity, "oidc"))).status == 202
    # S32: the API takes tokens of this registry only; and a user name is not decoration here.
    assert (await registry.call("GET", "/api/v3/user", headers=as_bearer)).status == 401
    assert (await registry.call("GET", "/api/v3/user", headers=basic(identity, "oidc"))).status == 401
    assert (await registry.call("GET", "/token", headers=basic(identity, "alice"))).status == 401


def _now(seconds: int) -> int:
    return int(time.time()) + seconds


async def test_what_does_not_hold_is_refused(registry: Registry, sign: Sign, provider: Running) -> None:
    cases: list[dict[str, Any]] = [
        {"iss": provider.url[:-1]},
        {"iss": f"{provider.url}/"},
        {"iss": "https://token.actions.githubusercontent.com"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["moorage", "other"]},
        {"aud": "moorage.example"},
        {"aud": None},
        {"exp": _now(-60)},
        {"exp": None},
        {"exp": 10**30},
        {"iat": None},
        {"iat": _now(600)},
        {"nbf": _now(600)},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\0b"},
        {"sub": "\ud800"},
        {"repository": "alice/unknown"},
        {"repository": "bob/app", "repository_owner": "bob"},
        {"repository": "bob/app"},
        {"repository": "alice/app", "repository_owner": "bob"},
        {"repository": "alice/app/x"},
        {"repository": "app"},
        {"repository": None},
        {"repository": ["alice/app"]},
        {"kid": "hidden"},
        {"kid": "weak"},
    ]
    for changed in cases:
        await _refused(registry, await sign(**changed), str(changed))


async def test_s27_a_header_never_brings_its_own_key(registry: Registry, sign: Sign) -> None:
    identity = await sign()
    await bearer(registry, identity)
    head, payload, signature = identity.split(".")
    headers: list[dict[str, Any]] = [
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"jku": "http://127.0.0.1:1/jwks"},
        {"x5c": ["AA"]},
        {"x5u": "http://127.0.0.1:1/cert"},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"b64": False},
        {"kid": ["rsa"]},
        {"kid": ""},
        {"kid": "ec"},
    ]
    for header in headers:
        forged = {**orjson.loads(base64.urlsafe_b64decode(head + "==")), **header}
        encoded = base64.urlsafe_b64encode(orjson.dumps(forged)).rstrip(b"=").decode()
        await _refused(registry, f"{encoded}.{payload}.{signature}", str(header))


async def test_s28_algorithms_are_pinned(registry: Registry, provider: Running, sign: Sign) -> None:
    identity = await sign()
    claims = jwt.decode(identity, options={"verify_signature": False})
    async with registry.http.get(f"{provider.url}/jwks") as answer:
        keys = {key.get("kid"): key for key in (await answer.json())["keys"][:-2]}
    public = orjson.dumps(keys["rsa"])
    for token in (
        jwt.encode(claims, "", algorithm="none", headers={"kid": "rsa"}),
        _hs256(claims, public, "rsa"),
        _hs256(claims, b"secret-secret-secret-secret", "oct"),
        identity[:-4] + "AAAA",
        f"{identity.rpartition('.')[0]}.",
    ):
        await _refused(registry, token)
    long = await registry.call(
        "GET", "/token", headers={"Authorization": f"Bearer {identity.partition('.')[0]}.{'A' * 6000}.A"}
    )
    assert long.status == 401


def _hs256(claims: dict[str, Any], secret: bytes, kid: str) -> str:
    """By hand: the library would not let itself be used so."""
    parts = (orjson.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}), orjson.dumps(claims))
    signed = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    mac = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


async def test_revoked_it_stays_so(registry: Registry, sign: Sign) -> None:
    identity = await sign()
    ours = await bearer(registry, identity)
    await registry.services.db.execute("UPDATE tokens SET revoked_at = now() WHERE kind = 'workflow'")
    for replica in (0, 1):
        headers = {"Authorization": f"Bearer {ours['token']}"}
        gone = await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=headers, replica=replica)
        assert gone.status == 401
        assert (await registry.call("GET", "/token", headers=basic(identity, "oidc"), replica=replica)).status == 401
    assert await forget_tokens(registry.services) == 0


async def test_what_we_issue_ends_with_the_identity_token(registry: Registry, sign: Sign) -> None:
    assert (await bearer(registry, await sign(exp=_now(20))))["expires_in"] <= 20
    row = await registry.services.db.fetchrow(
        "SELECT expires_at - now() < interval '11 minutes', subject FROM tokens WHERE kind = 'workflow'"
    )
    assert row is not None
    assert list(row) == [True, "repo:alice/app:ref:refs/heads/main"]
    await registry.services.db.execute("UPDATE tokens SET expires_at = now() - interval '1 s' WHERE kind = 'workflow'")
    assert await forget_tokens(registry.services) == 1


async def test_a_day_long_identity_token_is_good_for_an_hour(registry: Registry, sign: Sign) -> None:
    await bearer(registry, await sign(exp=_now(86400)))
    row = await registry.services.db.fetchrow(
        "SELECT expires_at - now() < interval '71 minutes' FROM tokens WHERE kind = 'workflow'"
    )
    assert row is not None
    assert row[0]


async def test_conditions_on_claims_and_read_only(env: dict[str, str], provider: Running, sign: Sign) -> None:
    env["MOORAGE_OIDC_ISSUERS"] = provider.config(
        permissions="read",
        audience="https://registry.example",
        claims={"ref": "refs/heads/*", "attempt": "1", "fork": "false"},
    )
    async with running(env) as registry:
        good = {"aud": "https://registry.example", "attempt": 1, "fork": False}
        ours = await bearer(registry, await sign(**good))
        assert jwt.decode(ours["token"], options={"verify_signature": False})["access"] == [
            {"type": "repository", "name": "alice/app", "actions": ["pull"]}
        ]
        refused = await registry.call(
            "POST", "/v2/alice/new/blobs/uploads/", headers={"Authorization": f"Bearer {ours['token']}"}
        )
        assert refused.status == 403
        message = refused.json["errors"][0]["message"]  # type: ignore[index]
        assert message.startswith("installation not allowed to Create user package")
        for wrong in ({"ref": "refs/tags/v1"}, {"ref": None}, {"attempt": 2}, {"fork": True}, {"aud": "moorage"}):
            await _refused(registry, await sign(**{**good, **wrong}))


async def test_no_issuer_is_trusted_that_is_not_configured(env: dict[str, str], sign: Sign) -> None:
    env.pop("MOORAGE_OIDC_ISSUERS")
    async with running(env) as registry:
        await _refused(registry, await sign())


async def test_strangers_make_us_ask_the_issuer_once(registry: Registry, provider: Running, sign: Sign) -> None:
    await bearer(registry, await sign())
    async with registry.http.get(f"{provider.url}/count") as answer:
        before = await answer.json()
    for number in range(5):
        await _refused(registry, await sign(f"unknown{number}"))
    async with registry.http.get(f"{provider.url}/count") as answer:
        assert await answer.json() - before <= 1


async def test_an_issuer_that_is_down_is_no_answer(env: dict[str, str], provider: Running, sign: Sign) -> None:
    env["MOORAGE_OIDC_ISSUERS"] = provider.config().replace(provider.url, "http://127.0.0.1:9")
    async with running(env) as registry:
        away = await registry.call("GET", "/token", headers=basic(await sign(iss="http://127.0.0.1:9"), "oidc"))
        assert away.status == 503
        assert "Retry-After" in away.headers


async def _refused(registry: Registry, identity: str, case: str = "") -> None:
    """Everywhere; and it leaves nothing behind."""
    registry.routers[0].throttle._times.clear()
    before = await registry.services.db.fetchrow("SELECT count(*) FROM tokens")
    for headers in (basic(identity, "oidc"), {"Authorization": f"Bearer {identity}"}):
        answer = await registry.call("GET", f"/token?scope={PUSH}", headers=headers)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED"), (case, answer.body)
        assert (await registry.call("GET", "/v2/", headers=headers)).status == 401
    assert await registry.services.db.fetchrow("SELECT count(*) FROM tokens") == before

"""Logging in as docker does, and every other way to come in (S2, S27-S34)."""

import base64
import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import asyncpg
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.bearer import BearerKeys
from auth.scopes import Grant
from auth.tokens import SCOPES, TokenKind, mint, recognise
from storage.metadata.database import Database
from tests.support.raw import ask, request
from tests.support.server import Answer, Registry, basic, running

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest) -> None:
    """Failures are not counted here: they are what most of these are about."""
    if "registry" in request.fixturenames:
        request.getfixturevalue("registry").routers[0].throttle.most = 1_000_000


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def access_of(answer: Answer) -> list[tuple[str, str, set[str]]]:
    assert answer.status == 200, answer.body
    access = claims_of(answer.json["token"])["access"]  # type: ignore[index]
    return [(entry["type"], entry["name"], set(entry["actions"])) for entry in access]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def post(registry: Registry, fields: Mapping[str, str] | str | bytes, **headers: str) -> Answer:
    body = fields if isinstance(fields, (str, bytes)) else urlencode(fields)
    return await registry.call("POST", "/token", data=body, headers={**FORM, **headers})


async def token_for(registry: Registry, who: str | None, *scopes: str) -> str:
    query = "&".join(["service=moorage", *(f"scope={quote(scope)}" for scope in scopes)])
    answer = await registry.call("GET", f"/token?{query}", who)
    assert answer.status == 200, answer.body
    return str(answer.json["token"])  # type: ignore[index]


# -- as docker, containerd and podman do it


async def test_a_client_follows_the_challenge(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    challenged = await registry.call("GET", "/v2/alice/app/manifests/v1")
    assert (challenged.status, challenged.code) == (401, "UNAUTHORIZED")
    text = challenged.headers["WWW-Authenticate"]
    found = dict(re.findall(r'(\w+)="([^"]*)"', text))
    assert text.startswith("Bearer ")
    assert found == {"realm": f"{registry.url}/token", "service": "moorage", "scope": "repository:alice/app:pull"}
    answer = await registry.call(
        "GET", f"{found['realm']}?service=moorage&scope={found['scope']}&client_id=docker", token
    )
    assert answer.json["expires_in"] == 300  # type: ignore[index]
    assert answer.json["access_token"] == answer.json["token"]  # type: ignore[index]
    pulled = await registry.call("GET", "/v2/alice/app/manifests/v1", headers=bearer(answer.json["token"]))  # type: ignore[index]
    assert pulled.status == 200


async def test_docker_login_by_form(registry: Registry) -> None:
    token = await registry.user("alice")
    fields = {
        "grant_type": "password", "username": "alice", "password": token, "service": "moorage", "client_id": "docker",
        "scope": "repository:alice/app:pull,push",
    }  # fmt: skip
    online = (await post(registry, fields)).json
    assert isinstance(online, dict)
    assert set(online) == {"token", "access_token", "expires_in", "issued_at", "scope"}
    assert online["scope"] == "repository:alice/app:delete,pull,push"
    offline = (await post(registry, {**fields, "access_type": "offline"})).json
    assert isinstance(offline, dict)
    refresh = {
        "grant_type": "refresh_token",
        "refresh_token": offline["refresh_token"],
        "service": "moorage",
        "client_id": "docker",
    }
    refreshed = await post(registry, refresh)
    assert claims_of(refreshed.json["access_token"])["sub"] == claims_of(online["token"])["sub"]  # type: ignore[index]
    assert (await registry.call("GET", "/v2/", headers=bearer(refreshed.json["access_token"]))).status == 200  # type: ignore[index]


async def test_service_client_and_account_are_not_believed(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.user("bob")
    for query in ("", "service=evil&client_id=x&account=bob", "service=a&service=b&offline_token=true", "nonsense=%00"):
        answer = await registry.call("GET", f"/token?{query}", token)
        assert claims_of(answer.json["token"])["aud"] == "moorage"  # type: ignore[index]
        assert "refresh_token" not in answer.json  # type: ignore[operator]
    as_bob = await registry.call("GET", "/token?scope=repository:bob/x:push", headers=basic(token, "bob"))
    assert access_of(as_bob) == [], "the token says who, not the user name"


async def test_anonymous_tokens_are_empty_but_for_what_is_public(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/open", "v1", token)
    await registry.push_image("alice/priv", "v1", token)
    await registry.services.db.execute("UPDATE packages SET visibility = 'public' WHERE name = 'open'")
    both = await registry.call("GET", "/token?scope=repository:alice/open:pull,push&scope=repository:alice/priv:pull")
    assert access_of(both) == [("repository", "alice/open", {"pull"})]
    nobody = str(both.json["token"])  # type: ignore[index]
    assert (await registry.call("GET", "/v2/alice/open/manifests/v1", headers=bearer(nobody))).status == 200
    assert (await registry.call("GET", "/v2/alice/priv/manifests/v1", headers=bearer(nobody))).status == 401
    assert (await registry.call("GET", "/v2/", headers=bearer(nobody))).status == 200


async def test_s2_a_token_does_not_tell_what_is_there(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/priv", "v1", token)
    hidden = await registry.call("GET", "/token?scope=repository:alice/priv:pull")
    missing = await registry.call("GET", "/token?scope=repository:alice/none:pull")
    assert access_of(hidden) == access_of(missing) == []
    assert set(hidden.json) == set(missing.json)  # type: ignore[call-overload]
    assert set(hidden.headers) == set(missing.headers)
    assert len(hidden.body) == len(missing.body)


async def test_a_wrong_password_is_401_everywhere(registry: Registry) -> None:
    unknown = mint(TokenKind.CLASSIC).reveal()
    answers = [
        await registry.call("GET", "/token", unknown),
        await registry.call("GET", "/token", "hunter2"),
        await post(registry, {"grant_type": "password", "username": "alice", "password": unknown}),
        await post(registry, {"grant_type": "refresh_token", "refresh_token": "x"}),
        await post(registry, {"grant_type": "password"}),
        await post(registry, ""),
        await registry.call("GET", "/v2/", unknown),
        await registry.call("GET", "/v2/", "hunter2"),
    ]
    for answer in answers:
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"]
        assert b"hunter2" not in answer.body
        assert unknown.encode() not in answer.body


async def test_forms_that_are_none(registry: Registry) -> None:
    token = await registry.user("alice")
    good = urlencode({"grant_type": "password", "password": token})
    cases: list[tuple[bytes, str, int]] = [
        (good.encode(), "application/json", 400),
        (good.encode(), "multipart/form-data; boundary=x", 400),
        (good.encode(), "", 400),
        (good.encode(), "application/x-www-form-urlencoded; charset=nonsense", 200),
        (b"grant_type=%ff&password=x", FORM["Content-Type"], 400),
        (b"\xff\xfe=\x00", FORM["Content-Type"], 400),
        (good.encode() + b"&password=x", FORM["Content-Type"], 400),
        (good.encode() + b"&a=b" * 3000, FORM["Content-Type"], 400),
        (good.encode() + b"&grant_type=authorization_code", FORM["Content-Type"], 400),
        (b"grant_type=authorization_code", FORM["Content-Type"], 400),
        (good.encode() + b"&a=" + b"b" * 65_536, FORM["Content-Type"], 413),
    ]
    for body, kind, status in cases:
        answer = await registry.call("POST", "/token", data=body, headers={"Content-Type": kind})
        assert answer.status == status, (body[:80], kind, answer.body)
        assert token.encode() not in answer.body or status == 200


async def test_last_used_is_kept_to_the_minute(registry: Registry) -> None:
    token = await registry.user("alice")
    sql = "SELECT last_used_at FROM tokens"
    before = await registry.services.db.fetchrow(sql)
    await registry.call("GET", "/token", token)
    first = await registry.services.db.fetchrow(sql)
    await registry.call("GET", "/v2/", token)
    again = await registry.services.db.fetchrow(sql)
    assert before is not None
    assert before["last_used_at"] is None
    assert first is not None
    assert first["last_used_at"] is not None
    assert first == again


# -- S27-S29: whose signature


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else orjson.dumps(value)).rstrip(b"=").decode()


async def test_s27_s28_s29_tokens_of_others_are_refused(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    good = await token_for(registry, token, "repository:alice/app:pull")
    path = "/v2/alice/app/manifests/v1"
    assert (await registry.call("GET", path, headers=bearer(good))).status == 200
    header, claims = jwt.get_unverified_header(good), claims_of(good)
    keys = BearerKeys.from_secrets(registry.services.settings.secrets)

    def ours(payload: dict[str, Any] | bytes, head: dict[str, Any] | None = None) -> str:
        """Signed by the trusted key."""
        first = keys.signing_header if head is None else segment(head)
        text = f"{first}.{segment(payload)}"
        return f"{text}.{segment(keys.sign(text.encode()))}"

    def theirs(head: dict[str, Any]) -> str:
        text = f"{segment(head)}.{segment(claims)}"
        return f"{text}.{segment(stranger.sign(text.encode()))}"

    assert (await registry.call("GET", path, headers=bearer(ours(claims)))).status == 200, "the test signs as we do"
    stranger = Ed25519PrivateKey.generate()
    rsa = generate_private_key(65537, 2048)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": segment(stranger.public_key().public_bytes_raw())}
    certificate = base64.b64encode(b"certificate").decode()
    now = int(time.time())
    forged: dict[str, str] = {
        "S27 jwk": theirs({**header, "jwk": jwk}),
        "S27 jwk of the trusted key": ours(claims, {**header, "jwk": jwk}),
        "S27 jku": theirs({**header, "jku": "http://127.0.0.1:1/jwks"}),
        "S27 x5c": theirs({**header, "x5c": [certificate]}),
        "S27 x5u": theirs({**header, "x5u": "http://127.0.0.1:1/cert"}),
        "S27 stranger": theirs(header),
        "S28 none": f"{segment({**header, 'alg': 'none'})}.{segment(claims)}.",
        "S28 None": f"{segment({**header, 'alg': 'nOnE'})}.{segment(claims)}.{good.split('.')[2]}",
        "S28 no signature": good.rpartition(".")[0] + ".",
        "S28 HS256": jwt.encode(claims, b"x" * 32, algorithm="HS256", headers={"kid": header.get("kid")}),
        "S28 RS256": jwt.encode(claims, rsa, algorithm="RS256", headers={"kid": header.get("kid")}),
        "S28 unknown kid": ours(claims, {**header, "kid": "another"}),
        "S28 no kid": ours(claims, {k: v for k, v in header.items() if k != "kid"}),
        "S28 crit": ours(claims, {**header, "crit": ["x"], "x": 1}),
        "S28 JWE": ".".join([segment({"alg": "dir", "enc": "A256GCM"}), "", "AAAA", "AAAA", "AAAA"]),
        "S28 nested": ours(segment(good).encode(), {**header, "cty": "JWT"}),
        "S29 iss": ours({**claims, "iss": "evil"}),
        "S29 iss substring": ours({**claims, "iss": claims["iss"][:-1]}),
        "S29 iss list": ours({**claims, "iss": [claims["iss"]]}),
        "S29 aud": ours({**claims, "aud": "evil"}),
        "S29 expired": ours({**claims, "exp": now - 60}),
        "S29 nbf": ours({**claims, "nbf": now + 600}),
        "S29 iat": ours({**claims, "iat": now + 600}),
        "S29 exp of text": ours({**claims, "exp": "never"}),
        "S29 duplicated": ours(orjson.dumps(claims)[:-1] + b',"sub":"1"}'),
        **{
            f"S29 no {name}": ours({k: v for k, v in claims.items() if k != name})
            for name in ("exp", "iat", "nbf", "sub", "iss", "aud")
        },
    }
    for name, text in forged.items():
        answer = await registry.call("GET", path, headers=bearer(text))
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED"), name
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert (await registry.call("GET", "/token", headers=bearer(text))).status == 401, name
    huge = await ask(registry.url, request("GET", path, "Authorization: Bearer " + "a" * 100_000))
    assert huge.status == 431


async def test_s28_a_token_of_an_old_secret_is_good_while_it_is_listed(env: dict[str, str]) -> None:
    old, new = "o" * 40, "n" * 40
    async with running({**env, "MOORAGE_SECRET_KEY": old}) as served:
        await served.user("alice")
        token = await token_for(served, await served.token("alice"))
    for secret, status in [(f"{new},{old}", 200), (new, 401)]:
        async with running({**env, "MOORAGE_SECRET_KEY": secret}) as served:
            assert (await served.call("GET", "/v2/", headers=bearer(token))).status == status


@settings(max_examples=200)
@given(st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=200))
def test_s28_no_text_is_a_pat(text: str) -> None:
    assert recognise(text) is None


# -- S30: scopes


async def test_s30_what_is_granted_is_what_the_caller_may_do(registry: Registry) -> None:
    alice = await registry.user("alice")
    bob = await registry.user("bob")
    reader = await registry.token("alice", ["read:packages"])
    for name in ("alice/app", "alice/two", "bob/app"):
        await registry.push_image(name, "v1", alice if name.startswith("alice") else bob)
    everything = {"pull", "push", "delete"}
    mine = [("repository", "alice/app", everything)]
    cases: list[tuple[list[str], list[tuple[str, str, set[str]]]]] = [
        ([], []),
        ([""], []),
        (["repository:alice/app:pull"], mine),
        (["repository:alice/app:*"], mine),
        (["repository:alice/app:fly,swim"], mine),
        (["repository(plugin):alice/app:pull"], mine),
        (["repository:alice/app:pull repository:bob/app:pull"], mine),
        (["repository:alice/app:pull", "repository:alice/two:push"], [*mine, ("repository", "alice/two", everything)]),
        (["repository:alice/app:pull"] * 20, mine),
        (["repository:bob/app:pull,push,delete"], []),
        (["repository:Alice/app:pull"], []),
        (["repository:host.example:5000/alice/app:pull"], []),
        (["registry:catalog:*"], [("registry", "catalog", {"*"})]),
        (["registry:admin:*", "wizard:alice/app:pull"], []),
    ]
    for wanted, granted in cases:
        query = "&".join(f"scope={quote(scope)}" for scope in wanted)
        assert access_of(await registry.call("GET", f"/token?{query}", alice)) == granted, wanted
        if wanted:
            fields = urlencode([("password", alice), *(("scope", scope) for scope in wanted)])
            assert access_of(await post(registry, fields)) == granted, wanted
    only = await registry.call("GET", "/token?scope=repository:alice/app:pull,push,delete", reader)
    assert access_of(only) == [("repository", "alice/app", {"pull"})]


# -- S31-S34


async def test_s31_a_token_does_no_more_than_its_scopes(registry: Registry) -> None:
    alice = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", alice)
    read = await registry.token("alice", ["read:packages"])
    write = await registry.token("alice", ["write:packages"])
    other = await registry.token(
        "alice", sorted(SCOPES - {"read:packages", "write:packages", "delete:packages", "site_admin"})
    )
    scope = "repository:alice/app:pull,push,delete"
    attempts = [
        ("push", "POST", "/v2/alice/app/blobs/uploads/", {read, other}),
        ("delete", "DELETE", f"/v2/alice/app/manifests/{digest}", {read, write, other}),
        ("delete", "DELETE", "/v2/alice/app/manifests/v1", {read, write, other}),
        ("pull", "GET", "/v2/alice/app/manifests/v1", {other}),
    ]
    for _, method, path, refused in attempts:
        for token in refused:
            assert (await registry.call(method, path, token)).status in {403, 404}, (method, path)
            for_it = await token_for(registry, token, scope)
            assert (await registry.call(method, path, headers=bearer(for_it))).status in {401, 403, 404}, (method, path)
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", write)).status == 202
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).status == 200


async def test_s32_a_token_is_good_for_its_name_and_way_only(registry: Registry) -> None:
    alice = await registry.user("alice")
    for name in ("alice/b", "alice/bc", "alice/b/c"):
        await registry.push_image(name, "v1", alice)
    token = await token_for(registry, alice, "repository:alice/b:pull")
    assert (await registry.call("GET", "/v2/alice/b/manifests/v1", headers=bearer(token))).status == 200
    for path, status in [
        ("alice/bc", 401), ("alice/b/c", 401), ("Alice/b", 400), ("alice%2Fb", 200), ("alice/B", 400), ("alice//b", 400),
        ("alice/b/", 400), ("alice/%62", 200), ("alice/b%63", 401), ("alice/b%00", 400), ("alice/x/../b", 400), ("alice/x/%2e%2e/b", 400),
        ("alice/b;x", 400), ("alice\\b", 400), ("alice/%5Cb", 400), ("alice/%252e/b", 400),
    ]:  # fmt: skip
        answer = await ask(registry.url, request("GET", f"/v2/{path}/manifests/v1", f"Authorization: Bearer {token}"))
        assert answer.status == status, path
    session = await registry.call("POST", "/v2/alice/b/blobs/uploads/", headers=bearer(token))
    assert session.status == 202, "the realm grants all that the caller may do"
    bare = await registry.call(
        "GET", f"/v2/?token={alice}&access_token={token}", headers={"Cookie": f"token={token}; session={alice}"}
    )
    assert bare.status == 401
    assert (await registry.call("GET", "/api/v3/user/tokens", headers=bearer(token))).status in {401, 404}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE tokens SET revoked_at = now()",
        "UPDATE tokens SET expires_at = now() - interval '1 second'",
        "UPDATE accounts SET suspended_at = now()",
        "UPDATE accounts SET deleted_at = now()",
    ],
)
async def test_s33_what_is_taken_away_is_gone_with_the_next_request(registry: Registry, sql: str) -> None:
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    token = await token_for(registry, alice, "repository:alice/app:pull")
    await registry.services.db.execute(sql)
    assert (await registry.call("GET", "/token", alice)).status == 401
    assert (await post(registry, {"password": alice})).status == 401
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).status == 401
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", headers=bearer(token))).status == 401
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=bearer(token))).status == 401


class Counting(Database):
    """Counts what it is asked."""

    count = 0

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        self.count += 1
        return await super().fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        self.count += 1
        return await super().fetchrow(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        self.count += 1
        return await super().execute(query, *args)


async def test_s34_garbage_asks_nothing_of_postgres(registry: Registry) -> None:
    alice = await registry.user("alice")
    db = Counting(registry.services.db._pool, registry.services.settings.database.pool_size)
    db._idle = registry.services.db._idle  # what it keeps is given back with the rest
    object.__setattr__(registry.services, "db", db)
    wrong = alice[:-1] + ("a" if alice[-1] != "a" else "b")
    for secret in (wrong, "hunter2", "", "mrp_" + "a" * 42, alice + "a", alice[:-1], "ghp_" + alice[4:]):
        for path in ("/token", "/v2/", "/v2/alice/app/manifests/v1", "/api/v3/user/tokens"):
            assert (await registry.call("GET", path, headers=basic(secret, "alice"))).status in {401, 404}
        assert (await post(registry, {"password": secret})).status == 401
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", headers=bearer(secret or "x"))).status == 401
    assert db.count == 0
    assert (await registry.call("GET", "/token", alice)).status == 200
    assert db.count > 0, "the test counts"


async def test_s34_the_database_holds_no_secret_in_clear(registry: Registry) -> None:
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    token = await token_for(registry, alice, "repository:alice/app:pull")
    tables = await registry.services.db.fetch(
        "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
    )
    dump = ""
    for table in tables:
        rows = await registry.services.db.fetch(f"SELECT t::text AS text FROM {table['name']} t")
        dump += "".join(row["text"] for row in rows)
    assert hashlib.sha256(alice.encode()).hexdigest() in dump
    for secret in (
        alice,
        alice[4:],
        token,
        token.split(".")[2],
        *(s.decode() for s in registry.services.settings.secrets),
    ):
        assert secret not in dump
        assert secret.encode().hex() not in dump


async def test_grants_are_checked_in_our_own_tokens_too(registry: Registry) -> None:
    """A token with a wider grant than its account's rights gives the rights, not the grant."""
    await registry.user("alice")
    bob = await registry.user("bob")
    await registry.push_image("bob/app", "v1", bob)
    row = await registry.services.db.fetchrow("SELECT id, account_id FROM tokens ORDER BY id LIMIT 1")
    assert row is not None
    wide = registry.services.bearer.issue(
        account_id=row["account_id"],
        token_id=row["id"],
        grants=[Grant("repository", "bob/app", frozenset({"pull", "push", "delete", "*"}))],
        now=time.time(),
    )
    assert (await registry.call("GET", "/v2/bob/app/manifests/v1", headers=bearer(wide))).status == 404
    assert (await registry.call("DELETE", "/v2/bob/app/manifests/v1", headers=bearer(wide))).status in {403, 404}

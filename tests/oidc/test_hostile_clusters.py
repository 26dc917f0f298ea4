"""An attacker's tokens and clusters (S60): none of them is let in, and none of them costs much."""

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization

from tests.oidc.test_clusters import API, granted, prepared, registered
from tests.oidc.test_service_accounts import asked
from tests.support.cluster import Cluster, serving
from tests.support.server import Registry, running


def _part(value: object) -> str:
    text = value if isinstance(value, bytes) else orjson.dumps(value)
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _resigned(cluster: Cluster, token: str, claims: bytes) -> str:
    """The token with other claims, to the byte, signed by the cluster."""
    key: Any = jwt.get_algorithm_by_name(cluster.alg)
    signed = f"{token.split('.', maxsplit=1)[0]}.{_part(claims)}"
    return f"{signed}.{_part(key.sign(signed.encode(), cluster.key))}"


def _claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def _surrogate(name: str, **more: str) -> bytes:
    """JSON with a text that is none."""
    return orjson.dumps({**more, name: "HERE"}).replace(b"HERE", b"\\ud800")


def _forged(cluster: Cluster) -> dict[str, str]:
    """Tokens that nobody may be let in with."""
    good, own = cluster.signed(), Cluster()
    head, body, signature = good.split(".")
    kid = jwt.get_unverified_header(good)["kid"]
    pem = cluster.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hmac = jwt.get_algorithm_by_name("HS256")
    confused = f"{_part({'alg': 'HS256', 'kid': kid})}.{body}"
    with_own = {"alg": "RS256", "kid": kid, "jwk": own.jwks["keys"][0]}
    changed = {**_claims(good), "sub": "system:serviceaccount:kube-system:admin"}
    deep = {**_claims(good), "kubernetes.io": {"namespace": "a:b", "serviceaccount": {"name": "c"}}}
    listed = {**_claims(good), "kubernetes.io": [{"namespace": "alice"}]}
    return {
        "alg none": f"{_part({'alg': 'none', 'kid': kid})}.{body}.",
        "no signature": f"{head}.{body}.",
        "HS256 with the public key": f"{confused}.{_part(hmac.sign(confused.encode(), pem))}",
        "another algorithm of the key": f"{_part({'alg': 'ES256', 'kid': kid})}.{body}.{signature}",
        "its own jwk": jwt.encode(_claims(good), own.key, "RS256", headers=with_own),
        "jku": jwt.encode(_claims(good), own.key, "RS256", headers={"kid": kid, "jku": "https://evil.example/jwks"}),
        "x5u": jwt.encode(_claims(good), own.key, "RS256", headers={"kid": kid, "x5u": "https://evil.example/x"}),
        "crit": jwt.encode(_claims(good), cluster.key, "RS256", headers={"kid": kid, "crit": ["b64"]}),
        "kid of a file": jwt.encode(_claims(good), own.key, "RS256", headers={"kid": "../../../../dev/null"}),
        "kid of SQL": jwt.encode(_claims(good), own.key, "RS256", headers={"kid": "' OR true --"}),
        "kid with NUL": jwt.encode(_claims(good), own.key, "RS256", headers={"kid": "a\0b"}),
        "kid of half a pair": f"{_part(_surrogate('kid', alg='RS256'))}.{body}.{signature}",
        "issuer of half a pair": f"{head}.{_part(_surrogate('iss'))}.{signature}",
        "issuer with NUL": cluster.signed(iss="a\0b"),
        "no kid": jwt.encode(_claims(good), cluster.key, "RS256"),
        "another subject": _resigned(cluster, good, orjson.dumps(changed)),
        "colons in names": cluster.signed("a:b", "c", **deep),
        "a namespace with a colon": cluster.signed("a", "b:c"),
        "upper case": cluster.signed("Alice", "App"),
        "a slash": cluster.signed("alice/x", "app"),
        "an empty name": cluster.signed("alice", ""),
        "claims in a list": _resigned(cluster, good, orjson.dumps(listed)),
        "no claims of Kubernetes": _resigned(
            cluster,
            good,
            orjson.dumps({name: value for name, value in _claims(good).items() if name != "kubernetes.io"}),
        ),
        "two audiences": cluster.signed(aud=["moorage", "other"]),
        "no audience": cluster.signed(aud=[]),
        "a prefix of the audience": cluster.signed(aud=["moorage2"]),
        "an issuer with a slash": cluster.signed(iss=cluster.issuer + "/"),
        "expired": cluster.signed(exp=int(time.time()) - 31),
        "of tomorrow": cluster.signed(iat=int(time.time()) + 3600),
        "not yet": cluster.signed(nbf=int(time.time()) + 3600),
        "made two days ago": cluster.signed(
            iat=int(time.time()) - 172_800, nbf=0, exp=int(time.time()) + 3_000_000_000
        ),
        "no time": cluster.signed(exp="never"),
        "for ever": cluster.signed(exp=1e300),
        "16 KiB": cluster.signed(more="x" * 17_000),
        "cut": good[:-2],
    }


async def test_s60_forged_tokens_are_refused(env: dict[str, str]) -> None:
    cluster = Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        await registered(registry, tokens["alice"], cluster)
        await granted(registry, tokens["alice"])
        wrong = {}
        for name, token in _forged(cluster).items():
            answer = await asked(registry, token)
            if answer[0] not in {401, 431}:
                wrong[name] = answer
        assert not wrong
        assert await asked(registry, cluster.signed()) == (200, "")
        # Clocks may differ by half a minute.
        now = int(time.time())
        assert await asked(registry, cluster.signed(iat=now + 20, nbf=now + 20)) == (200, "")


async def test_s60_of_claims_named_twice_the_last_is_all_that_is_read(env: dict[str, str]) -> None:
    """Only the cluster can sign such a token; subject and names are of one reading."""
    cluster = Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        await registered(registry, tokens["alice"], cluster)
        await granted(registry, tokens["alice"], namespace="alice", account="app")
        good = cluster.signed()
        first = orjson.dumps(_claims(good))
        other = b'"kubernetes.io":{"namespace":"kube-system","serviceaccount":{"name":"admin"}}'
        twice = first[:-1] + b"," + other + b"}"
        assert (await asked(registry, _resigned(cluster, good, twice)))[0] == 401
        other = b'"sub":"system:serviceaccount:kube-system:admin",' + other
        twice = first[:-1] + b"," + other + b"}"
        assert await asked(registry, _resigned(cluster, good, twice)) == (403, "")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"issuer": "http://127.0.0.1/"}, "issuer"),
        ({"issuer": "ftp://cluster.example"}, "issuer"),
        ({"issuer": "https://user:password@cluster.example"}, "issuer"),
        ({"issuer": "a b", "jwks": None}, "issuer"),
        ({"issuer": "x", "jwks": {"keys": []}}, "jwks"),
        ({"issuer": "x", "jwks": {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}}, "jwks"),
        (
            {"issuer": "x", "jwks": {"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "d": "AQAB"}]}},
            "jwks",
        ),
        ({"issuer": "x", "jwks": {"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}}, "jwks"),
        ({"issuer": "x", "jwks": {"keys": [{"kty": "OKP", "kid": "a\0", "crv": "Ed25519", "x": "AA"}]}}, "jwks"),
        ({"issuer": "x", "jwks": {"keys": [], "more": 2**70}}, "jwks"),
        ({"issuer": "https://cluster.example", "ca": "x"}, "ca"),
        ({"issuer": "https://cluster.example", "audience": "a b"}, "audience"),
    ],
)
async def test_s60_what_is_no_cluster_is_refused(registry: Registry, body: dict[str, Any], field: str) -> None:
    token = await registry.user("alice", ["user"])
    answer = await registry.call("PUT", f"{API}/prod", token, json=body)
    assert answer.status == 422, answer.body
    assert field in str(answer.json)


async def test_s51_keys_are_not_fetched_from_inside(env: dict[str, str], tmp_path: Path) -> None:
    cluster = Cluster()
    async with serving(cluster, tmp_path):
        cluster.issuer = cluster.url
        given = {"issuer": cluster.url, "ca": await asyncio.to_thread(Path(cluster.ca_file).read_text)}
        for allow, expected in (("", 503), ("127.0.0.0/8", 200)):
            env["MOORAGE_EGRESS_ALLOW"] = allow
            async with running(env) as registry:
                if not allow:
                    tokens = await prepared(registry)
                    made = await registry.call("PUT", f"{API}/prod", tokens["alice"], json=given)
                    assert made.status == 201, made.body
                    await granted(registry, tokens["alice"])
                assert (await asked(registry, cluster.signed()))[0] == expected
                if allow:
                    # A storm of unknown keys is one fetch a minute.
                    seen = cluster.fetched
                    for _ in range(20):
                        assert (await asked(registry, Cluster(issuer=cluster.issuer).signed()))[0] == 401
                    assert cluster.fetched <= seen + 2

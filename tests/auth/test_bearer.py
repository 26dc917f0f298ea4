"""Bearer tokens: what is issued is verified, and nothing else is (S27-S29)."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from auth.bearer import TOKEN_MAX, Bearer, BearerClaims, BearerKeys, BearerSettings
from auth.errors import MalformedScope, Unauthenticated
from auth.scopes import Grant

NOW = 1_800_000_000.5
SECRET = b"first secret, of thirty-two bytes"
OTHER = b"other secret, of thirty-two bytes"
ISSUER = "https://registry.example.com"
SERVICE = "registry.example.com"
GRANTS = (Grant("repository", "alice/app", frozenset({"pull", "push"})),)
SETTINGS = BearerSettings(issuer=ISSUER, service=SERVICE)
KEYS = BearerKeys.from_secrets([SECRET])

GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": SERVICE,
    "sub": "7",
    "exp": int(NOW) + 300,
    "nbf": int(NOW),
    "iat": int(NOW),
    "jti": "id-1",
    "tid": None,
    "access": [{"type": "repository", "name": "alice/app", "actions": ["pull"]}],
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def a_bearer(*secrets: bytes, settings: BearerSettings = SETTINGS) -> Bearer:
    return Bearer(BearerKeys.from_secrets(secrets or (SECRET,)), settings, new_id=lambda: "id-1")


def issued(bearer: Bearer) -> str:
    return bearer.issue(account_id=7, token_id=9, grants=GRANTS, now=NOW)


def signed(payload: bytes, header: str = KEYS.signing_header, sign: Callable[[bytes], bytes] = KEYS.sign) -> str:
    """A token of any header and payload, by default of the trusted key: what a bug of the issuer would give."""
    text = f"{header}.{b64(payload)}"
    return f"{text}.{b64(sign(text.encode()))}"


def header_of(token: str) -> dict[str, Any]:
    header: dict[str, Any] = orjson.loads(unb64(token.partition(".")[0]))
    return header


def public_key_bytes() -> bytes:
    """The public key of SECRET, derived here once more, as a stranger could know it."""
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"moorage bearer ed25519 1").derive(SECRET)
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def refused(token: str, now: float = NOW, bearer: Bearer | None = None) -> str:
    with pytest.raises(Unauthenticated) as caught:
        (bearer or a_bearer()).verify(token, now)
    assert caught.value.error == "invalid_token"
    return caught.value.reason


def test_what_is_issued_is_verified() -> None:
    bearer = a_bearer()
    claims = bearer.verify(issued(bearer), NOW)
    issued_at = int(NOW)
    assert claims == BearerClaims(7, 9, GRANTS, issued_at, issued_at + 300, "id-1")


def test_an_anonymous_token_has_an_empty_subject() -> None:
    bearer = a_bearer()
    token = bearer.issue(account_id=None, token_id=None, grants=(), now=NOW)
    claims = bearer.verify(token, NOW)
    assert (claims.account_id, claims.token_id, claims.grants) == (None, None, ())
    assert b'"sub":""' in unb64(token.split(".")[1])


def test_another_implementation_reads_our_tokens() -> None:
    token = issued(a_bearer())
    key = Ed25519PublicKey.from_public_bytes(public_key_bytes())
    claims = jwt.decode(
        token,
        key,
        algorithms=["EdDSA"],
        audience=SERVICE,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert claims == GOOD | {
        "tid": 9,
        "access": [{"type": "repository", "name": "alice/app", "actions": ["pull", "push"]}],
    }
    assert header_of(token) == {
        "alg": "EdDSA",
        "typ": "JWT",
        "kid": hashlib.sha256(public_key_bytes()).hexdigest()[:16],
    }


def test_the_first_secret_signs_and_all_verify() -> None:
    old, new = a_bearer(SECRET), a_bearer(OTHER, SECRET)
    assert new.verify(issued(old), NOW).account_id == 7
    assert header_of(issued(new)) == header_of(issued(a_bearer(OTHER)))
    assert "key was retired" in refused(issued(old), bearer=a_bearer(OTHER))


@pytest.mark.parametrize("secrets", [[], [b""], [SECRET, b"short"]])
def test_missing_and_short_secrets_are_refused(secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        BearerKeys.from_secrets(secrets)


@pytest.mark.parametrize(
    "bad", [{"leeway_seconds": 61}, {"leeway_seconds": -1}, {"ttl_seconds": 0}, {"issuer": ""}, {"service": ""}]
)
def test_settings_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"leeway_seconds|ttl_seconds|empty"):
        BearerSettings(**({"issuer": ISSUER, "service": SERVICE} | bad))


def test_s35_keys_do_not_print() -> None:
    assert repr(KEYS) == "<BearerKeys 1>"


# --- S27: keys that the token brings along


@pytest.mark.parametrize("name", ["jwk", "jku", "x5c", "x5u"])
@pytest.mark.parametrize("signer", ["attacker", "ours"])
def test_s27_embedded_keys_with_a_trusted_kid_are_refused(name: str, signer: str) -> None:
    attacker = Ed25519PrivateKey.generate()
    public = b64(attacker.public_key().public_bytes_raw())
    values = {
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": public},
        "jku": "https://attacker.example/jwks.json",
        "x5c": [base64.b64encode(b"certificate").decode()],
        "x5u": "https://attacker.example/cert.pem",
    }
    header = header_of(issued(a_bearer())) | {name: values[name]}
    sign = attacker.sign if signer == "attacker" else KEYS.sign
    refused(signed(orjson.dumps(GOOD), b64(orjson.dumps(header)), sign))


def test_s27_a_trusted_header_with_a_strangers_signature_is_refused() -> None:
    assert "signature" in refused(signed(orjson.dumps(GOOD), sign=Ed25519PrivateKey.generate().sign))


# --- S28: algorithms, key ids, critical extensions, nesting, size


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "", "HS256", "ES256", "RS256", "eddsa", "Ed25519", None, 1, ["EdDSA"]]
)
def test_s28_other_algorithms_are_refused(alg: object) -> None:
    header = header_of(issued(a_bearer())) | {"alg": alg}
    refused(signed(orjson.dumps(GOOD), b64(orjson.dumps(header))))


def test_s28_alg_none_without_a_signature_is_refused() -> None:
    for header in ({"alg": "none"}, {"alg": "none", "typ": "JWT"}, header_of(issued(a_bearer())) | {"alg": "none"}):
        refused(f"{b64(orjson.dumps(header))}.{b64(orjson.dumps(GOOD))}.")
    refused(f"{KEYS.signing_header}.{b64(orjson.dumps(GOOD))}.")
    refused(f"{KEYS.signing_header}.{b64(orjson.dumps(GOOD))}")


def test_s28_hs256_signed_with_the_public_key_is_refused() -> None:
    header = b64(orjson.dumps(header_of(issued(a_bearer())) | {"alg": "HS256"}))

    def sign(data: bytes) -> bytes:
        return hmac.digest(public_key_bytes(), data, "sha256")

    refused(signed(orjson.dumps(GOOD), header, sign))
    refused(signed(orjson.dumps(GOOD), KEYS.signing_header, sign))


@pytest.mark.parametrize("kid", ["unknown", "", "../../dev/null", None, 7])
def test_s28_unknown_key_ids_are_refused(kid: object) -> None:
    header = header_of(issued(a_bearer())) | {"kid": kid}
    assert "not issued by this registry" in refused(signed(orjson.dumps(GOOD), b64(orjson.dumps(header))))


def test_s28_a_header_without_a_key_id_is_refused() -> None:
    refused(signed(orjson.dumps(GOOD), b64(orjson.dumps({"alg": "EdDSA", "typ": "JWT"}))))


@pytest.mark.parametrize(
    "extra", [{"crit": ["x"]}, {"crit": ["x"], "x": 1}, {"crit": []}, {"b64": False, "crit": ["b64"]}, {"zip": "DEF"}]
)
def test_s28_critical_and_other_extensions_are_refused(extra: dict[str, Any]) -> None:
    header = header_of(issued(a_bearer())) | extra
    refused(signed(orjson.dumps(GOOD), b64(orjson.dumps(header))))


def test_s28_nested_tokens_are_refused() -> None:
    inner = issued(a_bearer())
    assert "malformed" in refused(signed(inner.encode()))
    refused(signed(inner.encode(), b64(orjson.dumps(header_of(inner) | {"cty": "JWT"}))))
    jwe = b64(orjson.dumps({"alg": "dir", "enc": "A256GCM", "cty": "JWT"}))
    refused(f"{jwe}..{b64(b'iv')}.{b64(inner.encode())}.{b64(b'tag')}")
    refused(f"{KEYS.signing_header}..{b64(b'iv')}.{b64(inner.encode())}.{b64(b'tag' * 20)}")


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "." * 1_000_000, KEYS.signing_header + "." + "A" * 1_000_000 + "." + "A" * 86]
)
def test_s28_long_tokens_are_refused_unread(text: str) -> None:
    assert "longer than 4096" in refused(text)


def test_s28_a_genuine_token_over_the_size_is_refused() -> None:
    assert "longer than 4096" in refused(signed(orjson.dumps(GOOD | {"x": "a" * TOKEN_MAX})))


def test_a_token_too_long_to_be_verified_is_not_issued() -> None:
    grants = [Grant("repository", f"alice/{n}{'a' * 240}", frozenset({"pull", "push", "delete"})) for n in range(30)]
    with pytest.raises(MalformedScope, match="more than 4096"):
        a_bearer().issue(account_id=1, token_id=None, grants=grants, now=NOW)


def test_s28_one_token_has_one_text() -> None:
    token = issued(a_bearer())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for other in (alphabet[alphabet.index(token[-1]) ^ spare] for spare in range(1, 16)):
        refused(token[:-1] + other)
    for variant in (
        token + "=",
        token + "==",
        token + "\n",
        " " + token,
        token[:-1],
        token + ".",
        "." + token,
        token.replace(".", ".."),
    ):
        refused(variant)


@given(st.integers(0, len(issued(a_bearer())) - 1), st.characters())
def test_s28_any_changed_character_is_refused(position: int, character: str) -> None:
    token = issued(a_bearer())
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        refused(changed)


@given(
    st.text()
    | st.text(alphabet="aA0-_=.", max_size=200)
    | st.binary().map(lambda data: KEYS.signing_header + "." + b64(data) + "." + "A" * 86)
)
def test_s28_garbage_raises_only_the_declared_error(text: str) -> None:
    refused(text)


# --- S29: claims of tokens that the trusted key signed


def test_s29_the_good_claims_are_taken() -> None:
    assert a_bearer().verify(signed(orjson.dumps(GOOD)), NOW).account_id == 7


def test_s29_claims_of_a_newer_release_are_left_alone() -> None:
    assert a_bearer().verify(signed(orjson.dumps(GOOD | {"new": {"claim": 1}})), NOW).account_id == 7


@pytest.mark.parametrize(
    "bad",
    [
        {"iss": "https://registry.example.co"},
        {"iss": "https://registry.example.com/"},
        {"iss": "https://registry.example.com.attacker.example"},
        {"iss": "registry"},
        {"iss": ""},
        {"iss": None},
        {"iss": [ISSUER]},
        {"iss": [ISSUER, "https://attacker.example"]},
        {"iss": ISSUER.upper()},
        {"aud": "other.example.com"},
        {"aud": "registry.example.co"},
        {"aud": ""},
        {"aud": None},
        {"aud": [SERVICE]},
        {"sub": None},
        {"sub": 7},
        {"sub": "alice"},
        {"sub": "07"},
        {"sub": "-7"},
        {"sub": "7\n"},
        {"sub": "٧"},
        {"sub": "9" * 5000},
        {"exp": str(int(NOW) + 300)},
        {"exp": float(int(NOW) + 300)},
        {"exp": True},
        {"exp": None},
        {"exp": 10**30},
        {"nbf": "0"},
        {"iat": None},
        {"jti": 1},
        {"tid": "9"},
        {"tid": True},
        {"access": None},
        {"access": {}},
        {"access": ["repository:alice/app:pull"]},
        {"access": [{"type": "repository", "name": "alice/app"}]},
        {"access": [{"type": "repository", "name": "alice app", "actions": ["pull"]}]},
    ],
)
def test_s29_wrong_claims_are_refused(bad: dict[str, Any]) -> None:
    payload = (
        orjson.dumps(GOOD | bad)
        if bad != {"exp": 10**30}
        else orjson.dumps(GOOD).replace(b"1800000300", b"1" + b"0" * 30)
    )
    refused(signed(payload))


@pytest.mark.parametrize("name", sorted(GOOD.keys() - {"tid"}))
def test_s29_missing_claims_are_refused(name: str) -> None:
    assert "malformed" in refused(signed(orjson.dumps({key: value for key, value in GOOD.items() if key != name})))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_s29_the_time_window_is_kept_with_a_leeway_of_30_seconds(name: str) -> None:
    when, token = GOOD[name], signed(orjson.dumps(GOOD))
    inside, outside = (when + 29, when + 30) if name == "exp" else (when - 30, when - 31)
    assert a_bearer().verify(token, inside).account_id == 7
    refused(token, outside)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_s29_tokens_of_ten_minutes_ahead_are_refused(name: str) -> None:
    assert "not valid yet" in refused(signed(orjson.dumps(GOOD | {name: int(NOW) + 600, "exp": int(NOW) + 900})))


def test_s29_an_expired_token_is_refused() -> None:
    assert "expired" in refused(signed(orjson.dumps(GOOD | {"exp": int(NOW) - 31})))
    assert "expired" in refused(signed(orjson.dumps(GOOD | {"exp": 0})))


@pytest.mark.parametrize(
    ("written", "twice"),
    [
        (b'"sub":"7"', b'"sub":"7","sub":"8"'),
        (b'"sub":"7"', b'"sub":"8","sub":"7"'),
        (b'"sub":"7"', b'"sub":"7","sub":"7"'),
        (b'"sub":"7"', b'"sub":"7","\\u0073ub":"8"'),
        (b'"name":"alice/app"', b'"name":"alice/app","name":"bob/app"'),
        (b'"exp":1800000300', b'"exp":1800000300,"exp":1900000000'),
    ],
)
def test_s29_duplicated_claims_are_refused(written: bytes, twice: bytes) -> None:
    payload = orjson.dumps(GOOD)
    assert written in payload
    assert "canonical" in refused(signed(payload.replace(written, twice)))


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[]", b"null", b"7", b'"x"', b"{", b"\xff", b"[" * 3000, orjson.dumps(GOOD) + b"\n"]
)
def test_s29_other_payloads_are_refused(payload: bytes) -> None:
    refused(signed(payload))


@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(sorted(GOOD)),
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(alphabet="7a:/"),
    ).map(lambda bad: orjson.dumps(GOOD | bad))
)
def test_s29_any_signed_payload_raises_only_the_declared_error(payload: bytes) -> None:
    try:
        claims = a_bearer().verify(signed(payload), NOW)
    except Unauthenticated:
        return
    assert claims.expires_at > NOW - 30

"""The configuration of issuers, and their keys."""

import orjson
import pytest

from auth.issuers import parse_issuers
from auth.oidc import keys_of

GITHUB = "https://token.actions.githubusercontent.com"


def config(**changed: object) -> str:
    issuer = {"issuer": GITHUB, "owners": ["acme"], **changed}
    return orjson.dumps([{name: value for name, value in issuer.items() if value is not None}]).decode()


def test_github_needs_nothing_but_its_name_and_whose_repositories() -> None:
    (issuer,) = parse_issuers(config())
    assert (issuer.repository, issuer.permissions, issuer.audience) == ("{repository}", "read", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "{}",
        "[1]",
        config(owners=None),
        config(owners=[]),
        config(issuer=None),
        config(issuer="http://issuer.example"),
        config(issuer="http://issuer.example", insecure_http=True),
        config(issuer="http://127.0.0.1:80"),
        config(issuer="ftp://127.0.0.1", insecure_http=True),
        config(issuer="https://user:password@issuer.example"),
        config(issuer="https://issuer.example/#x"),
        config(issuer="https://"),
        config(repository="acme/app"),
        config(permissions="admin"),
        config(algorithms=["HS256"]),
        config(algorithms=["none"]),
        config(algorithms=[]),
        config(audiences=["x"]),
        "[{0},{0}]".format(config()[1:-1]),
    ],
)
def test_what_is_wrong_is_told_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_issuers(text)


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1:1/realms/x", "http://[::1]:80"])
def test_http_is_for_this_machine_and_where_it_is_said(url: str) -> None:
    (issuer,) = parse_issuers(config(issuer=url, insecure_http=True))
    assert issuer.issuer == url


@pytest.mark.parametrize(
    "document",
    [
        b'{"keys": []}',
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [1, null, {}, {"kty": "oct", "kid": "a", "k": "AAAA"}, {"kty": "RSA", "kid": "b", "n": "AQAB", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "X25519", "kid": "a", "x": "AAAA"}, {"kty": "EC", "crv": "P-256", "kid": "b"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "enc", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
        b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": 7, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
    ],
)
def test_keys_that_are_none_are_left_out(document: bytes) -> None:
    assert keys_of(document) == {}


def test_keys_that_are_some() -> None:
    key = {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert list(keys_of(orjson.dumps({"keys": [{**key, "d": "private"}]}))) == ["a"]
    with pytest.raises(ValueError, match=r"."):
        keys_of(b"[]")

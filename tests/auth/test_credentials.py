"""The Authorization header: the ways clients send a token, and garbage."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.credentials import BearerCredentials, TokenCredentials, parse_authorization
from auth.errors import Unauthenticated
from auth.tokens import TokenKind, mint

#: The same in each process of a run: the cases are named by it, and pytest-xdist compares their names.
TOKEN = mint(TokenKind.CLASSIC, lambda length: bytes(range(length)))
PAT = TOKEN.reveal()
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiI3In0.c2ln"


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def refused(*values: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        parse_authorization(values)
    return caught.value


def test_no_header_is_nobody() -> None:
    assert parse_authorization([]) is None


@pytest.mark.parametrize(
    ("value", "username", "scheme"),
    [
        ("Basic " + b64(f"alice:{PAT}"), "alice", "basic"),
        ("basic  " + b64(f"USERNAME:{PAT}"), "USERNAME", "basic"),
        ("Basic " + b64(f"jürgen:{PAT}"), "jürgen", "basic"),
        (f"Bearer {PAT}", None, "bearer"),
        (f"BEARER {PAT} ", None, "bearer"),
        ("Bearer " + b64(PAT), None, "bearer"),
        ("Bearer " + b64(PAT + "\n"), None, "bearer"),
        (f"token {PAT}", None, "token"),
        (f"Token {PAT}", None, "token"),
    ],
)
def test_a_personal_access_token_comes_in_many_ways(value: str, username: str | None, scheme: str) -> None:
    credentials = parse_authorization([value])
    assert isinstance(credentials, TokenCredentials)
    assert (credentials.token.reveal(), credentials.username, credentials.scheme) == (PAT, username, scheme)


def test_a_jwt_is_a_bearer() -> None:
    credentials = parse_authorization([f"Bearer {JWT}"])
    assert isinstance(credentials, BearerCredentials)
    assert credentials.reveal() == JWT


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic " + b64(f"alice:{PAT}")[:-1],
        "Basic " + b64(f"alice:{PAT}") + "\n",
        "Basic é",
        "Basic \udcff",
        "Basic " + b64(b"\xff\xfe:" + PAT.encode()),
        "Basic " + b64("alice"),
        "Basic " + b64(":"),
        "Basic " + b64(f":{PAT}"),
        "Basic " + b64(f"a\r\nlice:{PAT}"),
        "Basic " + b64(f"alice:{PAT}\n"),
        "Digest username=alice",
        "Negotiate abc",
        PAT,
        JWT,
        "Bearer:" + PAT,
        "Basic " + "A" * 20_000,
    ],
)
def test_malformed_headers_are_refused(value: str) -> None:
    assert refused(value).error == "invalid_request"


@pytest.mark.parametrize(
    "value",
    [
        "Basic " + b64("alice:secret"),
        "Basic " + b64("alice:"),
        "Basic " + b64(f"alice:{PAT}:x"),
        "Basic " + b64("alice:pass:word:with:colons"),
        "Basic " + b64(f"alice:{PAT[:-1]}"),
        "Basic " + b64(f"alice:{JWT}"),
        "Bearer",
        "Bearer ",
        "Bearer secret",
        "Bearer " + b64("secret"),
        "Bearer " + b64(f"alice:{PAT}"),
        "Bearer " + PAT[:-1],
        "Bearer " + PAT + "\n",
        "Bearer a.b.c.d",
        f"Bearer {JWT} {JWT}",
        "token",
        "token secret",
        f"token {JWT}",
        "token " + b64(PAT),
    ],
)
def test_s34_what_is_no_token_of_ours_is_refused_here(value: str) -> None:
    assert refused(value).reason.startswith("this is no access token of this registry: ")


def test_several_headers_are_refused() -> None:
    assert "more than one" in refused(f"token {PAT}", f"token {PAT}").reason
    assert "more than one" in refused("", f"token {PAT}").reason


@given(
    st.lists(
        st.text()
        | st.builds("{} {}".format, st.sampled_from(["Basic", "Bearer", "token"]), st.text() | st.binary().map(b64)),
        max_size=2,
    )
)
def test_hostile_headers_raise_only_the_declared_error(values: list[str]) -> None:
    refusal = ""
    try:
        credentials = parse_authorization(values)
    except Unauthenticated as error:
        refusal = error.reason
    else:
        assert credentials is None if not values else isinstance(credentials, BearerCredentials)
    assert not refusal or refusal.isprintable()


def test_s35_credentials_do_not_print() -> None:
    for value, secret in ((f"Bearer {JWT}", JWT), ("Basic " + b64(f"alice:{PAT}"), PAT)):
        credentials = parse_authorization([value])
        logged = orjson.dumps(credentials, default=repr).decode()
        assert secret not in f"{credentials} {credentials!r} {logged}"
    assert PAT not in str(refused(f"Bearer {PAT}x"))

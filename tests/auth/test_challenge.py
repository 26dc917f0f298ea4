"""WWW-Authenticate: parsed back by the grammar of RFC 9110, and never more than one header."""

import re

from hypothesis import given
from hypothesis import strategies as st

from auth.challenge import basic_challenge, challenge

_PARAMETER = re.compile(r'([a-z]+)="((?:[ !#-\[\]-~]|\\["\\])*)"')


def parsed(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    assert scheme in {"Bearer", "Basic"}
    found: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        assert match is not None, rest[position:]
        found[match[1]] = re.sub(r"\\(.)", r"\1", match[2])
        position = match.end()
        separator = re.compile(r", ?").match(rest, position)
        position = separator.end() if separator else position
        assert separator or position == len(rest)
    return found


def test_the_challenge_of_ghcr() -> None:
    assert challenge("https://ghcr.io/token", "ghcr.io", "repository:user/image:pull") == (
        'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull"'
    )


def test_an_error_is_told() -> None:
    header = challenge("https://r/token", "r", "repository:a/b:pull", "invalid_token")
    assert header.endswith(',scope="repository:a/b:pull",error="invalid_token"')


def test_absent_parameters_are_left_out() -> None:
    assert challenge("https://r/token", "r") == 'Bearer realm="https://r/token",service="r"'
    assert challenge("https://r/token", "r", "", "") == 'Bearer realm="https://r/token",service="r"'


def test_basic() -> None:
    assert basic_challenge('The "API"') == 'Basic realm="The \\"API\\"", charset="UTF-8"'


def test_a_header_cannot_be_injected() -> None:
    header = challenge("https://r/token", "r", 'x"\r\nSet-Cookie: a=b', 'y",realm="https://attacker.example')
    assert parsed(header) == {
        "realm": "https://r/token",
        "service": "r",
        "scope": "x???Set-Cookie: a=b",
        "error": "y?,realm=?https://attacker.example",
    }


_hostile = st.text() | st.text(alphabet='"\\,= a\r\n\0é')


@given(_hostile, _hostile, _hostile, _hostile)
def test_hostile_texts_stay_in_their_parameter(realm: str, service: str, scope: str, error: str) -> None:
    for header in (challenge(realm, service, scope, error), basic_challenge(realm)):
        assert header.isascii()
        assert header.isprintable()
        found = parsed(header)
        assert found["realm"] == re.sub(r"[^ -~]", "?", realm)
    assert len(parsed(challenge(realm, service, scope, error))) == 2 + bool(scope) + bool(error)


_printable = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E))


@given(_printable, _printable)
def test_printable_texts_are_read_back(realm: str, service: str) -> None:
    assert parsed(challenge(realm, service)) == {"realm": realm, "service": service}

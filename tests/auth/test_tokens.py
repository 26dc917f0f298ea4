"""Personal access tokens: their shape, their checksum, and that they do not print."""

import hashlib
import string
import zlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import UnknownTokenScope
from auth.tokens import PREFIXES, SCOPES, HashedToken, TokenKind, effective, hash_of, mint, parse_scopes, recognise

KNOWN = "mrp_00000000000000000000000000000000000149eCnA"


@pytest.mark.parametrize("kind", TokenKind)
def test_a_minted_token_is_recognised_with_its_kind(kind: TokenKind) -> None:
    token = mint(kind)
    text = token.reveal()
    again = recognise(text)
    assert len(text) == 46
    assert text.startswith(PREFIXES[kind])
    assert again is not None
    assert (again.kind, again.reveal()) == (kind, text)


def test_prefixes_never_change() -> None:
    assert sorted(PREFIXES.values()) == ["mrf_", "mrk_", "mrp_", "mrw_"]


def test_the_format_never_changes() -> None:
    token = mint(TokenKind.CLASSIC, (1).to_bytes)
    assert token.reveal() == KNOWN
    assert recognise(KNOWN) is not None
    assert hash_of(token) == hashlib.sha256(KNOWN.encode()).digest()


def test_randomness_is_asked_for_256_bits() -> None:
    asked: list[int] = []

    def randomness(count: int) -> bytes:
        asked.append(count)
        return b"\xff" * count

    assert recognise(mint(TokenKind.WORKFLOW, randomness).reveal()) is not None
    assert asked == [32]


def test_tokens_differ() -> None:
    assert len({mint(TokenKind.CLASSIC).reveal() for _ in range(1000)}) == 1000


@given(st.integers(0, 45), st.sampled_from(string.ascii_letters + string.digits + "_-. \n\0é٣"))
def test_s34_one_changed_character_is_never_recognised(position: int, character: str) -> None:
    changed = KNOWN[:position] + character + KNOWN[position + 1 :]
    assert (recognise(changed) is None) == (changed != KNOWN)


@given(st.text() | st.from_regex(r"mr[pfwk]_[0-9A-Za-z]{42}", fullmatch=True))
def test_s34_garbage_is_not_recognised_and_raises_nothing(text: str) -> None:
    token = recognise(text)
    assert token is None or token.reveal() == text


@pytest.mark.parametrize(
    "text", ["", KNOWN + "\n", " " + KNOWN, KNOWN[:-1], KNOWN + "0", KNOWN.upper(), "mrf_" + KNOWN[4:]]
)
def test_s34_look_alikes_are_not_recognised(text: str) -> None:
    assert recognise(text) is None


def test_s35_tokens_do_not_print() -> None:
    token = mint(TokenKind.CLASSIC)
    secret, hashed = token.reveal()[4:], hash_of(token)
    logged = orjson.dumps({"token": token, "hash": hashed}, default=repr).decode()
    for shown in (f"{token} {token!r} {token!s}", f"{[token]}", f"{hashed} {hashed!r} {hashed!s}", logged):
        assert secret not in shown
        assert hashed.hex() not in shown
        assert repr(bytes(hashed)) not in shown
    assert "mrp_" in repr(token)


def test_a_hash_is_bytes_for_sql() -> None:
    hashed = hash_of(mint(TokenKind.CLASSIC))
    assert isinstance(hashed, bytes)
    assert isinstance(hashed, HashedToken)
    assert len(hashed) == 32


def test_known_scopes_are_kept_as_asked() -> None:
    assert parse_scopes(["write:packages", "repo", "repo"]) == {"write:packages", "repo"}
    assert parse_scopes([]) == frozenset()
    assert parse_scopes(sorted(SCOPES)) == SCOPES


def test_an_unknown_scope_is_told_with_the_known_ones() -> None:
    with pytest.raises(UnknownTokenScope, match=r"no such scope: 'packages'; the scopes are .*read:packages") as caught:
        parse_scopes(["packages", "repo"])
    assert caught.value.unknown == {"packages"}


def test_write_implies_read_and_delete_does_not() -> None:
    assert effective({"write:packages"}) == {"write:packages", "read:packages"}
    assert effective({"delete:packages"}) == {"delete:packages"}
    assert effective({"admin:org"}) == {"admin:org", "write:org", "read:org"}
    assert effective(()) == frozenset()


@given(st.frozensets(st.sampled_from(sorted(SCOPES))))
def test_what_is_implied_is_known_and_implies_no_more(scopes: frozenset[str]) -> None:
    assert scopes <= effective(scopes) <= SCOPES
    assert effective(effective(scopes)) == effective(scopes)


@pytest.mark.parametrize("length", [0, 35, 37, 1000])
def test_s34_other_lengths_are_not_recognised_with_a_right_checksum(length: int) -> None:
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    text = "mrp_" + "0" * length
    crc = zlib.crc32(text.encode())
    assert recognise(text + "".join(digits[crc // 62**place % 62] for place in range(5, -1, -1))) is None

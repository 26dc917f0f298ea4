"""The sentences that a person reads."""

from auth.errors import AuthError, MalformedScope, Unauthenticated, UnknownTokenScope


def test_unauthenticated_has_a_code_for_the_challenge() -> None:
    assert Unauthenticated("the token has expired").error == "invalid_token"
    assert Unauthenticated("no credentials", None).error is None
    assert str(Unauthenticated("no credentials", None)) == "no credentials"


def test_unknown_scopes_are_shown_short_and_printable() -> None:
    text = str(UnknownTokenScope({"\n" + "x" * 1000, *map(str, range(100))}, {"repo"}))
    assert text.isprintable()
    assert len(text) < 300


def test_all_are_auth_errors() -> None:
    assert issubclass(MalformedScope, AuthError)
    assert issubclass(UnknownTokenScope, AuthError)

"""The memory of verified tokens: bounded, and never good for longer than the token."""

import pytest

from auth.bearer import Bearer, BearerKeys, BearerSettings
from auth.errors import Unauthenticated

NOW = 1_800_000_000.5
SETTINGS = BearerSettings(issuer="https://registry.example.com", service="registry.example.com")
KEYS = BearerKeys.from_secrets([b"first secret, of thirty-two bytes"])


def a_bearer() -> Bearer:
    return Bearer(KEYS, SETTINGS)


def issued(bearer: Bearer, at: float = NOW) -> str:
    return bearer.issue(account_id=7, token_id=9, grants=(), now=at)


def refused(token: str, now: float, bearer: Bearer) -> str:
    with pytest.raises(Unauthenticated) as caught:
        bearer.verify(token, now)
    return caught.value.reason


def test_a_verified_token_is_remembered_until_it_expires() -> None:
    bearer = a_bearer()
    token = issued(bearer)
    first = bearer.verify(token, NOW)
    # another object of the same text, as each request brings
    assert bearer.verify(token.encode().decode(), NOW + 299) is first
    again = bearer.verify(token, NOW + 320)
    assert again == first
    assert again is not first
    assert "expired" in refused(token, NOW + 331, bearer)


def test_a_refused_token_is_not_remembered() -> None:
    bearer = a_bearer()
    token = issued(bearer, at=NOW + 100)
    refused(token, NOW, bearer)
    refused(token, NOW, bearer)
    assert bearer.verify(token, NOW + 100).account_id == 7


def test_the_cache_is_bounded_and_forgets_the_least_recently_used() -> None:
    bearer = a_bearer()
    tokens = [bearer.issue(account_id=n, token_id=None, grants=(), now=NOW) for n in range(1, 4098)]
    claims = [bearer.verify(token, NOW) for token in tokens[:-1]]
    assert bearer.verify(tokens[0], NOW) is claims[0]
    bearer.verify(tokens[-1], NOW)
    assert bearer.verify(tokens[0], NOW) is claims[0]
    assert bearer.verify(tokens[1], NOW) is not claims[1]

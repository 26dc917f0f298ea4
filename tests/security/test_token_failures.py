"""S36: guessing is slow, on every way in together, and nobody with a good token is locked out for it."""

from auth.tokens import TokenKind, mint
from tests.support.server import Registry, basic, running

PATHS = ("/token", "/v2/", "/api/v3/user")


def bad() -> str:
    """A token that could be one of ours."""
    return mint(TokenKind.CLASSIC).reveal()


async def test_s36_ten_failures_for_an_address(registry: Registry) -> None:
    alice = await registry.user("alice", ["user", "read:packages"])
    for number in range(10):
        path = PATHS[number % 3]
        assert (await registry.call("GET", path, headers=basic(bad(), f"user{number}"))).status == 401
    for path in PATHS:
        refused = await registry.call("GET", path, headers=basic(bad(), "somebody"))
        assert refused.status == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 301
    form = {"grant_type": "password", "username": "x", "password": bad()}
    assert (await registry.call("POST", "/token", data=form)).status == 429
    for headers in (
        basic("hunter2", "alice"),
        {"Authorization": f"token {bad()}"},
        {"Authorization": f"Bearer {bad()}"},
    ):
        assert (await registry.call("GET", "/api/v3/user", headers=headers)).status == 429
    # Many come from behind one address: whoever has a good token, or none, is not held for the others.
    for path in PATHS:
        assert (await registry.call("GET", path, alice)).status == 200
    assert (await registry.call("GET", "/token")).status == 200
    assert (await registry.call("GET", "/v2/")).status == 401
    # Nor does an expired or foreign bearer token count or get refused: it is how clients learn to fetch a new one.
    stale = {"Authorization": "Bearer eyJhbGciOiJFZERTQSJ9.e30.AAAA"}
    assert (await registry.call("GET", "/v2/", headers=stale)).status == 401


async def test_s36_ten_failures_for_a_user_name_from_anywhere(env: dict[str, str]) -> None:
    env["MOORAGE_TRUSTED_PROXIES"] = "10.0.0.0/8, 127.0.0.0/8"
    async with running(env) as registry:
        alice = await registry.user("alice", ["user"])
        for number in range(10):
            headers = {**basic(bad(), "Alice"), "X-Forwarded-For": f"192.0.2.{number}"}
            assert (await registry.call("GET", PATHS[number % 3], headers=headers)).status == 401
        headers = {**basic("no token at all", "alice"), "X-Forwarded-For": "198.51.100.1"}
        assert (await registry.call("GET", "/token", headers=headers)).status == 429
        good = {**basic(alice, "alice"), "X-Forwarded-For": "198.51.100.1"}
        assert (await registry.call("GET", "/token", headers=good)).status == 200


async def test_s36_an_untrusted_peer_may_write_what_it_likes(registry: Registry) -> None:
    for number in range(10):
        headers = {**basic(bad(), f"user{number}"), "X-Forwarded-For": f"192.0.2.{number}"}
        assert (await registry.call("GET", "/token", headers=headers)).status == 401
    headers = {**basic(bad(), "other"), "X-Forwarded-For": "198.51.100.7"}
    assert (await registry.call("GET", "/token", headers=headers)).status == 429


async def test_identity_tokens_count_too(registry: Registry) -> None:
    identity = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.AAAA"
    for _ in range(10):
        assert (await registry.call("GET", "/token", headers=basic(identity, "oidc"))).status == 401
    assert (await registry.call("GET", "/token", headers=basic(identity, "oidc"))).status == 429

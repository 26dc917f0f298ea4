"""Rate limits of pulls as clients of a registry see them: what counts, for whom, and what they are told."""

import asyncio
import time
from typing import Any

import pytest

from tests.support.server import Registry, running

_MANIFEST = "/v2/alice/app/manifests/v1"


async def _public(registry: Registry) -> str:
    """Push a public image; the token of its owner."""
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    await registry.services.db.execute("UPDATE packages SET visibility = 'public'")
    return token


async def test_pulls_without_sign_in_are_limited_by_address_and_heads_are_free(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "anonymous-pulls=3/6h"}) as registry:
        token = await _public(registry)
        for head in [await registry.call("HEAD", _MANIFEST) for _ in range(5)]:
            assert head.status == 200
            assert (head.headers["ratelimit-limit"], head.headers["ratelimit-remaining"]) == ("3;w=21600", "3;w=21600")
            assert head.headers["docker-ratelimit-source"] == "127.0.0.1"
        etag = {"If-None-Match": (await registry.call("HEAD", _MANIFEST)).headers["ETag"]}
        assert (await registry.call("GET", "/v2/alice/app/manifests/none")).status == 404
        assert (await registry.call("GET", _MANIFEST, headers=etag)).status == 304
        assert [(await registry.call("GET", _MANIFEST)).status for _ in range(3)] == [200, 200, 200]
        refused = await registry.call("GET", _MANIFEST)
        assert (refused.status, refused.code) == (429, "TOOMANYREQUESTS")
        seconds = int(refused.headers["Retry-After"])
        assert 7190 <= seconds <= 7200, "a third of the window until one is back"
        assert refused.headers["RateLimit-Policy"] == '"anonymous-pulls";q=3;w=21600'
        assert refused.headers["RateLimit"] == f'"anonymous-pulls";r=0;t={seconds}'
        assert refused.headers["ratelimit-remaining"] == "0;w=21600"
        error: Any = refused.json
        assert error["errors"][0]["detail"] == {
            "policy": "anonymous-pulls", "limit": 3, "window_seconds": 21600, "retry_after_seconds": seconds,
        }  # fmt: skip
        assert "3 pulls in 6h" in error["errors"][0]["message"]
        assert (await registry.call("HEAD", _MANIFEST)).headers["ratelimit-remaining"] == "0;w=21600"
        mine = await registry.call("GET", _MANIFEST, token)
        assert mine.status == 200, "who signs in has limits of their own"
        assert "ratelimit-limit" not in mine.headers


async def test_an_answer_tells_what_is_left_once_it_is_little(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "anonymous-pulls=10/1h"}) as registry:
        await _public(registry)
        told = [(await registry.call("GET", _MANIFEST)).headers.get("ratelimit-remaining") for _ in range(10)]
        assert told[:8] == [None] * 8
        assert told[9] == "0;w=3600"


async def test_an_account_counts_over_its_tokens_and_a_token_alone(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "account-pulls=4/1h, token-pulls=3/1h"}) as registry:
        first = await _public(registry)
        second, other = await registry.token("alice"), await registry.user("bob")

        async def pulled(token: str) -> int:
            return (await registry.call("GET", _MANIFEST, token)).status

        assert [await pulled(first) for _ in range(4)] == [200, 200, 200, 429], "the limit of a token"
        assert [await pulled(second) for _ in range(2)] == [200, 429], "the limit of the account"
        assert await pulled(other) == 200
        assert (await registry.call("GET", _MANIFEST)).status == 200, "nothing limits those without sign-in"


async def test_bearer_and_basic_credentials_count_together(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "account-pulls=2/1h"}) as registry:
        token = await _public(registry)
        got: Any = (await registry.call("GET", "/token?scope=repository:alice/app:pull", token)).json
        bearer = {"Authorization": f"Bearer {got['token']}"}
        assert (await registry.call("GET", _MANIFEST, headers=bearer)).status == 200
        assert (await registry.call("GET", _MANIFEST, token)).status == 200
        assert (await registry.call("GET", _MANIFEST, headers=bearer)).status == 429
        assert (await registry.call("GET", "/token?scope=repository:alice/app:pull", token)).status == 200


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
    ],
)
async def test_addresses_are_what_trusted_proxies_tell_and_a_64_of_ipv6_is_one(
    env: dict[str, str], first: str, second: str, shared: bool
) -> None:
    limits = {"MOORAGE_LIMITS": "anonymous-pulls=1/1h", "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}
    async with running({**env, **limits}) as registry:
        await _public(registry)

        async def pulled(address: str) -> int:
            return (
                await registry.call("GET", _MANIFEST, headers={"X-Forwarded-For": f"203.0.113.9, {address}"})
            ).status

        assert await pulled(first) == 200
        assert await pulled(second) == (429 if shared else 200)


async def test_an_address_that_a_client_writes_itself_is_not_believed(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "anonymous-pulls=1/1h"}) as registry:
        await _public(registry)
        assert (await registry.call("GET", _MANIFEST, headers={"X-Forwarded-For": "192.0.2.1"})).status == 200
        assert (await registry.call("GET", _MANIFEST, headers={"X-Forwarded-For": "192.0.2.2"})).status == 429


async def test_a_pull_waits_for_its_turn_where_that_comes_soon(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "anonymous-pulls=2/2s"}) as registry:
        await _public(registry)
        began = time.monotonic()
        assert [(await registry.call("GET", _MANIFEST)).status for _ in range(4)] == [200] * 4
        assert time.monotonic() - began > 1.5


async def test_who_asks_again_at_once_is_slowed_down(env: dict[str, str]) -> None:
    """Containerd does, whatever Retry-After says: remotes/docker/resolver.go."""
    async with running({**env, "MOORAGE_LIMITS": "anonymous-pulls=1/1h"}) as registry:
        await _public(registry)
        began = time.monotonic()
        crowd = [registry.call("GET", _MANIFEST) for _ in range(20)]
        assert sorted(answer.status for answer in await asyncio.gather(*crowd)) == [200] + [429] * 19
        assert 1.9 < time.monotonic() - began < 8


async def test_a_push_is_no_pull(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "account-pulls=1/1h, account-requests=1/1h"}) as registry:
        token = await registry.user("alice")
        pushed = {await registry.push_image("alice/app", f"v{number}", token) for number in range(5)}
        assert len(pushed) == 5


async def test_without_limits_nothing_is_told(registry: Registry) -> None:
    await _public(registry)
    answer = await registry.call("HEAD", _MANIFEST)
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]

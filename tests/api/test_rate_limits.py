"""Rate limits of the API, as gh, Octokit and go-github read them."""

import time
from typing import Any

from tests.support.server import Registry, running

_USER = "/api/v3/user"
_LIMIT = "/api/v3/rate_limit"


async def test_each_answer_tells_what_is_left_and_the_last_when_to_come_again(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "account-requests=3/1h"}) as registry:
        alice, bob = await registry.user("alice"), await registry.user("bob")
        answers = [await registry.call("GET", _USER, alice) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        names = ("limit", "remaining", "used", "resource")
        told = [tuple(answer.headers[f"x-ratelimit-{name}"] for name in names) for answer in answers]
        assert told == [
            ("3", "2", "1", "core"),
            ("3", "1", "2", "core"),
            ("3", "0", "3", "core"),
            ("3", "0", "3", "core"),
        ]
        refused = answers[3]
        error: Any = refused.json
        assert error["message"].startswith("API rate limit exceeded of this account: 3 requests in 1h")
        assert (error["policy"], error["status"]) == ("account-requests", "429")
        seconds, reset = int(refused.headers["Retry-After"]), int(refused.headers["x-ratelimit-reset"])
        assert abs(reset - time.time() - seconds) <= 2
        assert 1190 <= seconds <= 1200
        assert (await registry.call("GET", _USER, bob)).status == 200
        assert (await registry.call("GET", "/api/v3/meta")).status == 200


async def test_to_ask_what_is_left_is_free_and_tells_the_truth(env: dict[str, str]) -> None:
    limits = "anonymous-requests=60/1h, account-requests=100/1h, token-requests=50/1h, account-pulls=10/6h"
    async with running({**env, "MOORAGE_LIMITS": limits}) as registry:
        alice = await registry.user("alice")
        await registry.push_image("alice/app", "v1", alice)
        for _ in range(3):
            assert (await registry.call("GET", _USER, alice)).status == 200
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).status == 200
        answer = [await registry.call("GET", _LIMIT, alice) for _ in range(5)][-1]
        found: Any = answer.json
        assert answer.headers["x-ratelimit-remaining"] == "47"
        assert {name: found["rate"][name] for name in ("limit", "used", "remaining")} == {
            "limit": 50, "used": 3, "remaining": 47,
        }  # fmt: skip
        assert {**found["rate"], "resource": "core"} == found["resources"]["core"]
        assert [(one["name"], one["window_seconds"], one["limit"], one["used"]) for one in found["policies"]] == [
            ("account-pulls", 21600, 10, 1),
            ("token-requests", 3600, 50, 3),
            ("account-requests", 3600, 100, 3),
        ]
        nobody: Any = (await registry.call("GET", _LIMIT)).json
        assert (nobody["rate"]["limit"], nobody["rate"]["used"]) == (60, 0)


async def test_wrong_credentials_are_no_request_of_an_account(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_LIMITS": "account-requests=1/1h"}) as registry:
        alice = await registry.user("alice")
        for _ in range(3):
            assert (await registry.call("GET", _USER, alice[:-1])).status == 401
        assert (await registry.call("GET", _USER, alice)).status == 200


async def test_without_limits_clients_that_plan_never_wait(registry: Registry) -> None:
    alice = await registry.user("alice")
    found: Any = (await registry.call("GET", _LIMIT, alice)).json
    assert (found["rate"]["remaining"], found["policies"]) == (15_000, [])
    assert "x-ratelimit-limit" not in (await registry.call("GET", _USER, alice)).headers

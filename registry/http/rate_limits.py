"""Rate limits as clients are told of them: Docker's headers, GitHub's, and those of the IETF's draft.

draft-ietf-httpapi-ratelimit-headers-10: ``t`` points to the same time as Retry-After where nothing is left.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from registry.http.proxies import client_address
from registry.http.server.message import Rendered, Request
from registry.rate_limits import Quantity, RateLimited, RateLimits, Standing, Subject, Tally
from registry.services import Services

#: The route of the API that tells what is left.
RATE_LIMIT: Final = "/rate_limit"

_NOTHING: Final = Rendered({})
#: How long an answer that counts nothing may repeat what was told before.
_TOLD_SECONDS: Final = 0.05

#: Whoever asks again at once, as containerd does whatever Retry-After says, is slowed down by waiting for the refusal;
#: less than any client waits for an answer.
_PATIENCE_SECONDS: Final = 2.0
_HELD_MAX: Final = 1000


def tally_of(services: Services, limits: RateLimits, http: Request, quantity: Quantity) -> Tally:
    """Return what a request counts on, once its caller is identified."""
    if http.token_id is None:
        return limits.tally(quantity, None, None, client_address(http, services.settings.trusted_proxies))
    return limits.tally(quantity, http.account_id, http.token_id, "")


def take_pull(services: Services, limits: RateLimits, http: Request) -> Mapping[str, str]:
    """Count a pull; return what goes on its answer. Raises RateLimited."""
    try:
        standing = limits.take(tally_of(services, limits, http, Quantity.PULLS))
    except RateLimited as error:
        error.headers.update(_of_pulls(error.standing))
        raise
    return _NOTHING if standing is None else _of_pulls(standing)


def pulls_left(services: Services, limits: RateLimits, http: Request) -> Mapping[str, str]:
    """Return what tells how many pulls were left a moment ago, and count none."""
    tally = tally_of(services, limits, http, Quantity.PULLS)
    if tally.told is None or http.started >= tally.told_until:
        standing = limits.tightest(tally)
        tally.told = _NOTHING if standing is None else Rendered(_of_pulls(standing))
        tally.told_until = http.started + _TOLD_SECONDS
    return tally.told


async def wait(services: Services, error: RateLimited) -> bool:
    """Wait for the limit to allow one more, for two seconds at most; return whether it does."""
    limits = services.limits
    if limits is None or limits.held >= _HELD_MAX:
        return False
    limits.held += 1
    try:
        await asyncio.sleep(min(error.wait_seconds, _PATIENCE_SECONDS))
    finally:
        limits.held -= 1
    return error.wait_seconds <= _PATIENCE_SECONDS


def take_request(services: Services, http: Request) -> None:
    """Count a request of the API; to ask what is left is free. Raises RateLimited."""
    limits = services.limits
    if limits is not None and http.route != RATE_LIMIT:
        limits.take(tally_of(services, limits, http, Quantity.REQUESTS))


def requests_left(services: Services, http: Request) -> Mapping[str, str]:
    """Return what tells how many requests of the API are left, in GitHub's headers; none where they have no limit."""
    limits = services.limits
    if limits is None:
        return {}
    standing = limits.tightest(tally_of(services, limits, http, Quantity.REQUESTS))
    if standing is None:
        return {}
    policy = standing.policy
    return {
        "X-RateLimit-Limit": str(policy.quota),
        "X-RateLimit-Remaining": str(standing.remaining),
        "X-RateLimit-Used": str(policy.quota - standing.remaining),
        "X-RateLimit-Reset": str(int(services.now()) + standing.reset_seconds),
        "X-RateLimit-Resource": "core",
        **_of_the_draft(standing),
    }


def _of_pulls(standing: Standing) -> Mapping[str, str]:
    policy = standing.policy
    source = standing.subject if policy.subject is Subject.ANONYMOUS else f"{policy.subject} {standing.subject}"
    return {
        "RateLimit-Limit": f"{policy.quota};w={policy.window_seconds}",
        "RateLimit-Remaining": f"{standing.remaining};w={policy.window_seconds}",
        "Docker-RateLimit-Source": source,
        **_of_the_draft(standing),
    }


def _of_the_draft(standing: Standing) -> Mapping[str, str]:
    policy = standing.policy
    return {
        "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={policy.window_seconds}',
        "RateLimit": f'"{policy.name}";r={standing.remaining};t={standing.reset_seconds}',
    }

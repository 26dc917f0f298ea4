"""Failures of upstreams: what a client is told of one, and when the upstream is asked again."""

import math
from typing import Final

from registry.errors import RegistryError, TooManyRequests, UnavailableNow
from registry.mirror.mirrors import Mirror
from registry.mirror.upstream import UpstreamError

_REST_MOST: Final = 60.0
#: After bytes that were wrong an upstream is left alone for longer: they were fetched in vain.
_WRONG_SECONDS: Final = 10.0


def rest_of(mirror: Mirror, failure: UpstreamError, failures: int) -> float:
    """Return for how many seconds nobody asks again, after so many ``failures`` in a row."""
    if failure.retry_after is not None:
        return float(failure.retry_after)
    match failure.kind:
        case "missing":
            return float(mirror.missing_seconds)
        case "wrong":
            return _WRONG_SECONDS
        case _:
            return min(_REST_MOST, 2.0 ** min(failures - 1, 6))


def told(mirror: Mirror, missing: RegistryError, failure: UpstreamError) -> RegistryError:
    """Return the error for a client who gets nothing; ``missing``: of what the upstream does not have."""
    rest = max(1, math.ceil(failure.retry_after or 1))
    upstream = f"{mirror.shown}, of which {mirror.login} is a mirror"
    match failure.kind:
        case "missing":
            return missing
        case "limited":
            return TooManyRequests(rest, f"requests to {upstream}: {failure.why}")
        case "denied":
            return UnavailableNow(
                rest, f"{upstream}, refuses this ({failure.why}): there is no such image, or it needs other credentials"
            )
        case _:
            return UnavailableNow(rest, f"{upstream}, does not give this: {failure.why}")

"""Rate limits: how many pulls and requests of the API a caller may make, counted for the whole node.

Each limit is GCRA's: all of it may be used at once, and it comes back evenly over its window.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from math import ceil, inf
from operator import attrgetter
from typing import Final

import msgspec

from registry.errors import TooManyRequests
from registry.process.rates import Rates, SharedRates, key_of

_POLICY: Final = re.compile(r"([a-z]+)-([a-z]+)=([0-9]+)/([0-9]*)([smhd])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_QUOTA_MAX: Final = 1_000_000_000
_WINDOW_MAX: Final = 31 * 86_400
_CALLERS: Final = 4096
#: A caller is told of its limit with each answer once less than a fifth of it is left.
_SCARCE: Final = 0.8


class Quantity(StrEnum):
    """The quantity that a limit counts: GETs of manifests, or requests of the API."""

    PULLS = "pulls"
    REQUESTS = "requests"


class Subject(StrEnum):
    """The subject that a limit counts for: an address without credentials, the account of a token, or a token alone."""

    ANONYMOUS = "anonymous"
    ACCOUNT = "account"
    TOKEN = "token"  # noqa: S105 - a word


#: The names of all limits that there may be.
POLICIES: Final = tuple(f"{subject}-{quantity}" for subject in Subject for quantity in Quantity)


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A limit: ``quota`` of a quantity in a window, for each subject of a kind."""

    subject: Subject
    quantity: Quantity
    quota: int
    window_seconds: int
    name: str = field(init=False)
    #: How far one of them moves its caller ahead; how far ahead the next is refused, and where it is told.
    cost: float = field(init=False)
    most: float = field(init=False)
    scarce: float = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        cost = self.window_seconds / self.quota
        put(self, "name", f"{self.subject}-{self.quantity}")
        put(self, "cost", cost)
        put(self, "most", self.window_seconds - cost * 0.999)  # sums of doubles are not exact
        put(self, "scarce", self.window_seconds * _SCARCE)

    @property
    def rule(self) -> str:
        """The limit as it is set: ``100/6h``."""
        unit, seconds = next((unit, size) for unit, size in reversed(_UNITS.items()) if self.window_seconds % size == 0)
        return f"{self.quota}/{self.window_seconds // seconds}{unit}"

    def __str__(self) -> str:
        return f"{self.name}={self.rule}"


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Parse ``anonymous-pulls=100/6h, account-requests=5000/1h``. Raises ValueError."""
    found: dict[str, Policy] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        policy = _policy(part)
        if policy.name in found:
            raise ValueError(f"expected {policy.name} once")
        found[policy.name] = policy
    return tuple(found.values())


def _policy(text: str) -> Policy:
    match = _POLICY.fullmatch(text)
    if match is None or f"{match[1]}-{match[2]}" not in POLICIES:
        raise ValueError(
            f"expected NAME=COUNT/WINDOW such as {POLICIES[0]}=100/6h, with one of {', '.join(POLICIES)}, got {text!r}"
        )
    quota, window = int(match[3]), int(match[4] or 1) * _UNITS[match[5]]
    if not 1 <= quota <= _QUOTA_MAX or not 1 <= window <= _WINDOW_MAX:
        raise ValueError(f"expected 1 to {_QUOTA_MAX} in at most {_WINDOW_MAX // _UNITS['d']}d, got {text!r}")
    return Policy(Subject(match[1]), Quantity(match[2]), quota, window)


class Caller(msgspec.Struct, frozen=True):
    """The caller that a request counts for; ``address`` is told where there are no credentials."""

    address: str
    account_id: int | None = None
    token_id: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """The rest of a limit that a caller has. ``reset_seconds``: until all of it is back; with no rest, until one is."""

    policy: Policy
    subject: str
    remaining: int
    reset_seconds: int


_REMAINING: Final = attrgetter("remaining")


class RateLimited(TooManyRequests):
    """The caller has used up a limit; ``wait_seconds``: until it may go on."""

    def __init__(self, standing: Standing, wait_seconds: float) -> None:
        super().__init__(standing.reset_seconds)
        policy = standing.policy
        self.standing = standing
        self.wait_seconds = wait_seconds
        self.message = _sentence(standing)
        self.detail = {
            "policy": policy.name,
            "limit": policy.quota,
            "window_seconds": policy.window_seconds,
            "retry_after_seconds": standing.reset_seconds,
        }


def _sentence(standing: Standing) -> str:
    policy = standing.policy
    whose = {
        Subject.ANONYMOUS: f"without sign-in from {standing.subject}",
        Subject.ACCOUNT: "of this account",
        Subject.TOKEN: "of this token",
    }[policy.subject]
    what = "pull rate limit reached" if policy.quantity is Quantity.PULLS else "API rate limit exceeded"
    allowed = policy.rule.replace("/", f" {policy.quantity} in ")
    return f"{what} {whose}: {allowed}; try again in {standing.reset_seconds} seconds"


class RateLimits:
    """The limits of a process; ``refused`` counts by policy, ``held`` the requests that wait for their refusal."""

    def __init__(self, policies: Sequence[Policy], rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self.refused = {policy.name: 0 for policy in policies}
        self.held = 0
        self._rates = rates
        self._clock = clock
        self._policies = {(policy.subject, policy.quantity): policy for policy in policies}
        self._limits_of = lru_cache(_CALLERS)(self._find)

    def take(self, quantity: Quantity, caller: Caller) -> Standing | None:
        """Count one; return what the caller is to be told, where little is left. Raises RateLimited."""
        limits = self._limits_of(quantity, caller)
        now, take, scarce = self._clock(), self._rates.take, False
        for limit in limits:
            policy, key, subject = limit
            ahead = take(key, policy.cost, policy.most, now)
            if ahead > policy.scarce:
                if ahead > policy.most:
                    for taken, other, _ in limits[: limits.index(limit)]:
                        take(other, -taken.cost, inf, now)
                    self.refused[policy.name] += 1
                    raise RateLimited(_standing(policy, subject, ahead), ahead - policy.most)
                scarce = True
        return self.tightest(quantity, caller) if scarce else None

    def standings(self, quantity: Quantity, caller: Caller) -> list[Standing]:
        """Return what a caller has left of each limit, the tightest first."""
        now, take = self._clock(), self._rates.take
        found = [
            _standing(policy, subject, take(key, 0.0, inf, now))
            for policy, key, subject in self._limits_of(quantity, caller)
        ]
        found.sort(key=_REMAINING)
        return found

    def tightest(self, quantity: Quantity, caller: Caller) -> Standing | None:
        """Return what a caller has left of the limit that ends first; None without any."""
        found = self.standings(quantity, caller)
        return found[0] if found else None

    def of_account(self, account_id: int) -> list[Standing]:
        """Return what an account has left of each of its limits, over all of its tokens."""
        caller = Caller("", account_id)
        return [one for quantity in Quantity for one in self.standings(quantity, caller)]

    def _find(self, quantity: Quantity, caller: Caller) -> tuple[tuple[Policy, int, str], ...]:
        """Return the limits of a caller: each with the key of its row, and the name of the subject in it."""
        named = {Subject.ACCOUNT: caller.account_id, Subject.TOKEN: caller.token_id}
        subjects = {one: str(number) for one, number in named.items() if number is not None}
        return tuple(
            (policy, key_of(policy.name, name), name)
            for subject, name in (subjects or {Subject.ANONYMOUS: caller.address}).items()
            if (policy := self._policies.get((subject, quantity))) is not None
        )


def _standing(policy: Policy, subject: str, ahead: float) -> Standing:
    left = int((policy.most - ahead) / policy.cost + 1.0) if ahead <= policy.most else 0
    return Standing(policy, subject, left, ceil(ahead if left else ahead - policy.most))


def limits_of(policies: Sequence[Policy], rates: Rates | None = None) -> RateLimits | None:
    """Return the limits of a process; None where nothing is limited. Without ``rates`` it counts for itself."""
    return RateLimits(policies, rates or SharedRates(1).of(0)) if policies else None

"""Rate limits: how many pulls and requests of the API a caller may make, counted for the whole node.

Each limit is GCRA's: all of it may be used at once, and it comes back evenly over its window.
"""

import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
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
    counted = policy.quantity.removesuffix("s") if policy.quota == 1 else policy.quantity
    allowed = policy.rule.replace("/", f" {counted} in ")
    return f"{what} {whose}: {allowed}; try again in {standing.reset_seconds} seconds"


class Meter:
    """A limit of one subject, as a process keeps it: of what it was ``granted``, ``spare`` is not taken yet.

    What was granted is written into the table when it is used up or asked for, so most pulls cost a subtraction. It is
    a small share of what is left, so that nobody comes further over a limit than by a sixty-fourth of it.
    """

    __slots__ = ("granted", "key", "policy", "spare", "subject")

    def __init__(self, policy: Policy, subject: str) -> None:
        self.policy = policy
        self.subject = subject
        self.key = key_of(policy.name, subject)
        self.granted = 0
        self.spare = 0


class Tally:
    """The meters that a caller's requests count on; ``told``: what was last said of them, good until ``told_until``."""

    __slots__ = ("meters", "told", "told_until")

    def __init__(self, meters: Sequence[Meter]) -> None:
        self.meters = meters
        self.told: Mapping[str, str] | None = None
        self.told_until = 0.0


class RateLimits:
    """The limits of a process; ``refused`` counts by policy, ``held`` the requests that wait for their refusal.

    ``tally`` returns the tally of a caller: quantity, account, token, and the address of one without these.
    """

    def __init__(self, policies: Sequence[Policy], rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self.refused = {policy.name: 0 for policy in policies}
        self.held = 0
        self._rates = rates
        self._clock = clock
        self._policies = {(policy.subject, policy.quantity): policy for policy in policies}
        self._meter = lru_cache(_CALLERS)(Meter)
        self.tally = lru_cache(_CALLERS)(self._tally)

    def take(self, tally: Tally) -> Standing | None:
        """Count one; return what the caller is to be told, where little is left. Raises RateLimited."""
        scarce = False
        tally.told_until = 0.0
        for meter in tally.meters:
            if meter.spare:
                meter.spare -= 1
            else:
                scarce = self._take(meter, tally.meters) or scarce
        return self.tightest(tally) if scarce else None

    def _take(self, meter: Meter, meters: Sequence[Meter]) -> bool:
        """Count one in the table; return whether little is left. Raises RateLimited, with nothing counted."""
        now, policy = self._clock(), meter.policy
        self._settle(meter, now)
        ahead = self._rates.take(meter.key, policy.cost, policy.most, now)
        if ahead > policy.most:
            for earlier in itertools.takewhile(lambda one: one is not meter, meters):
                self._rates.take(earlier.key, -earlier.policy.cost, inf, now)
            self.refused[policy.name] += 1
            raise RateLimited(_standing(meter, ahead), ahead - policy.most)
        if ahead > policy.scarce:
            return True
        meter.granted = meter.spare = int((policy.most - ahead) / policy.cost) // self._rates.share
        return False

    def _settle(self, meter: Meter, now: float) -> None:
        """Write into the table what was taken of what was granted."""
        taken, meter.granted = meter.granted - meter.spare, meter.spare
        if taken:
            self._rates.take(meter.key, taken * meter.policy.cost, inf, now)

    def standings(self, tally: Tally) -> list[Standing]:
        """Return what a caller has left of each limit, the tightest first."""
        now = self._clock()
        for meter in tally.meters:
            self._settle(meter, now)
        found = [_standing(meter, self._rates.take(meter.key, 0.0, inf, now)) for meter in tally.meters]
        found.sort(key=_REMAINING)
        return found

    def tightest(self, tally: Tally) -> Standing | None:
        """Return what a caller has left of the limit that ends first; None without any."""
        found = self.standings(tally)
        return found[0] if found else None

    def of_account(self, account_id: int) -> list[Standing]:
        """Return what an account has left of each of its limits, over all of its tokens."""
        return [one for quantity in Quantity for one in self.standings(self.tally(quantity, account_id, None, ""))]

    def _tally(self, quantity: Quantity, account_id: int | None, token_id: int | None, address: str) -> Tally:
        named = {Subject.ACCOUNT: account_id, Subject.TOKEN: token_id}
        subjects = {one: str(number) for one, number in named.items() if number is not None}
        return Tally(
            [
                self._meter(policy, name)
                for subject, name in (subjects or {Subject.ANONYMOUS: address}).items()
                if (policy := self._policies.get((subject, quantity))) is not None
            ]
        )


def _standing(meter: Meter, ahead: float) -> Standing:
    policy = meter.policy
    left = int((policy.most - ahead) / policy.cost + 1.0) if ahead <= policy.most else 0
    if left == policy.quota:  # a thousandth of one may be on its way back
        return Standing(policy, meter.subject, left, 0)
    return Standing(policy, meter.subject, left, ceil(ahead if left else ahead - policy.most))


def limits_of(policies: Sequence[Policy], rates: Rates | None) -> RateLimits | None:
    """Return the limits of a process; None where nothing is limited. Without ``rates`` it counts for itself."""
    return RateLimits(policies, rates or SharedRates(1).of(0)) if policies else None

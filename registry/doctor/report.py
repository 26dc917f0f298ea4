"""The report of the doctor: checks, each right, wrong, or worth a look, with a cure."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson


class Mark(StrEnum):
    """The outcome of a check; the values stand in the JSON report."""

    RIGHT = "right"
    WRONG = "wrong"
    HINT = "hint"


_SIGNS: Final = {Mark.RIGHT: "✓", Mark.WRONG: "✗", Mark.HINT: "!"}


@dataclass(frozen=True, slots=True)
class Check:
    """A finished check: a part of the deployment, what is so, and the cure, "" where nothing is wrong."""

    mark: Mark
    part: str
    told: str
    cure: str = ""

    def line(self) -> str:
        """Render the check for a person."""
        return f"{_SIGNS[self.mark]} {self.part}: {self.told}" + (f"\n    → {self.cure}" if self.cure else "")


def right(part: str, told: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(Mark.RIGHT, part, told)


def wrong(part: str, told: str, cure: str) -> Check:
    """Return a check that found a fault."""
    return Check(Mark.WRONG, part, told, cure)


def hint(part: str, told: str, cure: str) -> Check:
    """Return a check that found nothing that fails, but something to look at."""
    return Check(Mark.HINT, part, told, cure)


#: Bearer tokens are believed by clocks that differ as much as that; S3 takes 15 minutes.
_SKEW_SECONDS: Final = 20.0
_CLOCK: Final = "set the clocks of all machines by NTP (timedatectl set-ntp true)"
#: What mends a proxy that has a limit of its own for bodies.
LARGE_BODIES: Final = 'nginx: client_max_body_size 0; ingress-nginx: proxy-body-size "0"; Apache: LimitRequestBody 0'


def clock(part: str, ahead_seconds: float) -> Check:
    """Judge how far another machine's clock is ahead of the clock here."""
    if abs(ahead_seconds) <= _SKEW_SECONDS:
        return right(part, "its clock and the clock here agree")
    way = "ahead of" if ahead_seconds > 0 else "behind"
    return wrong(part, f"its clock is {abs(ahead_seconds):.0f} s {way} the clock here", _CLOCK)


def is_sound(checks: Sequence[Check]) -> bool:
    """Return whether no check found a fault."""
    return all(check.mark is not Mark.WRONG for check in checks)


def as_json(checks: Sequence[Check]) -> str:
    """Render the report for programs."""
    return orjson.dumps({"ok": is_sound(checks), "checks": checks}, option=orjson.OPT_INDENT_2).decode()


def reason_of(error: Exception) -> str:
    """Return a short reason of a failed connection, without what was sent on the connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return f"no TLS there ({error.reason or 'SSLError'})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__

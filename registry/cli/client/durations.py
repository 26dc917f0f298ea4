"""Ages and times as arguments: ``90d``, ``12h``, or a time in ISO 8601."""

import re
from collections.abc import Callable
from typing import Final

from registry.cli.client.errors import USAGE, CommandError
from registry.cli.client.output import seconds_of

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LENGTH: Final = re.compile(r"(\d{1,6})([smhdw])")


def seconds(text: str) -> int:
    """Parse a length of time. Raises CommandError."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise CommandError(f"{text!r} is no length of time", status=USAGE, why="expected 30m, 12h, 90d or 4w")
    return int(found[1]) * _UNITS[found[2]]


def moment(text: str, now: float) -> float:
    """Parse a length of time before now, or a time in ISO 8601, to seconds since 1970. Raises CommandError."""
    if _LENGTH.fullmatch(text):
        return now - seconds(text)
    try:
        return seconds_of(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is no time", status=USAGE, why="expected 5m, 12h, 90d, or ISO 8601") from error


def before(text: str) -> Callable[[float], float]:
    """Return the function that converts an age, or a time in ISO 8601, to a time, given now. Raises CommandError."""
    try:
        moment(text, 0)
    except CommandError as error:
        raise CommandError(f"{text!r} is no age", status=USAGE, why="expected 30m, 12h, 90d, or ISO 8601") from error
    return lambda now: moment(text, now)

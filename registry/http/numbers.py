"""Numbers in addresses, queries and forms."""

from typing import Final

_ID_DIGITS: Final = 18
_PLACE_MAX: Final = 2**31 - 1


def number_of(text: str) -> int | None:
    """Return the number that a text is, if it may be an id."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS else None


def place_text(package_id: int, place: int) -> str:
    """Return the text of a package and a place in it, as ``place_of`` reads the text."""
    return f"{package_id}-{place}"


def place_of(text: str) -> tuple[int, int]:
    """Return the package and the place in it that a text like ``7-0`` names; what it does not name is the beginning."""
    package, _, place = text.partition("-")
    number = number_of(place)
    return number_of(package) or 0, -1 if number is None else min(number, _PLACE_MAX)

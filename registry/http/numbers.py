"""Numbers in addresses, queries and forms."""

from typing import Final

_ID_DIGITS: Final = 18


def number_of(text: str) -> int | None:
    """Return the number that a text is, if it may be an id."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS else None


def place_of(text: str) -> tuple[int, int]:
    """Return the package and row that a list goes on behind, as in `7-0`; any other text: before all."""
    package, row = map(number_of, text.partition("-")[::2])
    return (0, -1) if package is None or row is None else (package, row)

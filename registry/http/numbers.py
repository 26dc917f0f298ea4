"""Numbers in addresses, queries and forms."""

from typing import Final

_ID_DIGITS: Final = 18


def number_of(text: str) -> int | None:
    """Return the number that a text is, if it may be an id."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS else None

"""Codes that people type: one for the first sign-in, and the one that a device shows (RFC 8628 §6.1).

Twenty consonants, so that no word comes of it and no two letters look alike; case, blanks and hyphens do not matter.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_GROUP: Final = 4
SIGN_IN_LENGTH: Final = 16  # 69 bits
DEVICE_LENGTH: Final = 8  # 34 bits, for minutes, with a limit on guesses


class PlainCode:
    """A code in clear text; only ``reveal()`` returns the text."""

    __slots__ = ("_letters",)

    def __init__(self, letters: str) -> None:
        self._letters: Final = letters

    def reveal(self) -> str:
        """The code in groups, as people read it."""
        return "-".join(self._letters[i : i + _GROUP] for i in range(0, len(self._letters), _GROUP))

    @property
    def digest(self) -> bytes:
        """The SHA-256 that is stored in place of the code."""
        return hashlib.sha256(self._letters.encode()).digest()

    def __repr__(self) -> str:
        return "<PlainCode …>"


def mint_code(length: int, choice: Callable[[str], str] = secrets.choice) -> PlainCode:
    """Mint a code of so many letters."""
    return PlainCode("".join(choice(_LETTERS) for _ in range(length)))


def parse_code(text: str, length: int) -> PlainCode | None:
    """Parse what a person typed; None: no code looks so."""
    letters = text.upper().replace("-", "").replace(" ", "").strip()
    return PlainCode(letters) if len(letters) == length and set(letters) <= set(_LETTERS) else None

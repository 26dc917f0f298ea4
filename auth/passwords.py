"""Passwords: the rules for a new password (NIST SP 800-63B-4), and hashes by argon2id.

Text is compared in the form NFC: what looks the same is the same, on whatever keyboard it was typed. Length is counted
in code points of that form. No class of characters is asked for, and nothing is ever cut off.
"""

import asyncio
import re
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal, TypeVar

from auth.common_passwords import COMMON, FRAGMENTS, RUNS
from auth.errors import AuthError

T = TypeVar("T")

LEAST: Final = 15  # code points: a password is the only factor
MOST_BYTES: Final = 1024  # in UTF-8
_MEMORY_KIB: Final = 19 * 1024  # with two passes and one lane: OWASP's least for argon2id
_PASSES: Final = 2
_LANES: Final = 1
_AT_ONCE: Final = 2  # of a process, so that sign-ins leave a core for pulls
_WAITING_MAX: Final = 64
_LEFT_LEAST: Final = 8  # code points that are not of words that everybody would try
_WORD_LEAST: Final = 4
_PERIOD_MAX: Final = 8
_GAPS: Final = re.compile(r"[\s!-/:-@\[-`{-~]+")  # blanks and the signs of ASCII
#: Of a password that nobody knows, with the parameters above.
_DUMMY: Final = "$argon2id$v=19$m=19456,t=2,p=1$T/kU/KUNbtCAXZ9ctsvmaA$7YyhTDhXvdiYF/uG7OWnx6s+hqPxAqA+Cwcu3SZiRBM"

Reason = Literal["short", "long", "common", "repeated", "personal"]


class PasswordRefused(AuthError, ValueError):
    """The new password is against the rules; ``reason`` names the rule."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_MESSAGES[reason])
        self.reason: Final = reason


_MESSAGES: Final[dict[Reason, str]] = {
    "short": f"a password has at least {LEAST} characters",
    "long": f"a password has at most {MOST_BYTES} bytes",
    "common": "this password, or nearly this, is one of those that are tried first",
    "repeated": "this password repeats a few characters",
    "personal": "this password is little more than your login, or the name of this registry",
}


class HashingBusy(AuthError):
    """Too many passwords wait to be hashed: more would have people wait for long."""


def normalized(password: str) -> str:
    """Return the form of a password that is hashed: NFC."""
    return unicodedata.normalize("NFC", password)


def check_new(password: str, words: Iterable[str]) -> None:
    """Check a new password; ``words``: the login, and the host. Raises PasswordRefused."""
    text = normalized(password)
    if len(text) < LEAST:
        raise PasswordRefused("short")
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise PasswordRefused("long")
    plain = _plain(text)
    if _period(text.casefold()) <= _PERIOD_MAX or (plain and _period(plain) <= _PERIOD_MAX):
        raise PasswordRefused("repeated")
    if plain in COMMON or any(part in run for run in RUNS for part in (plain or text, text)):
        raise PasswordRefused("common")
    own = [word for text in words for word in _GAPS.split(text.casefold()) if len(word) >= _WORD_LEAST]
    own += [_plain(text) for text in words if len(_plain(text)) >= _WORD_LEAST]
    between = len(set("".join(_GAPS.findall(text))))  # «--------------alice» is no password
    if between + len(_without(plain, own)) < _LEFT_LEAST:
        raise PasswordRefused("personal")
    if between + len(_without(plain, [*own, *FRAGMENTS])) < _LEFT_LEAST:
        raise PasswordRefused("common")


def _plain(text: str) -> str:
    return _GAPS.sub("", text.casefold())


def _without(plain: str, words: Iterable[str]) -> str:
    for word in sorted(set(words), key=len, reverse=True):
        plain = plain.replace(word, "")
    return plain


def _period(text: str) -> int:
    """Return the length of the shortest text whose repetition begins with ``text``."""
    return next((n for n in range(1, len(text)) if text.startswith(text[n:])), len(text))


class Hasher:
    """Hashes and verifies passwords in threads, two at once."""

    def __init__(self, *, waiting_max: int = _WAITING_MAX) -> None:
        self._threads: Final = ThreadPoolExecutor(_AT_ONCE, "passwords")
        self._waiting = 0
        self._waiting_max: Final = waiting_max

    async def hash(self, password: str) -> str:
        """Return the hash of a password. Raises HashingBusy."""
        return await self._run(_hash, normalized(password))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Return whether ``hashed`` is of the password; None takes as long, and is of none. Raises HashingBusy."""
        text = normalized(password)
        if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
            text, hashed = "", None  # none was ever set that is so long, and it need not be hashed to know
        return await self._run(_verify, text, _DUMMY if hashed is None else hashed) and hashed is not None

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= self._waiting_max:
            raise HashingBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1


def outdated(hashed: str) -> bool:
    """Return whether a hash was made with other parameters than new ones."""
    return not hashed.startswith(f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$")


def _hash(text: str) -> str:
    # Not at the top: a process that signs nobody in does without its 1.4 MB.
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher(_PASSES, _MEMORY_KIB, _LANES).hash(text.encode("utf-8", "surrogatepass"))


def _verify(text: str, hashed: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHash  # noqa: PLC0415
    from argon2.low_level import Type, verify_secret  # noqa: PLC0415

    try:
        return verify_secret(hashed.encode(), text.encode("utf-8", "surrogatepass"), Type.ID)
    except (Argon2Error, InvalidHash):
        return False

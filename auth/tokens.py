"""Personal access tokens: their format, the checksum that rejects garbage without a query, their hash and scopes.

A token is ``<prefix>_`` + 36 random characters of base62 (214 bits) + 6 characters of base62 with the CRC-32 of all
that stands before. The layout is GitHub's (github.blog, «Behind GitHub's new authentication token formats», 2021), so
that secret scanners find a leaked token by its prefix and drop look-alikes by the checksum.
"""

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from auth.errors import UnknownTokenScope

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY_LENGTH: Final = 36
_CHECKSUM_LENGTH: Final = 6
_RANDOM_BYTES: Final = 32  # 256 bits into 62**36 (214 bits): the bias is below 2**-41

#: No token ends later: in UTC there is no such time.
LATEST: Final = datetime.max.replace(tzinfo=UTC)


class TokenKind(StrEnum):
    """The purpose of a token; the values are stored."""

    CLASSIC = "classic"
    FINE_GRAINED = "fine_grained"
    WORKFLOW = "workflow"
    WORKSPACE = "workspace"


# NEVER CHANGE A PREFIX: tokens that carry the old one are no longer recognised, which revokes every one of them.
PREFIXES: Final[Mapping[TokenKind, str]] = MappingProxyType(
    {
        TokenKind.CLASSIC: "mrp_",
        TokenKind.FINE_GRAINED: "mrf_",
        TokenKind.WORKFLOW: "mrw_",
        TokenKind.WORKSPACE: "mrk_",
    }
)
_KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}
_TOKEN: Final = re.compile(rf"({'|'.join(PREFIXES.values())})[0-9A-Za-z]{{{_BODY_LENGTH + _CHECKSUM_LENGTH}}}")


class PlainToken:
    """A well-formed token in clear text; only ``reveal()`` returns the text.

    It is no dataclass on purpose: orjson, and so a log line, would write out the fields of one.
    """

    __slots__ = ("_text", "kind")

    def __init__(self, kind: TokenKind, text: str) -> None:
        self.kind: Final = kind
        self._text: Final = text

    def reveal(self) -> str:
        """The token itself: for the one answer that shows it to its owner."""
        return self._text

    @property
    def last_eight(self) -> str:
        """The end of the token, by which its owner knows it again in a list."""
        return self._text[-8:]

    def __repr__(self) -> str:
        return f"<PlainToken {PREFIXES[self.kind]}…>"


class HashedToken(bytes):
    """The SHA-256 of a token (32 bytes), as stored and looked up; a ``bytes``, so a query parameter unchanged.

    One round of a plain hash is enough, for the token is random: nothing shorter than 214 bits is there to guess.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<HashedToken …>"

    __str__ = __repr__


def mint(kind: TokenKind, randomness: Callable[[int], bytes] = secrets.token_bytes) -> PlainToken:
    """Mint a new token. ``randomness(n)`` returns ``n`` unguessable bytes."""
    number = int.from_bytes(randomness(_RANDOM_BYTES)) % 62**_BODY_LENGTH
    unchecked = PREFIXES[kind] + _base62(number, _BODY_LENGTH)
    return PlainToken(kind, unchecked + _checksum(unchecked))


def recognise(text: str) -> PlainToken | None:
    """Parse a token; None where no such token can have been minted here, so that no query is needed."""
    match = _TOKEN.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        return None
    return PlainToken(_KINDS[match[1]], text)


def hash_of(token: PlainToken) -> HashedToken:
    """The hash that is stored in place of ``token``."""
    return hash_of_text(token.reveal())


def hash_of_text(text: str) -> HashedToken:
    """The hash that is stored in place of an identity token of another issuer, which is no PlainToken."""
    return HashedToken(hashlib.sha256(text.encode()).digest())


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


# The names are GitHub's, for scripts and habits carry over.
SCOPES: Final = frozenset(
    {
        "read:packages",
        "write:packages",
        "delete:packages",
        "repo",
        "read:org",
        "write:org",
        "admin:org",
        "user",
        "site_admin",
    }
)
# delete:packages alone does not let its holder read: GitHub asks for read:packages beside it.
_IMPLIED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "write:packages": frozenset({"read:packages"}),
        "write:org": frozenset({"read:org"}),
        "admin:org": frozenset({"write:org", "read:org"}),
    }
)


def parse_scopes(texts: Iterable[str]) -> frozenset[str]:
    """Parse the requested scopes, without the implied ones (see ``effective``). Raises UnknownTokenScope."""
    asked = frozenset(texts)
    if not asked <= SCOPES:
        raise UnknownTokenScope(asked - SCOPES, SCOPES)
    return asked


def effective(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes ``scopes`` with all scopes that they imply."""
    return _effective(frozenset(scopes))


@lru_cache(maxsize=1024)
def _effective(held: frozenset[str]) -> frozenset[str]:
    return held.union(*(_IMPLIED.get(scope, frozenset()) for scope in held))

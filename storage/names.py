"""Digests, tags and package names: parsed once at the edge, and valid from there on.

Grammar: OCI Distribution 1.1, «Pulling manifests» (names, tags) and OCI Image 1.1, «Digests».
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, NewType
from uuid import UUID

UploadId = NewType("UploadId", UUID)

_ALGORITHMS: Final = {"sha256": 64, "sha512": 128}
_DIGEST: Final = re.compile(r"(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})", re.ASCII)
_ALGORITHM: Final = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+", re.ASCII)
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})+", re.ASCII)
_IMAGE: Final = re.compile(_COMPONENT, re.ASCII)
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
NAME_MAX: Final = 255


class InvalidName(ValueError):
    """A text that is no digest, name or tag; the message states the expected and the received text."""


class NoOwner(InvalidName):
    """A well-formed name of an image alone, without its owner."""


class UnsupportedAlgorithm(InvalidName):
    """A well-formed digest of an unsupported algorithm."""


_SHOWN_MAX: Final = 80


def _shown(text: str) -> str:
    """The beginning of untrusted text, printable."""
    return repr(text[:_SHOWN_MAX] + ("…" if len(text) > _SHOWN_MAX else ""))


class Digest(str):
    """``algorithm:hex`` of sha256 or sha512; a ``str``, so usable in SQL and headers unchanged."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """The digest in ``text``. Raises InvalidName, or UnsupportedAlgorithm for other algorithms."""
        if _DIGEST.fullmatch(text):
            return cls(text)
        if _ALGORITHM.fullmatch(text) and text.partition(":")[0] not in _ALGORITHMS:
            raise UnsupportedAlgorithm(f"digest algorithm of {_shown(text)} is not sha256 or sha512")
        raise InvalidName(f"expected sha256:<64 lower-case hex digits> or sha512:<128>, got {_shown(text)}")

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> "Digest":
        """The digest of ``data``; ``algorithm`` is sha256 or sha512."""
        return cls(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]


class TagName(str):
    """A tag: at most 128 of ``[a-zA-Z0-9._-]``, not beginning with ``.`` or ``-``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "TagName":
        """The tag in ``text``. Raises InvalidName."""
        if not _TAG.fullmatch(text):
            raise InvalidName(f"expected a tag of 1 to 128 letters, digits, '_', '.', '-', got {_shown(text)}")
        return cls(text)


@dataclass(frozen=True, slots=True)
class PackageName:
    """``owner/image``: the account's login in lower case, and the image, which may contain slashes."""

    owner: str
    image: str

    @classmethod
    def parse(cls, text: str) -> "PackageName":
        """The name in ``text``. Raises InvalidName, or NoOwner for the name of an image alone."""
        if len(text) > NAME_MAX:
            raise InvalidName(f"a name has at most {NAME_MAX} characters, got {len(text)}")
        if not _NAME.fullmatch(text):
            if _IMAGE.fullmatch(text):
                raise NoOwner(f"expected namespace/image, got {_shown(text)}")
            raise InvalidName(f"expected namespace/image in lower case, got {_shown(text)}")
        owner, _, image = text.partition("/")
        return cls(owner, image)

    def __str__(self) -> str:
        return f"{self.owner}/{self.image}"

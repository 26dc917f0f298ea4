"""References to images: ``[HOST/]OWNER/NAME[:TAG|@DIGEST]``."""

import re
from typing import Final, NamedTuple

from registry.cli.client.errors import USAGE, CommandError

_PACKAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+")
_PATH: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class Reference(NamedTuple):
    """A package, and perhaps a tag or digest of it; ``host`` is empty where the text names none."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def owner(self) -> str:
        return self.path.partition("/")[0]

    @property
    def name(self) -> str:
        """The name below the owner."""
        return self.path.partition("/")[2]

    @property
    def version(self) -> str:
        """The digest or the tag; empty: the package itself."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return self.path + (f"@{self.digest}" if self.digest else f":{self.tag}" if self.tag else "")


def parse(text: str) -> Reference:
    """Parse a reference to a package of Moorage or to one of its versions. Raises CommandError."""
    found = parse_any(text)
    if "/" not in found.path:
        raise CommandError(f"{text!r} names no owner", status=USAGE, why=f"expected OWNER/{found.path}")
    if not is_package(found.path):
        raise _malformed(text)
    return found


def parse_any(text: str) -> Reference:
    """Parse a reference to a repository of any registry. Raises CommandError."""
    rest, at, digest = text.partition("@")
    host, rest = _split_host(rest)
    path, colon, tag = rest.partition(":")
    lowered = path.partition("/")[0].lower() + path[len(path.partition("/")[0]) :]
    well = _PATH.fullmatch(path) or _PACKAGE.fullmatch(lowered)
    if not well or (at and not _DIGEST.fullmatch(digest)) or (colon and not _TAG.fullmatch(tag)):
        raise _malformed(text)
    if host == "docker.io" and "/" not in lowered:
        lowered = f"library/{lowered}"
    return Reference(host, lowered, tag, digest)


def parse_version(text: str) -> Reference:
    """Parse a reference that has a tag or a digest. Raises CommandError."""
    found = parse(text)
    if not found.version:
        raise CommandError(f"{text} names no tag and no digest", status=USAGE, why="expected OWNER/NAME:TAG")
    return found


def parse_package(text: str) -> Reference:
    """Parse a reference to a package that has neither tag nor digest. Raises CommandError."""
    found = parse(text)
    if found.version:
        raise CommandError(f"{text} names a version", status=USAGE, why="expected a package: OWNER/NAME")
    return found


def is_package(text: str) -> bool:
    """Return whether a text is the name of a package of Moorage."""
    return _PACKAGE.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Return whether a text is a tag."""
    return _TAG.fullmatch(text) is not None


def _split_host(text: str) -> tuple[str, str]:
    scheme = next((one for one in ("http://", "https://") if text.startswith(one)), "")
    first, slash, rest = text.removeprefix(scheme).partition("/")
    if scheme or (slash and ("." in first or ":" in first or first == "localhost")):
        return scheme + first, rest
    return "", text


def _malformed(text: str) -> CommandError:
    return CommandError(
        f"{text!r} is no reference", status=USAGE, why="expected [HOST/]OWNER/NAME, with :TAG or @DIGEST if need be"
    )

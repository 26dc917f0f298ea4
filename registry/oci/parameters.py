"""The parsers of a request's names, digests and query parameters, with the errors of the specification.

A parameter that comes more than once where one is expected is refused: two readers might not choose the same one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Protocol, runtime_checkable

from registry.errors import (
    DigestMalformed,
    DigestUnsupported,
    NameInvalid,
    OwnerNotNamed,
    PageInvalid,
    ParameterInvalid,
    RegistryError,
    TagInvalid,
    TooManyTags,
    shown,
)
from registry.oci.headers import parse_page_size
from storage.names import Digest, InvalidName, NoOwner, PackageName, TagName, UnsupportedAlgorithm

#: The spec asks for at least 10 («Pushing Manifests»).
MAX_TAGS_PER_PUSH: Final = 64

_ALGORITHMS: Final = frozenset({"sha256", "sha512"})
_FILTER: Final = re.compile(r"[!-~]+/[!-~]+(?: [!-~]+)*", re.ASCII)  # as of manifests
_BARE_PLUS: Final = re.compile(r"(?<!;) ")
_FILTER_MAX: Final = 255


@runtime_checkable
class _MultiQuery(Protocol):
    """aiohttp's query: a mapping that keeps every value of a key."""

    def getall(self, key: str, default: list[str], /) -> list[str]: ...


@lru_cache(maxsize=4096)  # a pull asks for the same name again and again; half of the time of a parse was here
def parse_name(text: str) -> PackageName:
    """The name in ``text``. Raises NameInvalid, or OwnerNotNamed for the name of an image alone."""
    try:
        return PackageName.parse(text)
    except NoOwner:
        raise OwnerNotNamed(text) from None
    except InvalidName as error:
        raise NameInvalid(str(error)) from None


def parse_tag(text: str) -> TagName:
    """The tag in ``text``. Raises TagInvalid."""
    try:
        return TagName.parse(text)
    except InvalidName as error:
        raise TagInvalid(str(error)) from None


def parse_digest(text: str) -> Digest:
    """The digest in ``text``. Raises DigestMalformed, DigestUnsupported."""
    try:
        return Digest.parse(text)
    except UnsupportedAlgorithm as error:
        raise DigestUnsupported(str(error)) from None
    except InvalidName as error:
        raise DigestMalformed(str(error)) from None


def every(query: Mapping[str, str], key: str) -> Sequence[str]:
    """Every value of ``key``, in order."""
    if key not in query:
        return []  # nearly always, and the look at the type costs more than all of a parse
    return query.getall(key, []) if isinstance(query, _MultiQuery) else [query[key]]


def one(query: Mapping[str, str], key: str, invalid: Callable[[str], RegistryError]) -> str | None:
    """The value of ``key``, or None. Raises what ``invalid`` makes if there are several."""
    values = every(query, key)
    if len(values) > 1:
        raise invalid(f"expected the parameter {key} once, got it {len(values)} times")
    return values[0] if values else None


def artifact_type(query: Mapping[str, str]) -> str | None:
    """The filter of end-12b; empty is none. Raises ParameterInvalid.

    A plus that was not encoded comes as a space, and a type has no spaces but behind the semicolon of a parameter.
    """
    text = one(query, "artifactType", lambda _: ParameterInvalid("artifactType", "one media type", "several"))
    text = text and _BARE_PLUS.sub("+", text)
    if text and (len(text) > _FILTER_MAX or not _FILTER.fullmatch(text)):
        raise ParameterInvalid("artifactType", "a media type", text)
    return text or None


def digest_parameter(query: Mapping[str, str], key: str) -> Digest | None:
    """The digest under ``key``, or None. Raises DigestMalformed, DigestUnsupported."""
    text = one(query, key, DigestMalformed)
    return None if text is None else parse_digest(text)


def algorithm_parameter(query: Mapping[str, str]) -> str | None:
    """The algorithm of end-4c, or None. Raises DigestUnsupported."""
    algorithm = one(query, "digest-algorithm", DigestUnsupported)
    if algorithm is not None and algorithm not in _ALGORITHMS:
        raise DigestUnsupported(f"expected the digest-algorithm sha256 or sha512, got {shown(algorithm)}")
    return algorithm


def tag_parameters(query: Mapping[str, str]) -> tuple[TagName, ...]:
    """The distinct tags of end-7b, in order. Raises TagInvalid, TooManyTags."""
    values = every(query, "tag")
    if len(values) > MAX_TAGS_PER_PUSH:
        raise TooManyTags(MAX_TAGS_PER_PUSH, len(values))
    return tuple(dict.fromkeys(parse_tag(value) for value in values))


def page_size(query: Mapping[str, str]) -> int | None:
    """``n``, from 0 to MAX_PAGE, or None. Raises PageInvalid."""
    return parse_page_size(one(query, "n", lambda _: PageInvalid("n", "one number", "several")))


def last_parameter(query: Mapping[str, str], grammar: Callable[[str], object]) -> str | None:
    """The entry after which a page begins, or None. Raises PageInvalid for one that ``grammar`` refuses.

    A page can end only with such an entry, and whatever else came would go on into a statement.
    """
    last = one(query, "last", lambda _: PageInvalid("last", "one entry", "several"))
    if not last:
        return None
    try:
        grammar(last)
    except InvalidName:
        raise PageInvalid("last", "the last entry of the page before", last) from None
    return last

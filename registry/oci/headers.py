"""Header values in and out. Ranges are half-open inside and inclusive only in the text of this module."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from registry.errors import BlobUploadInvalid, PageInvalid, PreconditionFailed, RangeNotSatisfiable, shown
from storage.objects.base import Span

#: More entries than this are not sent in one page, whatever ``n`` says.
MAX_PAGE: Final = 1000
#: More ranges than this are not sent in one answer: each is a request to the store.
MAX_RANGES: Final = 512
PART_END: Final = b"\r\n"

# 18 digits are below 2**63, so that no offset overflows a bigint.
_CHUNK: Final = re.compile(r"(?:bytes )?([0-9]{1,18})-([0-9]{1,18})(?:/(?:\*|[0-9]{1,18}))?", re.ASCII)
_RANGE: Final = re.compile(
    r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*", re.ASCII | re.IGNORECASE
)
_COUNT: Final = re.compile(r"[0-9]+", re.ASCII)
_COUNT_DIGITS: Final = 9
_ENTITY_TAG: Final = re.compile(r'(?:W/)?("[^"]*")', re.ASCII)
_STRONG_TAG: Final = re.compile(r'(?<!W/)("[^"]*")', re.ASCII)
_ANY: Final = "*"


def parse_content_range(text: str) -> Span:
    """Parse Content-Range into the byte span of a chunk. Raises BlobUploadInvalid.

    The spec writes ``0-41`` («Pushing a blob in chunks»); some clients send RFC 9110's ``bytes 0-41/*``.
    """
    match = _CHUNK.fullmatch(text.strip(" \t"))
    if match is None:
        raise BlobUploadInvalid(f"expected a Content-Range of the form 0-41, got {shown(text)}")
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise BlobUploadInvalid(f"expected a Content-Range that does not end before it begins, got {shown(text)}")
    return Span(first, last + 1)


def parse_range(text: str | None, size: int) -> Span | None:
    """Parse Range for a body of ``size`` bytes; None means the whole body with status 200 (RFC 9110 §14.2).

    None also for what may be ignored: other units, garbage, and several ranges at once, which parse_ranges() reads.
    Raises RangeNotSatisfiable for a range past the end, a suffix of 0 bytes, and a range that ends before it begins:
    RFC 9110 §14.1.1 calls the last one invalid and leaves the answer open, the conformance program wants 416.
    """
    match = None if text is None else _RANGE.fullmatch(text)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return _suffix(int(suffix), size)
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if start >= stop:
        raise RangeNotSatisfiable(size)
    return Span(start, stop)


def parse_ranges(text: str | None, size: int) -> Sequence[Span] | None:
    """Parse Range as parse_range(), with several ranges too, in the order of the client (RFC 9110 §14.2).

    None, and so the whole body, also where they are more than MAX_RANGES or more bytes than the body has. Ranges past
    the end are left out. Raises RangeNotSatisfiable when none is left.
    """
    if text is None or "," not in text:
        span = parse_range(text, size)
        return None if span is None else (span,)
    unit, _, listed = text.partition("=")
    ranges = [part for part in (each.strip(" \t") for each in listed.split(",")) if part]  # §5.6.1: empty ones too
    if unit.lower() != "bytes" or not 0 < len(ranges) <= MAX_RANGES:
        return None
    spans: list[Span] = []
    for each in ranges:
        try:
            span = parse_range(f"bytes={each}", size)
        except RangeNotSatisfiable:
            continue
        if span is None:
            return None
        spans.append(span)
    if not spans:
        raise RangeNotSatisfiable(size)
    return spans if sum(span.size for span in spans) <= size else None


def part_head(boundary: str, media_type: str, span: Span, size: int) -> bytes:
    """The head of one part of a ``multipart/byteranges`` (RFC 9110 §14.6); behind its bytes comes PART_END."""
    return f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {content_range(span, size)}\r\n\r\n".encode()


def _suffix(length: int, size: int) -> Span | None:
    if length == 0:
        raise RangeNotSatisfiable(size)
    # A suffix of nothing is nothing: 206 cannot be said of zero bytes, so the whole is sent.
    return Span(max(size - length, 0), size) if size else None


def content_range(span: Span, size: int) -> str:
    """The Content-Range of a 206; ``size`` of the whole in bytes."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def upload_range(offset: int) -> str:
    """The Range of an upload that holds ``offset`` bytes. ``0-0`` for none: docker and the spec have no other way."""
    return f"0-{max(offset - 1, 0)}"


def etag(digest: str) -> str:
    """The strong entity tag of content: its digest (RFC 9110 §8.8.3)."""
    return f'"{digest}"'


def none_match(lines: Iterable[str], current: str) -> bool:
    """Return whether If-None-Match names ``current``, for status 304: weak comparison (RFC 9110 §13.1.2).

    ``lines`` are all header lines of the name; none of them means False. The tag is also taken without its quotes,
    as Docker's registry does.
    """
    bare = current.strip('"')
    for line in lines:
        if line.strip() in {_ANY, bare}:
            return True
        if current in _ENTITY_TAG.findall(line):
            return True
    return False


class Condition(msgspec.Struct, frozen=True):
    """A condition of a write (RFC 9110 §13.1): lines of If-Match, any of which must match, and of If-None-Match."""

    match: tuple[str, ...] = ()
    none: tuple[str, ...] = ()

    def check(self, current: str | None, also: str | None = None) -> None:
        """Check the entity tag of the current content; None: there is none. Raises PreconditionFailed.

        ``also``: another entity tag that If-Match may name, of what was shown of the change before.
        """
        tags = [tag for tag in (current, also) if tag is not None]
        wanted = not self.match or any(_matches(self.match, tag) for tag in tags)
        unwanted = current is not None and none_match(self.none, current)
        if not wanted or unwanted:
            raise PreconditionFailed(current)


def _matches(lines: Iterable[str], current: str) -> bool:
    """Return whether If-Match names ``current``: strong comparison; without quotes too, as none_match()."""
    bare = current.strip('"')
    return any(line.strip() in {_ANY, bare} or current in _STRONG_TAG.findall(line) for line in lines)


def if_range(text: str | None, current: str) -> bool:
    """Return whether Range applies: no If-Range, or exactly ``current``: strong comparison (RFC 9110 §13.1.5).

    A date never matches: content is named by its digest and has no other validator.
    """
    return text is None or text.strip() == current


def parse_page_size(text: str | None) -> int | None:
    """Parse the parameter ``n``, capped at MAX_PAGE; 0 means an empty list, None no limit. Raises PageInvalid."""
    if text is None:
        return None
    if not _COUNT.fullmatch(text):
        raise PageInvalid("n", "a whole number from 0", text)
    # int() of a long text costs its square, and Python refuses more than 4,300 digits.
    return MAX_PAGE if len(text) > _COUNT_DIGITS else min(int(text), MAX_PAGE)


def next_link(target: str) -> str:
    """The Link header to the next page; ``target`` is the path and query that ``oci.request.build`` made."""
    return f'<{target}>; rel="next"'

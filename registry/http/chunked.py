"""Decoder of the chunked transfer coding (RFC 9112 §7.1), for bodies read without aiohttp's parser.

Clients of registries send layers so: in chunks of 32 KiB, since they compress as they send. Data stays in the memory
where it came; what stood between the chunks is closed over.
"""

import re
from dataclasses import dataclass
from typing import Final

HEAD_END: Final = b"\r\n\r\n"
#: The longest line that frames a chunk, and all trailers together.
_LINE_BYTES: Final = 4096
#: Read at once. Where chunks are small this takes long, and nobody else has a turn: 60 ms for chunks of a byte each.
_READ_BYTES: Final = 256 * 1024
_LABOR_BYTES: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class _Line:
    """Patterns of the framing between data: the whole line, and its incomplete prefix."""

    whole: re.Pattern[bytes]
    begun: re.Pattern[bytes]


_SIZE: Final = rb"[0-9A-Fa-f]{1,15}"
_NAME: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE: Final = rb":[\t -~]*"
_EXTENSIONS: Final = rb"(?:;%b(?:=(?:%b|\"[\t !#-\[\]-~]*\"))?)*" % (_NAME, _NAME)
_FIRST: Final = _Line(
    re.compile(rb"(%b)%b\r\n" % (_SIZE, _EXTENSIONS)),
    re.compile(rb"%b(?:;[\t -~]*)?\r?" % _SIZE),
)
_NEXT: Final = _Line(
    re.compile(rb"\r\n(%b)%b\r\n" % (_SIZE, _EXTENSIONS)),
    re.compile(rb"\r(?:\n(?:%b(?:;[\t -~]*)?\r?)?)?" % _SIZE),
)
_TRAILERS: Final = _Line(
    re.compile(rb"(?:%b%b\r\n)*\r\n" % (_NAME, _VALUE)),
    re.compile(rb"(?:%b%b\r\n)*(?:\r|%b(?:%b\r?)?)?" % (_NAME, _VALUE, _NAME, _VALUE)),
)

_METHODS: Final = (b"PATCH ", b"POST ", b"PUT ")
_ENCODING: Final = b"transfer-encoding"
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n")


class Chunks:
    """A chunked body in decoding; ``data_bytes``: data decoded so far, ``behind``: bytes received after its end.

    ``laborious``: its chunks are small, so that others are to have a turn before more of it is read.
    """

    def __init__(self) -> None:
        self.data_bytes = 0
        self.laborious = True  # until they were seen
        self.ended = False
        self.behind = b""
        self._left = 0
        self._line = _FIRST
        self._held = b""

    def within(self, room: memoryview) -> memoryview:
        """The part of ``room`` that may be read into at once."""
        return room[: _LABOR_BYTES if self.laborious else _READ_BYTES]

    def unwrap(self, room: memoryview, count: int) -> int:
        """Move the data among the first ``count`` bytes of ``room`` to the front of ``room``; return its size in bytes.

        Raises ValueError for what is not framed as chunks are.
        """
        at = kept = 0
        while at < count and not self.ended:
            if self._left:
                size = min(self._left, count - at)
                if at != kept:
                    room[kept : kept + size] = room[at : at + size]
                self._left -= size
                at += size
                kept += size
            else:
                at = self._framed(room, at, count)
        if at < count:
            self.behind = bytes(room[at:count])
        self.data_bytes += kept
        self.laborious = kept < count - count // 64
        return kept

    def _framed(self, room: memoryview, at: int, count: int) -> int:
        """Parse the framing line at ``at``; return the index after the line, or ``count`` for an incomplete line."""
        found = None if self._held else self._line.whole.match(room, at, min(count, at + _LINE_BYTES))
        if found is not None:
            self._go_on(found)
            return found.end()
        held = self._held + bytes(room[at : min(count, at + _LINE_BYTES)])
        found = self._line.whole.match(held)
        if found is not None:
            at += found.end() - len(self._held)
            self._held = b""
            self._go_on(found)
            return at
        if len(held) >= _LINE_BYTES or self._line.begun.fullmatch(held) is None:
            raise ValueError("expected a chunk")
        self._held = held
        return count

    def _go_on(self, found: re.Match[bytes]) -> None:
        if self._line is _TRAILERS:
            self.ended = True
            return
        self._left = int(found[1], 16)
        self._line = _NEXT if self._left else _TRAILERS


class Counted:
    """A body with a Content-Length, of which ``left`` bytes are still to be received."""

    #: Nothing is read beyond its end.
    behind = b""
    laborious = False

    def __init__(self, left: int) -> None:
        self._left = left

    @property
    def ended(self) -> bool:
        """Return whether the whole body was received."""
        return not self._left

    def within(self, room: memoryview) -> memoryview:
        """The part of ``room`` that may be read into at once."""
        return room[: self._left]

    def unwrap(self, _room: memoryview, count: int) -> int:
        """Count ``count`` bytes as received: all of them are data."""
        self._left -= count
        return count


def begun(data: bytes) -> Chunks | None:
    """Decode the received chunks of the request at the start of ``data``.

    None: it has no such body, or there is anything odd about it; then only aiohttp's parser may judge.
    """
    end = data.find(HEAD_END) + len(HEAD_END)
    if end < len(HEAD_END) or not data.startswith(_METHODS):
        return None
    head = data[:end].lower()
    first, _, lines = head.partition(b"\r\n")
    folded = b"\r\n " in head or b"\r\n\t" in head
    broken = not head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")
    if folded or broken or not first.endswith(b" http/1.1"):
        return None
    if head.count(_ENCODING) != 1 or b"content-length" in lines or _CHUNKED.search(head) is None:
        return None
    return followed(Chunks(), data[end:])


def followed(chunks: Chunks, data: bytes) -> Chunks | None:
    """Feed ``data`` to ``chunks``, leaving ``data`` unchanged; None: the body has ended or is malformed."""
    try:
        chunks.unwrap(memoryview(bytearray(data)), len(data))
    except ValueError:
        return None
    return None if chunks.ended else chunks

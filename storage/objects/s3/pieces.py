"""Slices of data, in sizes that are efficient to write."""

from collections.abc import Iterator
from typing import Final

from storage.objects.base import Pieces

_SLICE_BYTES: Final = 512 * 1024  # one write; more only fills the socket's queue
_SMALL_BYTES: Final = 64 * 1024  # a write costs more than the copy of less
_JOINED_BYTES: Final = 256 * 1024


def slices(data: Pieces) -> Iterator[bytes | memoryview]:
    """Slice the pieces into sizes that are efficient to write: small ones joined, large ones cut, others unchanged."""
    small: list[bytes | memoryview] = []
    held = 0
    for piece in data:
        if len(piece) < _SMALL_BYTES:
            small.append(piece)
            held += len(piece)
        if held and (held >= _JOINED_BYTES or len(piece) >= _SMALL_BYTES):
            yield b"".join(small)
            small, held = [], 0
        if len(piece) >= _SMALL_BYTES:
            view = memoryview(piece)
            yield from (view[start : start + _SLICE_BYTES] for start in range(0, len(view), _SLICE_BYTES))
    if held:
        yield b"".join(small)

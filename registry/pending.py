"""The bytes of an upload that are received and hashed, but not yet durable: pure bookkeeping, no I/O."""

from dataclasses import dataclass, field
from typing import Final

from storage.objects.base import MIN_PART_BYTES
from storage.objects.hashing import ResumableHash

#: A part is cut at this size, once this much more has come behind it: so whatever is left is never too small to be a
#: part itself, and the last part of an upload can be sent before it is known to be the last.
PART_BYTES: Final = 11 * 1024 * 1024
HELD_BYTES: Final = MIN_PART_BYTES
#: Hashing goes to a thread in batches of at least this size.
HASH_BATCH_BYTES: Final = 1024 * 1024
#: Pieces smaller than this are joined: as objects of their own they would take more memory than they have bytes.
_CRUMB_BYTES: Final = 4096
_CRUMBS: Final = 256


@dataclass(slots=True)
class Cut:
    """Bytes that become durable together; ``end`` is the offset behind them, ``state`` the hash state there."""

    pieces: list[bytes | memoryview]
    size: int
    end: int
    state: bytes


@dataclass(slots=True)
class Pending:
    """Pieces in order. ``base``: bytes of the part in the making that are in the store already (segments).

    Ask ``part_due`` after each ``add``: what is held is then at most PART_BYTES + HELD_BYTES and one chunk.
    """

    hasher: ResumableHash
    received: int
    base: int
    pieces: list[bytes | memoryview] = field(default_factory=list)
    size: int = 0  # bytes in ``pieces`` and ``_crumbs``
    _crumbs: list[bytes | memoryview] = field(default_factory=list)  # behind ``pieces``, not joined yet
    _unhashed: list[bytes | memoryview] = field(default_factory=list)
    _unhashed_size: int = 0
    _boundary: int | None = None  # index into ``pieces``: the part ends before it
    _boundary_state: bytes = b""

    @property
    def total(self) -> int:
        """Bytes of the part in the making, wherever they are."""
        return self.base + self.size

    def resume(self, tail: bytes) -> None:
        """Takes up bytes that were received and hashed by an earlier request."""
        if tail:
            self.pieces.append(tail)
            self.size += len(tail)

    def add(self, chunk: bytes) -> None:
        """Takes at most HELD_BYTES, split where a part will end so that the hash state is known there."""
        room = PART_BYTES - self.total
        if 0 < room < len(chunk):
            view = memoryview(chunk)
            self._append(view[:room])
            self._append(view[room:])
        else:
            self._append(chunk)
        self.received += len(chunk)

    def _append(self, piece: bytes | memoryview) -> None:
        if self.total == PART_BYTES:
            self.hash_now()
            self._boundary = len(self.pieces)
            self._boundary_state = self.hasher.state()
        self.size += len(piece)
        self._unhashed_size += len(piece)
        if len(piece) < _CRUMB_BYTES:
            self._crumbs.append(piece)
            if len(self._crumbs) >= _CRUMBS:
                self._join()
            return
        self._join()
        self.pieces.append(piece)
        self._unhashed.append(piece)

    def _join(self) -> None:
        if self._crumbs:
            joined = b"".join(self._crumbs)
            self._crumbs = []
            self.pieces.append(joined)
            self._unhashed.append(joined)

    @property
    def hash_due(self) -> bool:
        """Whether enough waits for a thread to be worth its while."""
        return self._unhashed_size >= HASH_BATCH_BYTES

    def hash_now(self) -> None:
        """Hashes what waits; fit for a thread as long as nothing else touches this object."""
        self._join()
        batch, self._unhashed, self._unhashed_size = self._unhashed, [], 0
        for piece in batch:
            self.hasher.update(piece)

    @property
    def part_due(self) -> bool:
        """Whether a part can be cut and enough is left behind it."""
        return self._boundary is not None and self.total >= PART_BYTES + HELD_BYTES

    def cut_part(self) -> Cut:
        """Takes the full part out; what was held back begins the next one."""
        boundary = self._boundary
        assert boundary is not None  # noqa: S101 - ``part_due`` was asked
        head, self.pieces = self.pieces[:boundary], self.pieces[boundary:]
        size = PART_BYTES - self.base
        self.size -= size
        cut = Cut(head, size, self.received - self.size, self._boundary_state)
        self.base, self._boundary = 0, None
        return cut

    def cut_all(self) -> Cut:
        """Takes everything out."""
        self.hash_now()
        cut = Cut(self.pieces, self.size, self.received, self.hasher.state())
        self.pieces, self.size, self.base, self._boundary = [], 0, 0, None
        return cut

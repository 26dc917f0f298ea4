"""The bytes of an upload that are received and hashed, but not yet durable: pure bookkeeping, no I/O."""

from dataclasses import dataclass, field
from typing import Final

from registry.uploads.buffer_pool import SLOT_BYTES, Slot
from storage.objects.base import MIN_PART_BYTES
from storage.objects.hashing import ResumableHash

#: What does not fit into a slot goes to the store in parts of this size.
PART_BYTES: Final = SLOT_BYTES // 2
#: A part is cut when this much is sure to come behind it: so whatever is left is never too small to be a part itself,
#: and the last part of an upload can be sent before it is known to be the last.
HELD_BYTES: Final = MIN_PART_BYTES
#: Read, and hashed, at once: less than a millisecond, in which nobody else is served.
_READ_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class PendingPart:
    """Bytes that become durable together; ``end`` is the offset behind them, ``state`` the hash state there.

    The state is right only if ``end`` is behind what earlier requests had made durable.

    ``slots``: what they are in, once for each use of it.
    """

    pieces: list[bytes | memoryview]
    size: int
    end: int
    state: bytes
    slots: list[Slot] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    """A run of bytes in one half of a slot; ``state`` is the hash state behind the run once the half is full."""

    slot: Slot
    start: int
    stop: int
    state: bytes = b""

    @property
    def size(self) -> int:
        return self.stop - self.start


class Pending:
    """The buffered bytes of an upload, in order: in ``_small`` while there is no slot, then in the halves of slots.

    ``received``: the offset behind it. ``base``: bytes before it of the part in the making that are in the store
    already (segments). ``solid``: bytes at its front that were read back from there, and go into one part.
    """

    def __init__(self, hasher: ResumableHash, received: int, *, base: int) -> None:
        self.hasher = hasher
        self.received = received
        self.base = base
        self.solid = 0
        self.size = 0
        self.slot: Slot | None = None
        self._small = bytearray()
        self._small_hashed = 0
        self._runs: list[_Run] = []
        self._filled = 0  # of ``slot``

    @property
    def total(self) -> int:
        """The bytes of the current part, buffered or stored as segments."""
        return self.base + self.size

    # -- receiving

    def resume(self, tail: bytes) -> None:
        """Load bytes that were received and hashed by an earlier request; the buffer is empty before."""
        self._small = bytearray(tail)
        self.size = self._small_hashed = len(tail)

    def keep(self, data: memoryview) -> None:
        """Append a few bytes while there is no slot."""
        self._small += data
        self.size += len(data)
        self.received += len(data)

    def take_up(self, slot: Slot) -> tuple[bytearray, bytearray]:
        """Continue in this slot, one use of which is the caller's until ``leave``; return the bytes to copy.

        What was in hand without one is not any more: bytes that were hashed, and bytes behind them that were not.
        """
        self.slot, self._filled = slot, 0
        hashed, new = self._small[: self._small_hashed], self._small[self._small_hashed :]
        self.size -= len(self._small)
        self.received -= len(self._small)
        self._small, self._small_hashed = bytearray(), 0
        return hashed, new

    def read_back(self) -> None:
        """Prepare for the stored segments, which the caller adds again with ``add`` before other bytes."""
        self.received -= self.base
        self.solid, self.base = self.base, 0

    def leave(self) -> Slot | None:
        """Detach the current slot and return it, for the caller to release."""
        slot, self.slot = self.slot, None
        return slot

    def room(self) -> memoryview:
        """Return the memory for the next bytes; empty when there is no slot, or the slot is full."""
        if self.slot is None:
            return memoryview(b"")
        edge = (self._filled // PART_BYTES + 1) * PART_BYTES
        return self.slot.view[self._filled : min(edge, self._filled + _READ_BYTES, SLOT_BYTES)]

    def add(self, count: int, *, hashed: bool = False) -> None:
        """Append the first ``count`` bytes of ``room``; ``hashed``: an earlier request hashed them."""
        slot = self.slot
        assert slot is not None  # noqa: S101 - there was room
        if self._filled % PART_BYTES == 0:
            slot.users += 1
            self._runs.append(_Run(slot, self._filled, self._filled))
        run = self._runs[-1]
        start, self._filled = self._filled, self._filled + count
        run.stop = self._filled
        self.size += count
        self.received += count
        if not hashed:
            self.hasher.update(slot.view[start : run.stop])
        if self._filled % PART_BYTES == 0:
            run.state = self.hasher.state()

    def hash_small(self) -> None:
        """Hash the buffered bytes that are in no slot; bytes in slots are hashed on arrival."""
        self.hasher.update(bytes(self._small[self._small_hashed :]))
        self._small_hashed = len(self._small)

    # -- making it durable

    def ready(self, coming: int) -> int:
        """Return the number of full runs that form a part, with enough behind. ``coming``: bytes announced."""
        size = 0
        for count, run in enumerate(self._runs, 1):
            size += run.size
            if run.stop % PART_BYTES:
                return 0
            if size >= self.solid:
                return count if self.size - size + coming >= HELD_BYTES else 0
        return 0

    def cut(self, count: int) -> PendingPart:
        """Remove the first ``count`` runs, which are full, and return them as a part."""
        runs, self._runs = self._runs[:count], self._runs[count:]
        size = sum(run.size for run in runs)
        self.size -= size
        self.base = self.solid = 0
        pieces: list[bytes | memoryview] = [run.slot.view[run.start : run.stop] for run in runs]
        return PendingPart(pieces, size, self.received - self.size, runs[-1].state, [run.slot for run in runs])

    def cut_all(self) -> PendingPart:
        """Remove all buffered bytes and return them as a part."""
        self.hash_small()
        runs, self._runs = self._runs, []
        pieces: list[bytes | memoryview] = [run.slot.view[run.start : run.stop] for run in runs]
        if self._small:
            pieces.append(bytes(self._small))
        size, self.size = self.size, 0
        self._small, self._small_hashed = bytearray(), 0
        self.base = self.solid = 0
        return PendingPart(pieces, size, self.received, self.hasher.state(), [run.slot for run in runs])

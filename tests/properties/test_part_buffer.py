"""Whatever the split: the parts are the data, the hash states are those of their ends, and no part is too small."""

import hashlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.uploads.buffer_pool import SLOT_BYTES, Slot
from registry.uploads.part_buffer import HELD_BYTES, PART_BYTES, Pending, PendingPart
from storage.objects.base import MIN_PART_BYTES
from storage.objects.hashing import ResumableHash

_KIB = 1024
_MIB = 1024 * _KIB
_TAIL_BYTES = 64 * _KIB
#: No period that a wrong offset could hide in.
_DATA = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(4096)) * 400  # 50 MiB


@dataclass
class Session:
    """What a receiver does with ``Pending``, over requests; a segment or a tail is what lies before the next part."""

    parts: list[bytes] = field(default_factory=list)
    base: bytes = b""  # in segments
    tail: bytes = b""
    state: bytes | None = None
    durable: int = 0

    def request(self, data: bytes, chunk: int, *, told: bool) -> None:
        """``told``: the length of ``data`` is known beforehand."""
        hasher = ResumableHash("sha256") if self.state is None else ResumableHash.restore(self.state)
        pending = Pending(hasher, self.durable, base=len(self.base))
        pending.resume(self.tail)
        whole, end = not self.parts and not self.base, self.durable + len(data)
        for start in range(0, len(data), chunk):
            piece = data[start : start + chunk]
            if pending.slot is None and pending.size + len(piece) <= _TAIL_BYTES:
                pending.keep(memoryview(piece))
                continue
            if pending.slot is None:
                self._enter(pending)
            whole &= self._place(pending, piece)
            while not whole and (count := pending.ready(end - pending.received if told else 0)):
                self._part(pending.cut(count))
        if pending.size and pending.total >= HELD_BYTES and not whole:
            self._part(pending.cut_all())
            return
        cut = pending.cut_all()
        self._made_durable(cut)
        self.tail = b"".join(cut.pieces)
        if cut.size > _TAIL_BYTES:
            self.base, self.tail = self.base + self.tail, b""

    def _enter(self, pending: Pending) -> None:
        hashed, new = pending.take_up(Slot())
        if pending.base >= HELD_BYTES:
            pending.read_back()
            self._place(pending, self.base, hashed=True)
            self.base = b""
        self._place(pending, bytes(hashed), hashed=True)
        self._place(pending, bytes(new))

    def _place(self, pending: Pending, data: bytes, *, hashed: bool = False) -> bool:
        """Whether one slot did."""
        fits = True
        while data:
            room = pending.room()
            if not room:
                fits = False
                while count := pending.ready(0):
                    self._part(pending.cut(count))
                pending.take_up(Slot())
                continue
            count = min(len(room), len(data))
            room[:count], data = data[:count], data[count:]
            pending.add(count, hashed=hashed)
        return fits

    def _part(self, cut: PendingPart) -> None:
        assert sum(map(len, cut.pieces)) == cut.size
        before, self.base = self.base, b""
        self.parts.append(before + b"".join(cut.pieces))
        if cut.end > self.durable:
            self.tail = b""
            self._made_durable(cut)

    def _made_durable(self, cut: PendingPart) -> None:
        self.state, self.durable = cut.state, cut.end
        assert ResumableHash.restore(cut.state).hexdigest() == hashlib.sha256(_DATA[: cut.end]).hexdigest()

    @property
    def stored(self) -> bytes:
        return b"".join(self.parts) + self.base + self.tail


_chunk_sizes = st.sampled_from([7 * _KIB, 64 * _KIB, 100_000, 128 * _KIB, _MIB, HELD_BYTES])
_requests = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 200_000),
            st.integers(0, 24 * _MIB),
            st.sampled_from([0, 1, _TAIL_BYTES, _TAIL_BYTES + 1, HELD_BYTES, PART_BYTES, PART_BYTES + HELD_BYTES]),
            st.sampled_from([_TAIL_BYTES - 1, HELD_BYTES - 1, PART_BYTES - 1, SLOT_BYTES - 1, SLOT_BYTES + 1]),
        ),
        _chunk_sizes,
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30)
@given(_requests)
def test_any_split_gives_the_data_in_valid_parts(requests: list[tuple[int, int, bool]]) -> None:
    session, offset = Session(), 0
    for wanted, chunk, told in requests:
        size = min(wanted, len(_DATA) - offset)
        session.request(_DATA[offset : offset + size], chunk, told=told)
        offset += size
        assert session.durable == offset
        assert session.stored == _DATA[:offset]
        assert all(len(part) >= MIN_PART_BYTES for part in session.parts)
        assert len(session.base) + len(session.tail) <= (HELD_BYTES if session.parts else SLOT_BYTES) + _TAIL_BYTES


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("size", [0, 1, PART_BYTES, SLOT_BYTES, SLOT_BYTES + 1, SLOT_BYTES + HELD_BYTES, 40 * _MIB])
def test_one_request_makes_one_object_or_parts_of_one_size(size: int, told: bool) -> None:
    session = Session()
    session.request(_DATA[:size], 64 * _KIB, told=told)
    assert session.stored == _DATA[:size]
    assert bool(session.parts) == (size > SLOT_BYTES)
    assert {len(part) for part in session.parts[:-1]} <= {PART_BYTES}

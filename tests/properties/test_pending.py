"""Whatever the split: the parts are the data, the hash states are those of their ends, and no part is too small."""

import hashlib
import sys
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.pending import HELD_BYTES, PART_BYTES, Cut, Pending
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
    most_held: int = 0

    def request(self, chunks: list[bytes]) -> None:
        hasher = ResumableHash("sha256") if self.state is None else ResumableHash.restore(self.state)
        pending = Pending(hasher, self.durable, base=len(self.base))
        pending.resume(self.tail)
        for chunk in chunks:
            pending.add(chunk)
            self.most_held = max(self.most_held, pending.size)
            if pending.part_due:
                self._part(pending.cut_part())
            elif pending.hash_due:
                pending.hash_now()
        if pending.total >= HELD_BYTES and pending.size:
            self._part(pending.cut_all())
            return
        cut = pending.cut_all()
        self._made_durable(cut)
        if cut.size <= _TAIL_BYTES:
            self.tail = b"".join(cut.pieces)
        else:
            self.base += b"".join(cut.pieces)
            self.tail = b""

    def _part(self, cut: Cut) -> None:
        assert sum(map(len, cut.pieces)) == cut.size
        self.parts.append(self.base + b"".join(cut.pieces))
        self.base = self.tail = b""
        self._made_durable(cut)

    def _made_durable(self, cut: Cut) -> None:
        self.state, self.durable = cut.state, cut.end
        assert ResumableHash.restore(cut.state).hexdigest() == hashlib.sha256(_DATA[: cut.end]).hexdigest()

    @property
    def stored(self) -> bytes:
        return b"".join(self.parts) + self.base + self.tail


def _chunked(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


_chunk_sizes = st.sampled_from([7 * _KIB, 64 * _KIB, 100_000, 128 * _KIB, _MIB, HELD_BYTES])
_requests = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 200_000),
            st.integers(0, 24 * _MIB),
            st.sampled_from([0, 1, _TAIL_BYTES, _TAIL_BYTES + 1, HELD_BYTES, PART_BYTES, PART_BYTES + HELD_BYTES]),
            st.sampled_from([_TAIL_BYTES - 1, HELD_BYTES - 1, PART_BYTES - 1, PART_BYTES + HELD_BYTES - 1]),
        ),
        _chunk_sizes,
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30, deadline=None)
@given(_requests)
def test_any_split_gives_the_data_in_valid_parts(requests: list[tuple[int, int]]) -> None:
    session, offset = Session(), 0
    for wanted, chunk in requests:
        size = min(wanted, len(_DATA) - offset)
        session.request(_chunked(_DATA[offset : offset + size], chunk))
        offset += size
        assert session.durable == offset
        assert session.stored == _DATA[:offset]
        assert all(len(part) >= MIN_PART_BYTES for part in session.parts)
        assert len(session.base) + len(session.tail) < HELD_BYTES + _TAIL_BYTES


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, PART_BYTES + HELD_BYTES, 40 * _MIB])
def test_one_request_cuts_parts_of_one_size(size: int) -> None:
    session = Session()
    session.request(_chunked(_DATA[:size], 64 * _KIB))
    assert session.stored == _DATA[:size]
    assert {len(part) for part in session.parts[:-1]} <= {PART_BYTES}
    assert session.most_held <= PART_BYTES + HELD_BYTES + 64 * _KIB


def test_crumbs_do_not_cost_more_than_they_hold() -> None:
    pending = Pending(ResumableHash("sha256"), 0, base=0)
    for value in _DATA[:300_000]:
        pending.add(bytes((value,)))
    cost = sum(map(sys.getsizeof, pending.pieces)) + sys.getsizeof(pending.pieces)
    assert cost < 1.5 * pending.size
    cut = pending.cut_all()
    assert b"".join(cut.pieces) == _DATA[:300_000]
    assert ResumableHash.restore(cut.state).hexdigest() == hashlib.sha256(_DATA[:300_000]).hexdigest()


def test_crumbs_are_not_mixed_over_the_end_of_a_part() -> None:
    pending = Pending(ResumableHash("sha256"), 0, base=0)
    parts: list[bytes] = []
    for chunk in _chunked(_DATA[: PART_BYTES + HELD_BYTES + 5000], 3001):
        pending.add(chunk)
        if pending.part_due:
            cut = pending.cut_part()
            parts.append(b"".join(cut.pieces))
            assert ResumableHash.restore(cut.state).hexdigest() == hashlib.sha256(_DATA[:PART_BYTES]).hexdigest()
    assert [len(part) for part in parts] == [PART_BYTES]
    assert parts[0] + b"".join(pending.cut_all().pieces) == _DATA[: PART_BYTES + HELD_BYTES + 5000]

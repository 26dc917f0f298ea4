"""Pieces are joined and cut on their way, never changed."""

from hypothesis import given
from hypothesis import strategies as st

from storage.objects.s3.pieces import slices

KIB = 1024


@given(sizes=st.lists(st.sampled_from([0, 1, 100, 63 * KIB, 64 * KIB, 65 * KIB, 300 * KIB, 1200 * KIB]), max_size=20))
def test_what_is_written_is_what_was_given(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    written = list(slices(pieces))
    assert b"".join(written) == b"".join(pieces)
    assert all(0 < len(piece) <= 512 * KIB for piece in written)


def test_small_pieces_are_written_together() -> None:
    assert [len(piece) for piece in slices([b"x" * KIB] * 1024)] == [256 * KIB] * 4

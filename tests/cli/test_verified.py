"""A body that comes in drops: given up after a minute of waiting, whatever it is worth."""

from itertools import count

import pytest

from registry.cli.client.verified import Verified


class _Drops:
    def read1(self, _size: int, /) -> bytes:
        return b"x"

    def close(self) -> None:
        pass


def test_a_body_in_drops_is_given_up() -> None:
    seconds = count()
    body = Verified(_Drops(), "sha256:" + "0" * 64, 1 << 20, lambda _: None, clock=lambda: float(next(seconds)))
    for _ in range(60):
        assert body.read() == b"x"
    with pytest.raises(ConnectionError, match="sent 61 bytes in 61 s"):
        body.read()


def test_who_is_read_slowly_is_not_slow() -> None:
    """The time that the other side takes to store what was read is not the source's."""
    body = Verified(_Drops(), "sha256:" + "0" * 64, 1000, lambda _: None, clock=lambda: 0.0)
    for _ in range(999):
        assert body.read() == b"x"

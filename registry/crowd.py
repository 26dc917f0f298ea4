"""How many requests a process works on at once; who comes when it is full is told to come again.

Without a bound each more makes all of them slower, until what is answered comes too late for everybody. Who waits
for a client, or moves the bytes of a blob, is not counted: that has bounds of its own, and a slow client is no work.
The short way of pulls (registry.http.v2.lane) is not either: a look-up that waits there costs less than a refusal.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: More than keep a process and its connections to Postgres busy; less than a second's work, even where all write.
_MOST: Final = 512
#: Whom it refuses together shall not come back together.
_SECONDS: Final = (1, 2, 3)


class Crowd:
    """``working``: requests that are being worked on; up to ``most`` are let in, beyond them what cannot wait."""

    def __init__(self, most: int = _MOST) -> None:
        self.most = most
        self.working = 0
        self._seconds = itertools.cycle(_SECONDS)

    @property
    def full(self) -> bool:
        return self.working >= self.most

    def retry_after_seconds(self) -> int:
        """For the next one who is refused."""
        return next(self._seconds)

    @contextmanager
    def left(self) -> Iterator[None]:
        """For one who is counted, and waits for a client within the block."""
        self.working -= 1
        try:
            yield
        finally:
            self.working += 1

"""How many requests a process works on at once; who comes when it is full waits in line, and not for long.

Without a bound each more makes all of them slower, until what is answered comes too late for everybody. To wait costs
next to nothing, to be refused may cost a client its pull: docker asks for a manifest once. So most of a crowd waits,
and who is refused has waited first: a connection cannot be refused more often than that, nor cost more.

Who waits for a client, or moves the bytes of a blob, is not counted: that has bounds of its own, and a slow client is
no work. The short way of pulls (registry.http.v2.lane) is not either: a look-up that waits there costs less than a
place in the line.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

#: Enough to keep a process and its ten connections to Postgres busy, also where each statement takes a few ms. More of
#: them make each one dearer: a tag write of 4096 clients takes 100 us of CPU with 128, 109 with 256, 129 with 512.
_MOST: Final = 128
#: Less than any client waits for an answer; more than a burst lasts.
_PATIENCE_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.1
#: Whom it refuses together shall not come back together.
_RETRY_SECONDS: Final = (1, 2, 3)


class Waiting(Protocol):
    """One in the line. Neither method raises."""

    def go_in(self) -> bool:
        """It is its turn; False: it has left."""

    def turn_away(self, retry_after_seconds: int) -> None:
        """Its patience is at its end."""


class ConcurrencyLimit:
    """``working``: requests that are being worked on, ``most`` of them; who cannot wait comes in on top of that."""

    def __init__(self, most: int = _MOST, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self.most = most
        self.patience_seconds = patience_seconds
        self.working = 0
        self._coming = 0
        self._line: deque[tuple[float, Waiting]] = deque()
        self._looking = False
        self._seconds = itertools.cycle(_RETRY_SECONDS)

    @property
    def full(self) -> bool:
        """Whether who comes now is to wait: nobody overtakes the line."""
        return bool(self._line) or self.working + self._coming >= self.most

    @property
    def crammed(self) -> bool:
        """Whether even who cannot wait in line is to be refused."""
        return self.working >= 2 * self.most

    def retry_after_seconds(self) -> int:
        """For the next one who is refused."""
        return next(self._seconds)

    def come(self) -> None:
        """One goes in, and is counted before the loop reads again: of what it reads at once none is forgotten."""
        if not self._coming:
            asyncio.get_running_loop().call_soon(self._came)
        self._coming += 1

    def _came(self) -> None:
        self._coming = 0

    def wait(self, who: Waiting) -> None:
        """Puts ``who`` at the end of the line. Within a running loop only."""
        loop = asyncio.get_running_loop()
        self._line.append((loop.time() + self.patience_seconds, who))
        if not self._looking:
            self._looking = True
            loop.call_later(_LOOK_SECONDS, self._look, loop)

    def leave(self) -> None:
        """One who was counted is done: the next one's turn."""
        self.working -= 1
        self._let_in()

    @contextmanager
    def left(self) -> Iterator[None]:
        """For one who is counted, and waits for a client within the block."""
        self.leave()
        try:
            yield
        finally:
            self.working += 1

    def _let_in(self) -> None:
        while self._line and self.working + self._coming < self.most:
            if self._line.popleft()[1].go_in():
                self.come()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ends the patience of who has waited long enough; and fills the places of who went in and is not counted."""
        self._let_in()
        now = loop.time()
        while self._line and self._line[0][0] <= now:
            self._line.popleft()[1].turn_away(self.retry_after_seconds())
        self._looking = bool(self._line)
        if self._looking:
            loop.call_later(_LOOK_SECONDS, self._look, loop)

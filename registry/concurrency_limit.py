"""The concurrency limit of a process: above the limit requests wait in a queue, and are refused after two seconds.

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
    """A request that waits in the queue. Neither method raises."""

    def go_in(self) -> bool:
        """Start the request; False if the client has gone meanwhile."""

    def turn_away(self, retry_after_seconds: int) -> None:
        """Reject the request: the wait has timed out."""


class ConcurrencyLimit:
    """A limit of ``most`` requests at work, ``working`` now; requests that cannot wait are admitted above the limit."""

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
        """True when a new request must wait: the limit is reached, or earlier requests are queued."""
        return bool(self._line) or self.working + self._coming >= self.most

    @property
    def crammed(self) -> bool:
        """True when even a request that cannot wait must be rejected: twice the limit is at work."""
        return self.working >= 2 * self.most

    def retry_after_seconds(self) -> int:
        """Return the Retry-After of the next rejected request, varied so that clients do not return together."""
        return next(self._seconds)

    def come(self) -> None:
        """Count an admitted request until the loop's next turn: requests read in one turn must not exceed the limit."""
        if not self._coming:
            asyncio.get_running_loop().call_soon(self._came)
        self._coming += 1

    def _came(self) -> None:
        self._coming = 0

    def wait(self, who: Waiting) -> None:
        """Append ``who`` to the queue. Within a running loop only."""
        loop = asyncio.get_running_loop()
        self._line.append((loop.time() + self.patience_seconds, who))
        if not self._looking:
            self._looking = True
            loop.call_later(_LOOK_SECONDS, self._look, loop)

    def leave(self) -> None:
        """Release the place of a finished request and start the next one of the queue."""
        self.working -= 1
        self._let_in()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Release the request's place within the block, in which the request waits for its client."""
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
        """Reject the requests whose wait has timed out, after starting others in the free places."""
        self._let_in()
        now = loop.time()
        while self._line and self._line[0][0] <= now:
            self._line.popleft()[1].turn_away(self.retry_after_seconds())
        self._looking = bool(self._line)
        if self._looking:
            loop.call_later(_LOOK_SECONDS, self._look, loop)

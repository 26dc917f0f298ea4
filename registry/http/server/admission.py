"""Admission control: a limit of concurrent requests; above it requests wait, and get 429 after two seconds.

Without a limit each further request makes all of them slower, until what is answered comes too late for everybody. To
wait costs next to nothing, to be refused may cost a client its pull: docker asks for a manifest once. So most of
the requests above the limit wait, and what is refused has waited first.

A request that waits for its client, or moves the bytes of a blob, is not counted: that has bounds of its own, and a
slow client is no work. Look-ups of pulls are not either: one of them costs less than a place in the queue.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from registry.errors import TooManyRequests

#: Enough to keep a process and its ten connections to Postgres busy, also where each statement takes a few ms. More of
#: them make each one dearer: a tag write of 4096 clients takes 100 us of CPU with 128, 109 with 256, 129 with 512.
_MOST: Final = 128
#: Less than any client waits for an answer; more than a burst lasts.
_PATIENCE_SECONDS: Final = 2.0
#: Whoever is refused together shall not come back together.
_RETRY_SECONDS: Final = (1, 2, 3)


class Admission:
    """``working``: the requests that are being worked on, ``most`` of them; what must not wait comes on top of that."""

    def __init__(self) -> None:
        self.most = _MOST
        self.patience_seconds = _PATIENCE_SECONDS
        self.working = 0
        self.refused = 0
        #: The turns of those that wait, and whether they are counted.
        self._queue: deque[tuple[asyncio.Future[None], bool]] = deque()
        self._retry_seconds = itertools.cycle(_RETRY_SECONDS)

    @property
    def full(self) -> bool:
        """Return whether the next request is to wait: nothing overtakes the queue."""
        return bool(self._queue) or self.working >= self.most

    @property
    def waiting(self) -> int:
        """The number of requests in the queue."""
        return len(self._queue)

    async def enter(self, *, counted: bool, waits: bool) -> None:
        """Wait for a place, if need be; who is counted leaves it. Raises TooManyRequests."""
        if not waits or not self.full:
            self.working += counted
            return
        loop = asyncio.get_running_loop()
        waiting = loop.create_future(), counted
        self._queue.append(waiting)
        timer = loop.call_later(self.patience_seconds, self._refuse, waiting)
        try:
            await waiting[0]
        finally:
            timer.cancel()

    def leave(self) -> None:
        """Free the place of a request that was counted, for the next."""
        self.working -= 1
        while self._queue and self.working < self.most:
            turn, counted = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                self.working += counted

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Do not count a request that waits for its client within the block."""
        self.leave()
        try:
            yield
        finally:
            self.working += 1

    def _refuse(self, waiting: tuple[asyncio.Future[None], bool]) -> None:
        if not waiting[0].done():
            self._queue.remove(waiting)
            self.refused += 1
            waiting[0].set_exception(TooManyRequests(next(self._retry_seconds)))

"""Admission control: a limit of concurrent requests; above it requests wait, and get 429 after two seconds.

Without a limit each further request makes all of them slower, until what is answered comes too late for everybody. To
wait costs next to nothing, to be refused may cost a client its pull: docker asks for a manifest once. So most of a
crowd waits, and whoever is refused has waited first.

A request that waits for its client, or moves the bytes of a blob, is not counted: that has bounds of its own, and a
slow client is no work. Look-ups of pulls are not either: one of them costs less than a place in the queue.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from registry.http.server.message import Request

#: Enough to keep a process and its ten connections to Postgres busy, also where each statement takes a few ms. More of
#: them make each one dearer: a tag write of 4096 clients takes 100 us of CPU with 128, 109 with 256, 129 with 512.
_MOST: Final = 128
#: Less than any client waits for an answer; more than a burst lasts.
_PATIENCE_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.1
#: Whoever is refused together shall not come back together.
_RETRY_SECONDS: Final = (1, 2, 3)


class Waiting(NamedTuple):
    """A request in the queue; ``until`` on the clock of the loop."""

    until: float
    request: Request
    counted: bool


class Admission:
    """``working``: the requests that are being worked on, ``most`` of them; what must not wait comes on top of that.

    ``start`` begins a request and calls what it is given once the request is done; ``refuse`` is given the seconds
    after which a client may try again.
    """

    def __init__(
        self, start: Callable[[Request, Callable[[], None]], None], refuse: Callable[[Request, int], None]
    ) -> None:
        self.most = _MOST
        self.patience_seconds = _PATIENCE_SECONDS
        self.working = 0
        self._start = start
        self._refuse = refuse
        self._queue: deque[Waiting] = deque()
        self._looking = False
        self._retry_seconds = itertools.cycle(_RETRY_SECONDS)

    @property
    def full(self) -> bool:
        """Return whether the next request is to wait: nothing overtakes the queue."""
        return bool(self._queue) or self.working >= self.most

    def admit(self, request: Request, *, counted: bool, waits: bool) -> None:
        """Start ``request``, now or when it is its turn, or refuse it in the end. Within a running loop only."""
        if not waits or not self.full:
            self._begin(request, counted=counted)
            return
        loop = asyncio.get_running_loop()
        self._queue.append(Waiting(loop.time() + self.patience_seconds, request, counted))
        if not self._looking:
            self._looking = True
            loop.call_later(_LOOK_SECONDS, self._look, loop)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Do not count a request that waits for its client within the block."""
        self._leave()
        try:
            yield
        finally:
            self.working += 1

    def _begin(self, request: Request, *, counted: bool) -> None:
        if counted:
            self.working += 1
            if not request.body.complete:
                request.body.suspended = self.suspended
            self._start(request, self._leave)
        else:
            self._start(request, _nothing)

    def _leave(self) -> None:
        self.working -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._queue and self.working < self.most:
            _, request, counted = self._queue.popleft()
            if request.transport.is_closing():
                request.client.cut(request)
            else:
                self._begin(request, counted=counted)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse the requests that have waited long enough; and fill the places of those that were not counted."""
        self._let_in()
        now = loop.time()
        while self._queue and self._queue[0].until <= now:
            self._refuse(self._queue.popleft().request, next(self._retry_seconds))
        self._looking = bool(self._queue)
        if self._looking:
            loop.call_later(_LOOK_SECONDS, self._look, loop)


def _nothing() -> None:
    """Release nothing: the request was not counted."""

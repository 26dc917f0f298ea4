"""A body that is read through, and checked: other bytes than its digest says end the reading with an error."""

import hashlib
import time
from collections.abc import Callable
from typing import Final

from registry.cli.client.errors import CommandError
from registry.cli.client.whole import Body

_BLOCK = 1 << 16
#: Fewer bytes a second than this, for a minute that is spent with waiting, are no transfer.
_SLOWEST: Final = 1000
_PATIENCE_SECONDS: Final = 60.0


class Verified:
    """The body of a response as a file; ``size`` and ``digest`` are what it must have. Raises CommandError if not.

    Of the rest of a blob, from ``offset`` on, the length alone is checked: its first bytes are not here.
    """

    def __init__(
        self, response: Body, digest: str, size: int, count: Callable[[int], None], offset: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._response = response
        self._digest = digest
        self._left = size - offset
        self._count = count
        self._hash = None if offset else hashlib.new(digest.partition(":")[0])
        self._clock = clock
        self._waited, self._came = 0.0, 0

    def skip(self, size: int) -> None:
        """Read so many bytes, and give them to nobody."""
        while size:
            size -= len(data := self._block(size))
            if not data:
                return

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes. The last are given only if all of them have the digest."""
        data = self._block(size) if self._left else b""
        self._count(len(data))
        return data

    def _block(self, size: int) -> bytes:
        began = self._clock()
        data = self._response.read1(min(_BLOCK, size) if size > 0 else _BLOCK)
        self._measure(self._clock() - began, len(data))
        if self._hash is not None:
            self._hash.update(data)
        self._left -= len(data)
        if (data and self._left <= 0) or (not data and self._left):
            self._check(ended=not data)
        return data

    def _measure(self, seconds: float, count: int) -> None:
        """End a reading that comes in drops, each soon enough for the connection not to be given up."""
        self._waited, self._came = self._waited + seconds, self._came + count
        if self._waited > _PATIENCE_SECONDS:
            if self._came < _PATIENCE_SECONDS * _SLOWEST:
                raise ConnectionError(f"the source sent {self._came} bytes in {self._waited:.0f} s")
            self._waited, self._came = 0.0, 0

    def _check(self, *, ended: bool) -> None:
        if ended:
            raise ConnectionError(f"the source ended {self._left} bytes early")
        found = self._digest if self._hash is None else f"{self._digest.partition(':')[0]}:{self._hash.hexdigest()}"
        if self._left < 0 or found != self._digest:
            raise CommandError(f"the source has other bytes for {self._digest}", why="they were not passed on")

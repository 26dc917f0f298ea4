"""A body that is read through, and checked: other bytes than its digest says end the reading with an error."""

import hashlib
from collections.abc import Callable
from http.client import HTTPResponse

from registry.cli.client.errors import CommandError


class Verified:
    """The body of a response as a file; ``size`` and ``digest`` are what it must have. Raises CommandError if not."""

    def __init__(self, response: HTTPResponse, digest: str, size: int, count: Callable[[int], None]) -> None:
        self._response = response
        self._digest = digest
        self._left = size
        self._count = count
        self._hash = hashlib.new(digest.partition(":")[0])

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes. The last are given only if all of them have the digest."""
        data = self._response.read(min(1 << 16, size) if size > 0 else 1 << 16) if self._left else b""
        self._hash.update(data)
        self._left -= len(data)
        self._count(len(data))
        if (data and self._left <= 0) or (not data and self._left):
            self._check(ended=not data)
        return data

    def _check(self, *, ended: bool) -> None:
        if ended:
            raise ConnectionError(f"the source ended {self._left} bytes early")
        if self._left < 0 or f"{self._digest.partition(':')[0]}:{self._hash.hexdigest()}" != self._digest:
            raise CommandError(f"the source has other bytes for {self._digest}", why="they were not passed on")

"""Turns: at most so many at once have one key, a package or an account; the rest wait, and hold nothing."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from storage.errors import Unavailable

#: Who waits longer is told to come back: an overload, not a wait.
_SECONDS: Final = 5.0
_TOO_MANY: Final = "too many wait for the same package or account"


@dataclass(slots=True)
class _Gate:
    places: asyncio.Semaphore
    users: int = 0


class Turns:
    """The holders of each key, ``most`` at a time; a key that nobody has or waits for is forgotten.

    ``users_max``: so many may have a key or wait for it; more are refused at once.
    """

    def __init__(self, most: int, seconds: float = _SECONDS, users_max: int = sys.maxsize) -> None:
        self._most = most
        self._seconds = seconds
        self._users_max = users_max
        self._gates: dict[int, _Gate] = {}

    @asynccontextmanager
    async def turn(self, key: int) -> AsyncIterator[None]:
        """Hold the key within the block. Raises Unavailable."""
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = _Gate(asyncio.Semaphore(self._most))
        if gate.users >= self._users_max:
            raise Unavailable(_TOO_MANY)
        gate.users += 1
        try:
            await self._enter(gate.places)
            try:
                yield
            finally:
                gate.places.release()
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[key]

    async def _enter(self, places: asyncio.Semaphore) -> None:
        if not places.locked():
            await places.acquire()  # which does not wait
            return
        try:
            async with asyncio.timeout(self._seconds):
                await places.acquire()
        except TimeoutError as error:
            raise Unavailable(_TOO_MANY) from error

"""Limits of attempts to sign in, counted in PostgreSQL for all replicas together.

A window of five minutes begins with the first attempt. An attempt counts before it is looked at, so that many at once
are no way around the limit, and is taken out of the counts when it was no failure. Nobody is locked out for good.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from registry.errors import TooManyRequests
from storage.metadata import sign_in
from storage.metadata.query import Executor

WINDOW_SECONDS: Final = 300.0
OF_ONE: Final = 10  # a login, an address, an account
OF_ALL: Final = 1000


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was let in; ``keys``: what it was counted for."""

    keys: tuple[bytes, ...]


async def admit(db: Executor, what: str, address: str, name: str | None = None) -> Attempt:
    """Count an attempt at ``what`` from an address, and for a name. Raises TooManyRequests."""
    keys = [_key(what, "address", address)]
    if name is not None:
        keys.append(_key(what, "name", name.casefold()))
    await _count(db, sorted(keys), OF_ONE)
    # Only what was let in so far: one address alone cannot use up what everybody has.
    together = _key(what, "all", "")
    await _count(db, [together], OF_ALL)
    return Attempt((*sorted(keys), together))


async def forgive(db: Executor, attempt: Attempt) -> None:
    """Take an attempt that did not fail out of the counts."""
    await sign_in.forgive_attempt(db, attempt.keys)


async def _count(db: Executor, keys: list[bytes], most: int) -> None:
    counted = await sign_in.count_attempt(db, keys, WINDOW_SECONDS)
    waits = [found.seconds_left for found in counted if found.count > most]
    if waits:
        raise TooManyRequests(max(1, int(max(waits)) + 1), "attempts to sign in")


def _key(what: str, kind: str, value: str) -> bytes:
    # A hash, for some type their password where the login belongs.
    return hashlib.sha256(f"{what}\0{kind}\0{value}".encode("utf-8", "surrogatepass")).digest()

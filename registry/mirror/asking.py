"""Asking an upstream once for all: whoever wants an answer in the whole cluster waits for the one process that asks.

What was told is remembered in PostgreSQL, failures too; under new settings of the mirror all is asked anew.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from registry.mirror.failures import rest_of
from registry.mirror.mirrors import Mirror
from registry.mirror.upstream import UpstreamError
from storage.errors import StorageError
from storage.metadata import mirror_contents
from storage.metadata.database import Database
from storage.metadata.mirror_contents import Answer

log = structlog.get_logger()

#: For so long a process has an answer to itself; if none has come by then, the process is dead.
_LEASE_SECONDS: Final = 25.0
_POLL_SECONDS: Final = 0.05
#: What was told so short ago was told while the caller was on the way: what is missing here then is missing.
_JUST_SECONDS: Final = 2.0
_PAUSED_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of an upstream; ``age`` in seconds since it last told something good, None: never."""

    failure: UpstreamError | None
    age: float | None
    rests: float


async def ask_once(
    db: Database,
    mirror: Mirror,
    image: str,
    reference: str,
    work: Callable[[], Awaitable[None]],
    *,
    good_for: float | None = None,
    patience: float = _LEASE_SECONDS,
) -> Told:
    """Return what the upstream tells of a reference, by ``work`` of this or another process, if it is not known.

    ``good_for``: so old, in seconds, may an answer be; None: there is nothing here, so that only failures are
    remembered. ``patience``: how long the caller waits for another process. Raises StorageError, RegistryError.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while True:
        found = await mirror_contents.answer(db, mirror.owner_id, image, reference, mirror.changed_at)
        if mirror.paused:
            age = None if found is None else found.age
            return Told(UpstreamError("away", "paused", _PAUSED_SECONDS), age, _PAUSED_SECONDS)
        known = None if found is None else _known(found, _JUST_SECONDS if good_for is None else good_for)
        if known is not None:
            return known
        if found is not None and found.asked:
            if loop.time() > until:
                return Told(UpstreamError("away", "no answer in time", 1), found.age, 1.0)
            await asyncio.sleep(_POLL_SECONDS)
            continue
        told_at = None if found is None else found.told_at
        if await mirror_contents.ask(db, mirror.owner_id, image, reference, told_at, _LEASE_SECONDS):
            return await _asked(db, mirror, image, reference, work, found)


def _known(found: Answer, good_for: float) -> Told | None:
    if found.rests > 0:
        return Told(UpstreamError.of(found.kind, found.why, math.ceil(found.rests)), found.age, found.rests)
    if found.current and found.kind is None and found.age is not None and found.age < good_for:
        return Told(None, found.age, good_for - found.age)
    return None


async def _asked(
    db: Database, mirror: Mirror, image: str, reference: str, work: Callable[[], Awaitable[None]], found: Answer | None
) -> Told:
    """Ask, as this process has taken it upon itself."""
    failure, age = None, None if found is None else found.age
    try:
        await work()
    except UpstreamError as error:
        failure = error
    except TimeoutError:
        failure = UpstreamError("away", "no answer in time")
    except StorageError:
        await mirror_contents.told(db, mirror.owner_id, image, reference, "away", "it could not be stored", 1.0)
        raise
    if failure is None:
        await mirror_contents.told(db, mirror.owner_id, image, reference, None, None, 0.0)
        return Told(None, 0.0, 0.0)
    current = found is not None and found.current
    rests = rest_of(mirror, failure, 1 + (found.failures if found is not None and current else 0))
    await mirror_contents.told(db, mirror.owner_id, image, reference, failure.kind, failure.why[:200], rests)
    log.warning(
        "mirror.refused", upstream=mirror.shown, image=image, reference=reference, kind=failure.kind, error=failure.why
    )
    return Told(failure, age, rests)

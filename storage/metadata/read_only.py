"""The switch that makes the registry read-only on every replica, from the next statement on: the table ``read_only``.

Statements that change what people and clients change are refused by triggers (migration 0027); jobs ask.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.errors import ReadOnly
from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class ReadOnlyState:
    """Since when, and why the registry is read-only."""

    since: datetime
    reason: str


_STATE: Final = select(ReadOnlyState, "SELECT since, reason FROM read_only")
_ON: Final = command(
    "INSERT INTO read_only (reason) VALUES ($1) ON CONFLICT (one) DO UPDATE SET reason = excluded.reason"
)
_OFF: Final = command("DELETE FROM read_only")


async def state(db: Executor) -> ReadOnlyState | None:
    """Return the state of the switch; None: the registry may be written to."""
    return await _STATE.maybe(db)


async def require_off(db: Executor) -> None:
    """Raise ReadOnly while the registry is read-only."""
    found = await state(db)
    if found is not None:
        raise ReadOnly(found.reason)


async def switch_on(db: Executor, reason: str) -> None:
    """Make the registry read-only; where it is already, the reason is another one now."""
    await _ON.run(db, reason)


async def switch_off(db: Executor) -> bool:
    """Let the registry be written to again; False: it could be."""
    return await _OFF.run(db) == 1

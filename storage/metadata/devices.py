"""Devices that wait to be signed in (RFC 8628)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata import events
from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class Device:
    """A device that waits; ``host`` as the device names itself, ``address`` as the server saw it."""

    id: int
    host: str
    address: str
    scopes: list[str]
    created_at: datetime


_START: Final = command(
    """
    INSERT INTO device_sign_ins (device_hash, user_hash, host, address, scopes, expires_at)
    VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
    """
)


async def start(
    db: Executor,
    device_hash: bytes,
    user_hash: bytes,
    *,
    host: str,
    address: str,
    scopes: Sequence[str],
    lives_seconds: float,
) -> None:
    """Insert a device that waits. Raises AlreadyThere: another one has one of the codes."""
    await _START.run(db, device_hash, user_hash, host, address, list(scopes), lives_seconds)


_WAITING: Final = select(
    Device,
    """
    SELECT id, host, address, scopes, created_at FROM device_sign_ins
     WHERE user_hash = $1 AND approved IS NULL AND expires_at > now()
    """,
)


async def waiting(db: Executor, user_hash: bytes) -> Device | None:
    """Find the device that waits under the code that a person has typed."""
    return await _WAITING.maybe(db, user_hash)


_DECIDE: Final = select(
    Device,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    decided AS (
        UPDATE device_sign_ins SET approved = $3, account_id = $2
         WHERE user_hash = $1 AND approved IS NULL AND expires_at > now()
        RETURNING id, host, address, scopes, created_at),
    recorded AS ({
        events.note(
            "CASE WHEN $3 THEN 'user.approve_device' ELSE 'user.deny_device' END",
            "decided",
            owner="$2::bigint",
            data="jsonb_build_object('host', decided.host, 'address', decided.address, 'scopes', decided.scopes)",
        )
    })
    SELECT id, host, address, scopes, created_at FROM decided
    """,
)


async def decide(db: Executor, user_hash: bytes, account_id: int, *, approved: bool) -> Device | None:
    """Approve or deny the device for the account; None: no device waits under this code."""
    return await _DECIDE.maybe(db, user_hash, account_id, approved, events.by())


@dataclass(frozen=True, slots=True)
class Poll:
    """The state of a device that asks; ``early``: it asked again too soon, and has to wait longer from now on."""

    id: int
    expired: bool
    approved: bool | None
    account_id: int | None
    host: str
    scopes: list[str]
    early: bool


_POLL: Final = select(
    Poll,
    """
    WITH asked AS MATERIALIZED (
        SELECT id, coalesce(polled_at > now() - make_interval(secs => interval_seconds - 1), false) AS early
          FROM device_sign_ins WHERE device_hash = $1 FOR UPDATE)
    UPDATE device_sign_ins device
       SET polled_at = now(), interval_seconds = interval_seconds + CASE WHEN asked.early THEN 5 ELSE 0 END
      FROM asked WHERE device.id = asked.id
    RETURNING device.id, device.expires_at <= now() AS expired, device.approved, device.account_id, device.host,
              device.scopes, asked.early
    """,
)


async def poll(db: Executor, device_hash: bytes) -> Poll | None:
    """Record that a device asks, and return its state; None: there is no such device."""
    return await _POLL.maybe(db, device_hash)


_END: Final = command("DELETE FROM device_sign_ins WHERE id = $1")


async def end(db: Executor, device_id: int) -> bool:
    """Delete a device that was told its answer; False: another request was faster."""
    return await _END.run(db, device_id) == 1


_FORGET: Final = command(
    """
    DELETE FROM device_sign_ins
     WHERE id = ANY (ARRAY(SELECT id FROM device_sign_ins WHERE expires_at < now() - interval '1 hour'
                            ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    """
)


async def forget_expired(db: Executor, limit: int) -> int:
    """Delete devices whose codes expired an hour ago; returns their number."""
    return await _FORGET.run(db, limit)

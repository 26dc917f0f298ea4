"""Deliveries of webhooks: what each hook is told, in the order of each package, and how that went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from storage.metadata.query import LAST, Executor, command, select


@dataclass(frozen=True, slots=True)
class _Number:
    id: int


#: The state of those that are to be sent.
OPEN: Final[LiteralString] = "state IN ('waiting', 'sending')"
#: Of one that is being sent the receiver may have taken what it has.
_WAITS: Final[LiteralString] = "state = 'waiting'"
_PING: Final = command(
    f"""
    INSERT INTO hook_deliveries (hook_id, event, lane, state)
    SELECT $1, 'ping', 0, 'waiting'
     WHERE NOT EXISTS (SELECT FROM hook_deliveries WHERE hook_id = $1 AND lane = 0 AND event = 'ping' AND {_WAITS})
    """
)
_REPEAT: Final = select(
    _Number,
    f"""
    WITH old AS (SELECT * FROM hook_deliveries WHERE id = $2 AND hook_id = $1 AND state <> 'held'),
    open AS (
        SELECT delivery.id FROM hook_deliveries delivery JOIN old USING (guid)
         WHERE delivery.hook_id = $1 AND delivery.lane = 0 AND delivery.{_WAITS}),
    made AS (
    INSERT INTO hook_deliveries (hook_id, guid, redelivery, event, action, lane, xid, event_id, at, package_id,
                                 version_id, digest, tag, actor_id, data, state, request_headers, payload)
    SELECT hook_id, guid, true, event, action, 0, xid, event_id, at, package_id, version_id, digest, tag, actor_id,
           data, 'waiting', request_headers, payload
      FROM old WHERE NOT EXISTS (SELECT FROM open)
    RETURNING id)
    SELECT id FROM open UNION ALL SELECT id FROM made LIMIT 1
    """,
)


async def ping(db: Executor, hook_id: int) -> None:
    """Have a hook sent a ping, unless one waits already."""
    await _PING.run(db, hook_id)


async def repeat(db: Executor, hook_id: int, delivery_id: int) -> int | None:
    """Have a delivery sent once more, the same bytes under the same GUID; None: there is no such delivery.

    One that waits to be sent once more already is not sent twice.
    """
    found = await _REPEAT.maybe(db, hook_id, delivery_id)
    return None if found is None else found.id


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery that is to be sent now; ``attempts``: with this one. ``payload`` None: to be made."""

    id: int
    hook_id: int
    guid: UUID
    redelivery: bool
    event: str
    action: str | None
    xid: int | None
    event_id: int | None
    at: datetime | None
    package_id: int | None
    version_id: int | None
    digest: str | None
    tag: str | None
    actor_id: int | None
    data: str | None
    attempts: int
    request_headers: str | None
    payload: bytes | None


# From hook to hook and from lane to lane by one index each, however much waits: of each lane the first is looked at
# alone. Another worker may have sent it meanwhile, and taken the next: then its row says so, and is left.
_TAKE: Final = select(
    Taken,
    f"""
    WITH RECURSIVE known AS (
        (SELECT hook_id FROM hook_deliveries WHERE {OPEN} ORDER BY hook_id LIMIT 1)
         UNION ALL
        SELECT later.hook_id FROM known CROSS JOIN LATERAL (
               SELECT hook_id FROM hook_deliveries WHERE {OPEN} AND hook_id > known.hook_id
                ORDER BY hook_id LIMIT 1) AS later
    ), able AS MATERIALIZED (
        SELECT hook.id,
               CASE WHEN hook.failures = 0 THEN $2::int ELSE 1 END
               - (SELECT count(*) FROM hook_deliveries
                   WHERE hook_id = hook.id AND state = 'sending' AND due_at > now()) AS free
          FROM known
         CROSS JOIN LATERAL (
               SELECT id, failures FROM hooks
                WHERE id = known.hook_id AND active AND disabled_reason IS NULL AND rests_until <= now()
                LIMIT 1) AS hook
    ), lanes AS (
        SELECT able.id, able.free, first.lane FROM able CROSS JOIN LATERAL (
               SELECT lane FROM hook_deliveries WHERE {OPEN} AND hook_id = able.id ORDER BY lane LIMIT 1) AS first
         WHERE able.free > 0
         UNION ALL
        SELECT lanes.id, lanes.free, later.lane FROM lanes CROSS JOIN LATERAL (
               SELECT lane FROM hook_deliveries WHERE {OPEN} AND hook_id = lanes.id AND lane > lanes.lane
                ORDER BY lane LIMIT 1) AS later
    ), heads AS (
        SELECT first.id, first.due_at, lanes.free,
               row_number() OVER (PARTITION BY lanes.id ORDER BY first.due_at) AS place
          FROM lanes CROSS JOIN LATERAL (
               SELECT id, due_at FROM hook_deliveries WHERE {OPEN} AND hook_id = lanes.id AND lane = lanes.lane
                ORDER BY id LIMIT 1) AS first
         WHERE first.due_at <= now()
    ), due AS MATERIALIZED (
        SELECT id FROM hook_deliveries
         WHERE id = ANY (ARRAY(SELECT id FROM heads WHERE place <= free ORDER BY place, due_at LIMIT $1))
           AND {OPEN} AND due_at <= now()
           FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE hook_deliveries taken
       SET state = 'sending', attempts = attempts + 1, due_at = now() + make_interval(secs => $3)
      FROM due WHERE taken.id = due.id
    RETURNING taken.id, taken.hook_id, taken.guid, taken.redelivery, taken.event, taken.action,
              taken.xid::text::bigint AS xid, taken.event_id, taken.at, taken.package_id, taken.version_id,
              taken.digest, taken.tag, taken.actor_id, taken.data::text AS data, taken.attempts,
              taken.request_headers::text AS request_headers, taken.payload
    """,
)


async def take(db: Executor, most: int, of_hook: int, lease_seconds: float) -> list[Taken]:
    """Take deliveries that are due, the first of each package of each hook, for so many seconds.

    At most ``most``, and of a hook so many at once as ``of_hook``; of one that fails one.
    """
    return await _TAKE.all(db, most, of_hook, lease_seconds)


_STORE: Final = command(
    """
    UPDATE hook_deliveries SET request_headers = $3::text::jsonb, payload = $4
     WHERE id = $1 AND state = 'sending' AND attempts = $2
    """
)
_END: Final = command(
    """
    UPDATE hook_deliveries
       SET state = $3, status_code = $4, status = $5, response_headers = $6::text::jsonb, response = $7,
           delivered_at = now(), duration_ms = $8, due_at = now() + make_interval(secs => $9),
           lane = CASE WHEN $3 = 'waiting' AND created_at < now() - make_interval(secs => $10) THEN -id ELSE lane END
     WHERE id = $1 AND state = 'sending' AND attempts = $2
    """
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went; ``code`` 0: there was no answer. ``headers``: JSON."""

    code: int
    status: str
    headers: str | None
    body: bytes | None
    duration_ms: int


async def store(db: Executor, taken: Taken, headers: str, payload: bytes) -> bool:
    """Record what is about to be sent; False: another worker has the delivery by now."""
    return await _STORE.run(db, taken.id, taken.attempts, headers, payload) == 1


async def end(
    db: Executor, taken: Taken, state: str, outcome: Outcome, *, again_seconds: float = 0.0, holds_seconds: float = 0.0
) -> bool:
    """Record how an attempt went; False: another worker has the delivery by now.

    One that waits again does so for ``again_seconds``, and once it is older than ``holds_seconds`` holds up no other.
    """
    done = await _END.run(
        db,
        taken.id,
        taken.attempts,
        state,
        outcome.code,
        outcome.status,
        outcome.headers,
        outcome.body,
        outcome.duration_ms,
        again_seconds,
        holds_seconds,
    )
    return done == 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it is listed; ``repository_id``: of its package."""

    id: int
    guid: UUID
    redelivery: bool
    event: str
    action: str | None
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    delivered_at: datetime | None
    duration_ms: int | None
    status_code: int | None
    status: str | None
    repository_id: int | None


@dataclass(frozen=True, slots=True)
class WholeDelivery(Delivery):
    """A delivery with what was sent and answered; headers: JSON."""

    request_headers: str | None
    payload: bytes | None
    response_headers: str | None
    response: bytes | None


_LISTED: Final[LiteralString] = """
    delivery.id, delivery.guid, delivery.redelivery, delivery.event, delivery.action, delivery.state, delivery.attempts,
    delivery.created_at, delivery.due_at, delivery.delivered_at, delivery.duration_ms, delivery.status_code,
    delivery.status, (SELECT repository_id FROM packages WHERE id = delivery.package_id) AS repository_id
"""
_LIST: Final = select(
    Delivery,
    f"""
    SELECT {_LISTED}
      FROM (SELECT * FROM hook_deliveries
             WHERE hook_id = $1 AND id < $2 AND ($3::text[] IS NULL OR state = ANY ($3)) AND state <> 'held'
             ORDER BY id DESC LIMIT $4) AS delivery
     ORDER BY delivery.id DESC
    """,
)
_GET: Final = select(
    WholeDelivery,
    f"""
    SELECT {_LISTED}, delivery.request_headers::text AS request_headers, delivery.payload,
           delivery.response_headers::text AS response_headers, delivery.response
      FROM hook_deliveries delivery
     WHERE delivery.id = $2 AND delivery.hook_id = $1 AND delivery.state <> 'held'
    """,
)


async def of_hook(
    db: Executor, hook_id: int, *, before: int | None, states: Sequence[str] | None, limit: int
) -> list[Delivery]:
    """The deliveries of a hook, the newest first, from before ``before``; ``states``: in these alone."""
    return await _LIST.all(db, hook_id, before or LAST, None if states is None else list(states), limit)


async def get(db: Executor, hook_id: int, delivery_id: int) -> WholeDelivery | None:
    """Find a delivery of a hook."""
    return await _GET.maybe(db, hook_id, delivery_id)


_FORGET: Final = command(
    """
    DELETE FROM hook_deliveries WHERE id = ANY (ARRAY(
        SELECT id FROM hook_deliveries WHERE created_at < now() - make_interval(days => $1)
         ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))
    """
)


async def forget(db: Executor, days: int, most: int) -> int:
    """Delete deliveries that are older than so many days; returns their number."""
    return await _FORGET.run(db, days, most)

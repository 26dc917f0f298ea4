"""Seals of the audit log, made after the fact: a chain in the statements that record would be a lock for all."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString

from storage.metadata.query import Executor, command, select

#: Events under one seal, at most.
_MOST: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: All that an event has, in one text that no setting of the session changes.
_TEXT: Final[LiteralString] = """jsonb_build_array(
    event.xid::text, event.id, extract(epoch FROM event.at), event.action, event.owner_id, event.package_id,
    event.version_id, encode(event.digest, 'hex'), encode(event.before_digest, 'hex'), event.tag, event.actor_id,
    event.via, event.token_id, event.token_name, event.data, event.repository_id, event.request_id, event.remote,
    event.user_agent)::text"""
_HASH: Final[LiteralString] = f"""
    sha256({{0}} || convert_to(coalesce(string_agg({_TEXT}, E'\\n' ORDER BY event.xid, event.id), ''), 'UTF8'))"""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal of ``count`` events up to a place; ``hash`` is over the former seal's hash and them, made ``at``."""

    number: int
    xid: int
    id: int
    count: int
    first_at: datetime
    at: datetime
    hash: bytes

    def signed_bytes(self) -> bytes:
        """Return what a signature is over: the whole seal."""
        fields = (self.number, self.xid, self.id, self.count, _micros(self.first_at), _micros(self.at), self.hash.hex())
        return "\n".join(["moorage seal 1", *map(str, fields)]).encode()


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


_NEXT: Final = select(
    Seal,
    f"""
    WITH former AS MATERIALIZED (
        SELECT number, xid, id, hash FROM event_seals ORDER BY number DESC LIMIT 1
    ), near AS MATERIALIZED (
        SELECT * FROM events
         WHERE (xid, id) > (coalesce((SELECT xid FROM former), '0'), coalesce((SELECT id FROM former), 0))
           AND xid < event_horizon()
         ORDER BY xid, id LIMIT {_MOST}
    ), sealed AS (
        SELECT count(*) AS count, min(event.at) AS first_at,
               (array_agg(event.xid ORDER BY event.xid, event.id))[count(*)] AS xid,
               (array_agg(event.id ORDER BY event.xid, event.id))[count(*)] AS id,
               {_HASH.format("coalesce((SELECT hash FROM former), '')")} AS hash
          FROM near AS event
    )
    SELECT coalesce((SELECT number FROM former), 0) + 1 AS number, xid::text::bigint AS xid, id, count, first_at,
           now() AS at, hash
      FROM sealed WHERE count > 0
    """,
)
_INSERT: Final = command(
    """
    INSERT INTO event_seals (number, xid, id, count, first_at, at, hash, signature)
    VALUES ($1, $2::text::xid8, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (number) DO NOTHING
    """
)


async def next_seal(db: Executor) -> Seal | None:
    """Make the seal of what is behind the last one, as far as no open transaction can add to it; None: of nothing."""
    return await _NEXT.maybe(db)


async def insert(db: Executor, seal: Seal, signature: bytes) -> bool:
    """Insert a seal; False: another process has inserted one of this number."""
    return (
        await _INSERT.run(
            db, seal.number, str(seal.xid), seal.id, seal.count, seal.first_at, seal.at, seal.hash, signature
        )
        == 1
    )


@dataclass(frozen=True, slots=True)
class Checked(Seal):
    """A seal, and what is under it now; ``intact``: nothing was changed, added or taken away.

    ``last_at``: of the newest event that is there; ``signature`` None: the seal was not signed.
    """

    signature: bytes | None
    found: int
    last_at: datetime | None
    intact: bool


_CHECK: Final = select(
    Checked,
    f"""
    SELECT seal.number, seal.xid::text::bigint AS xid, seal.id, seal.count, seal.first_at, seal.at, seal.hash,
           seal.signature, now.count AS found, now.last_at,
           now.count = seal.count AND now.hash = seal.hash AND (former.number IS NOT NULL OR seal.number = 1) AS intact
      FROM event_seals seal LEFT JOIN event_seals former ON former.number = seal.number - 1
     CROSS JOIN LATERAL (
            SELECT count(*) AS count, max(event.at) AS last_at, {_HASH.format("coalesce(former.hash, '')")} AS hash
              FROM events event
             WHERE (xid, id) > (coalesce(former.xid, '0'), coalesce(former.id, 0)) AND (xid, id) <= (seal.xid, seal.id)
           ) AS now
     WHERE seal.number = $1
    """,
)


@dataclass(frozen=True, slots=True)
class State:
    """The number of the last seal, and from when on events are kept; None: from the beginning."""

    last: int
    kept_from: datetime | None


_STATE: Final = select(
    State,
    """
    SELECT coalesce((SELECT max(number) FROM event_seals), 0) AS last,
           (SELECT to_timestamp(min(substr(relname::text, 8)) || '_01 +0', 'YYYY_MM_DD TZH')
              FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
             WHERE inhparent = 'events'::regclass AND relname ~ '^events_[0-9]{4}_[0-9]{2}$') AS kept_from
    """,
)


async def check(db: Executor, number: int) -> Checked | None:
    """Compare what is under a seal with the seal; None: there is no seal of this number."""
    return await _CHECK.maybe(db, number)


async def state(db: Executor) -> State:
    """How many seals there are, and from when on their events are kept."""
    return await _STATE.one(db)

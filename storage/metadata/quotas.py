"""Quotas: how much an account may store, and what is refused or warned of when that is used.

A quota is looked at where an upload or a mount begins, by the sums that jobs keep: whoever was let in may finish.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata import access_facts, events
from storage.metadata.events import Actor
from storage.metadata.query import Executor, command, select

SET: Final[LiteralString] = "packages.quota_set"
REMOVED: Final[LiteralString] = "packages.quota_removed"
WARNED: Final[LiteralString] = "packages.quota_warned"
#: Far above any quota, and what is used has place beside it in a bigint: a client may announce what it likes.
EXPECTED_MOST: Final = 2**62


@dataclass(frozen=True, slots=True)
class Room:
    """The quota of an owner and what is used of it, in bytes; ``is_full``: there is no place for an upload."""

    is_full: bool
    owner: str
    used: int
    quota: int
    warn_percent: int

    @classmethod
    def of(cls, told: str) -> "Room":
        """Read what the function ``quota_room`` tells."""
        mark, owner, used, quota, percent = told.split("\t")
        return cls(bool(mark), owner, int(used), int(quota), int(percent))


def room(package: LiteralString, account: LiteralString, more: LiteralString) -> LiteralString:
    """Render the text of Room for ``more`` bytes of an account; NULL: the owner of the package has no quota.

    That there is any is asked first: a function that is not called costs nothing.
    """
    return f"CASE WHEN EXISTS (SELECT FROM quotas) THEN quota_room({package}, {account}, {more}) END"


def is_full(told: LiteralString) -> LiteralString:
    """Render whether a text of Room says that there is no place."""
    return f"(left({told}, 1) = '!') IS TRUE"


@dataclass(frozen=True, slots=True)
class Large:
    """A package and its bytes."""

    name: str
    bytes: int


_LOOKED_AT: Final = 100
_LARGEST_READABLE: Final = select(
    Large,
    f"""
    {access_facts.GIVEN}
    SELECT package.name, used.bytes
      FROM {access_facts.HOLDER}
      JOIN (SELECT package_id, bytes FROM package_usage
             WHERE owner_id = (SELECT owner_id FROM packages WHERE id = $2)
             ORDER BY bytes DESC LIMIT {_LOOKED_AT}) AS used ON true
      JOIN packages package ON package.id = used.package_id AND package.deleted_at IS NULL
      JOIN accounts owner ON owner.id = package.owner_id
     WHERE token.id = $1 AND {access_facts.READABLE}
       AND ($3::text[] IS NULL OR package.visibility = 'public' OR lower(owner.login) || '/' || package.name = ANY($3))
     ORDER BY used.bytes DESC LIMIT 5
    """,
)


async def largest_readable(
    db: Executor, token_id: int | None, package_id: int, granted: Sequence[str] | None = None
) -> list[Large]:
    """The largest packages of the owner of a package, as far as the caller may know of them."""
    return await _LARGEST_READABLE.all(db, token_id, package_id, granted)


@dataclass(frozen=True, slots=True)
class Quota:
    """The quota of an owner, in bytes; ``hard``: what is more is refused, else only warned of."""

    bytes: int
    hard: bool
    warn_percent: int


_SET: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$5")}
    ), former AS MATERIALIZED (
        SELECT bytes, hard, warn_percent FROM quotas WHERE owner_id = $1 FOR NO KEY UPDATE
    ), made AS (
        INSERT INTO quotas (owner_id, bytes, hard, warn_percent)
        SELECT $1, $2, $3, $4 FROM actor LEFT JOIN former ON true -- which is so read before it is written
        ON CONFLICT (owner_id) DO UPDATE
           SET bytes = excluded.bytes, hard = excluded.hard, warn_percent = excluded.warn_percent, warned_at = NULL
        RETURNING owner_id, bytes, hard, warn_percent
    )
    {
        events.note(
            f"'{SET}'",
            "made LEFT JOIN former ON true",
            owner="made.owner_id",
            data="jsonb_build_object('bytes', made.bytes, 'hard', made.hard, 'warn_percent', made.warn_percent,"
            " 'before', former.bytes)",
            where="(made.bytes, made.hard, made.warn_percent)"
            " IS DISTINCT FROM (former.bytes, former.hard, former.warn_percent)",
        )
    }
    """
)
_REMOVE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}
    ), gone AS (
        DELETE FROM quotas WHERE owner_id = $1 RETURNING owner_id, bytes
    )
    {events.note(f"'{REMOVED}'", "gone", owner="gone.owner_id", data="jsonb_build_object('before', gone.bytes)")}
    """
)


async def put(db: Executor, owner_id: int, quota: Quota, actor: Actor | None) -> None:
    """Set the quota of an account."""
    await _SET.run(db, owner_id, quota.bytes, quota.hard, quota.warn_percent, events.by(actor))


async def remove(db: Executor, owner_id: int, actor: Actor | None) -> None:
    """Remove the quota of an account, if there is one."""
    await _REMOVE.run(db, owner_id, events.by(actor))


_WARN: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}
    ), warned AS (
        UPDATE quotas quota SET warned_at = now()
          FROM owner_usage known
         WHERE quota.owner_id = ANY ($1::bigint[]) AND known.owner_id = quota.owner_id
           AND known.bytes::numeric * 100 >= quota.bytes::numeric * quota.warn_percent
           AND (quota.warned_at IS NULL OR quota.warned_at < now() - interval '1 day')
        RETURNING quota.owner_id, quota.bytes, quota.hard, known.bytes AS used
    )
    {
        events.note(
            f"'{WARNED}'",
            "warned",
            owner="warned.owner_id",
            data="jsonb_build_object('used', warned.used, 'bytes', warned.bytes, 'hard', warned.hard)",
        )
    }
    """
)


async def warn(db: Executor, owners: Sequence[int]) -> int:
    """Record those of ``owners`` whose quotas are nearly used, each once a day; returns their number."""
    return await _WARN.run(db, list(owners), events.by())

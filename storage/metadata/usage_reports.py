"""The usage of owners, by the sums that jobs keep: of one with its largest packages, of all, and by day."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, LiteralString

from storage.metadata.query import Executor, Query, select, together


@dataclass(frozen=True, slots=True)
class Used:
    """The bytes of an owner and of the owner's quota; ``counted_at``: None until all of it has been counted once.

    ``hard`` and ``warn_percent``: None without a quota.
    """

    login: str
    kind: str
    used: int
    counted_at: datetime | None
    quota: int | None
    hard: bool | None
    warn_percent: int | None


@dataclass(frozen=True, slots=True)
class UsedPackage:
    """The bytes of a package, of blobs that other packages may have too; ``deleted``: it can be restored."""

    name: str
    bytes: int
    versions: int
    deleted: bool


_COLUMNS: Final[LiteralString] = """
    SELECT owner.login, owner.kind, greatest(coalesce(known.bytes, 0), 0) AS used, known.counted_at,
           quota.bytes AS quota, quota.hard, quota.warn_percent::int AS warn_percent
"""
_OF_OWNER: Final = Query(
    Used,
    f"""
    {_COLUMNS}
      FROM accounts owner
      LEFT JOIN owner_usage known ON known.owner_id = owner.id
      LEFT JOIN quotas quota ON quota.owner_id = owner.id
     WHERE owner.id = $1
    """,
)
_LARGEST: Final = Query(
    UsedPackage,
    """
    SELECT package.name, largest.bytes, versions.count AS versions, package.deleted_at IS NOT NULL AS deleted
      FROM (SELECT package_id, bytes FROM package_usage
             WHERE owner_id = $1 AND bytes > 0 ORDER BY bytes DESC LIMIT $2) AS largest
     CROSS JOIN LATERAL (SELECT name, deleted_at FROM packages WHERE id = largest.package_id LIMIT 1) AS package
     CROSS JOIN LATERAL (SELECT count(*)::int AS count
                           FROM (SELECT 1 FROM manifests
                                  WHERE package_id = largest.package_id AND deleted_at IS NULL LIMIT 1000) AS near
                        ) AS versions
     ORDER BY largest.bytes DESC, package.name
    """,
)
_REPORT: Final = together(_OF_OWNER, _LARGEST)


async def of_owner(db: Executor, owner_id: int, limit: int) -> tuple[Used, list[UsedPackage]]:
    """The usage of an account, and its largest packages: ``limit`` at most, with up to 1,000 versions counted."""
    (used,), packages = await _REPORT.all(db, owner_id, limit)
    return used, packages


_OWNERS: Final = select(
    Used,
    f"""
    {_COLUMNS}
      FROM (SELECT owner_id, bytes, counted_at FROM owner_usage
             WHERE bytes > 0 ORDER BY bytes DESC LIMIT $1) AS known
      JOIN accounts owner ON owner.id = known.owner_id
      LEFT JOIN quotas quota ON quota.owner_id = owner.id
     ORDER BY known.bytes DESC, owner.login
    """,
)


async def owners(db: Executor, limit: int) -> list[Used]:
    """The owners that use most, the largest first."""
    return await _OWNERS.all(db, limit)


@dataclass(frozen=True, slots=True)
class UsedDay:
    """The storage of an owner on a day, in bytes times hours."""

    day: date
    byte_hours: int


_DAYS: Final = select(
    UsedDay,
    "SELECT day, byte_hours FROM usage_days WHERE owner_id = $1 AND day >= $2 AND day < $3 ORDER BY day LIMIT 366",
)


async def days(db: Executor, owner_id: int, first: date, end: date) -> list[UsedDay]:
    """The storage of an account on each day from ``first`` until before ``end``."""
    return await _DAYS.all(db, owner_id, first, end)

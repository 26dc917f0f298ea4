"""Packages: found, made, listed."""

from dataclasses import dataclass
from typing import Final

from storage.metadata import standing
from storage.metadata.query import Executor, command, select
from storage.metadata.standing import Standing
from storage.names import PackageName

_STANDING: Final = select(Standing, f"SELECT {standing.COLUMNS} {standing.FROM}")


async def standing_of(db: Executor, token_id: int | None, package: PackageName) -> Standing:
    """The caller's standing with a package that may not be there."""
    return await _STANDING.one(db, token_id, package.owner, package.image)


@dataclass(frozen=True, slots=True)
class Made:
    id: int


_ENSURE: Final = select(
    Made,
    """
    WITH made AS (
        INSERT INTO packages (owner_id, name, creator_id) VALUES ($1, $2, $3)
        ON CONFLICT (owner_id, name) WHERE deleted_at IS NULL DO NOTHING
        RETURNING id
    )
    SELECT id FROM made
    UNION ALL
    SELECT id FROM packages WHERE owner_id = $1 AND name = $2 AND deleted_at IS NULL
    LIMIT 1
    """,
)


async def ensure(db: Executor, owner_id: int, image: str, creator_id: int) -> int:
    """The id of the package, made private if it was not there."""
    # A row that a concurrent statement has just made is not in this one's snapshot; it is in the next.
    made = await _ENSURE.maybe(db, owner_id, image, creator_id) or await _ENSURE.one(db, owner_id, image, creator_id)
    return made.id


@dataclass(frozen=True, slots=True)
class Listed:
    name: str


_CATALOG: Final = select(
    Listed,
    f"""
    SELECT lower(owner.login) || '/' || package.name AS name
      FROM {standing.HOLDER}
      JOIN packages package ON package.deleted_at IS NULL AND package.published_at IS NOT NULL
      JOIN accounts owner ON owner.id = package.owner_id
     WHERE token.id = $1 AND {standing.READABLE}
       AND (lower(owner.login) || '/' || package.name) COLLATE "C" > $2
     ORDER BY (lower(owner.login) || '/' || package.name) COLLATE "C"
     LIMIT $3
    """,
)


async def readable(db: Executor, token_id: int, after: str, limit: int) -> list[str]:
    """At most ``limit`` full names that the token's account may read, in byte order, past ``after``."""
    return [row.name for row in await _CATALOG.all(db, token_id, after, limit)]


_FORGET_UNPUBLISHED: Final = command(
    """
    DELETE FROM packages package
     WHERE package.published_at IS NULL
       AND package.created_at < now() - make_interval(secs => $1)
       AND NOT EXISTS (SELECT 1 FROM package_blobs WHERE package_id = package.id)
       AND NOT EXISTS (SELECT 1 FROM manifests WHERE package_id = package.id)
       AND NOT EXISTS (SELECT 1 FROM uploads WHERE package_id = package.id)
    """
)


async def forget_unpublished(db: Executor, older_than_seconds: float) -> int:
    """Removes packages that were begun and never got a manifest; how many."""
    return await _FORGET_UNPUBLISHED.run(db, older_than_seconds)

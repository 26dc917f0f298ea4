"""Packages as shown to a viewer: one package, or a page of an account's packages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import access_facts
from storage.metadata.links import REPOSITORY_ROLE
from storage.metadata.query import COUNTED, Executor, select


@dataclass(frozen=True, slots=True)
class ShownPackage:
    """A package as shown; ``version_count``: without deleted versions; repository None: not visible to the viewer."""

    id: int
    name: str
    visibility: str
    inherit_access: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version_count: int
    owner_id: int
    owner_login: str
    owner_kind: str
    owner_site_admin: bool
    repository_id: int | None
    repository_name: str | None
    repository_visibility: str | None
    repository_description: str | None


@dataclass(frozen=True, slots=True)
class ListedPackage(ShownPackage):
    """A package of a page; ``total``: the packages of all pages, as far as they are counted."""

    total: int


COLUMNS: Final[LiteralString] = """
    package.id, package.name, package.visibility, package.inherit_access, package.created_at, package.updated_at,
    package.deleted_at,
    (SELECT count(*) FROM manifests WHERE package_id = package.id AND deleted_at IS NULL)::int AS version_count,
    owner.id AS owner_id, owner.login AS owner_login, owner.kind AS owner_kind, owner.site_admin AS owner_site_admin,
    linked.id AS repository_id, linked.name AS repository_name, linked.visibility AS repository_visibility,
    linked.description AS repository_description
"""
LINKED: Final[LiteralString] = f"""
    LEFT JOIN LATERAL (
        SELECT repo.id, repo.name, repo.visibility, repo.description
          FROM repositories repo
         WHERE repo.id = package.repository_id AND repo.deleted_at IS NULL AND ({REPOSITORY_ROLE}) > 0
    ) AS linked ON true
"""

_SHOW: Final = select(
    ShownPackage,
    f"""
    SELECT {COLUMNS}
      FROM {access_facts.HOLDER}
      JOIN packages package ON package.id = $2 AND package.deleted_at IS NULL AND package.published_at IS NOT NULL
      JOIN accounts owner ON owner.id = package.owner_id
      {LINKED}
     WHERE token.id = $1
    """,
)


async def show(db: Executor, token_id: int, package_id: int) -> ShownPackage | None:
    """A package that the viewer may read; None: the package is deleted or was never published."""
    return await _SHOW.maybe(db, token_id, package_id)


# (SELECT …): of a limit that it cannot compute PostgreSQL expects a tenth of the rows, and so follows packages_owner as
# far as is counted, instead of sorting all that the owner has.
_PAGE: Final = select(
    ListedPackage,
    f"""
    {access_facts.GIVEN}, listed AS MATERIALIZED (
        SELECT package.id, row_number() OVER (ORDER BY package.id) AS place
          FROM {access_facts.HOLDER}
          JOIN packages package
                 ON package.owner_id = $2 AND package.deleted_at IS NULL AND package.published_at IS NOT NULL
          JOIN accounts owner ON owner.id = $2
         WHERE token.id = $1 AND ($3::text IS NULL OR package.visibility = $3) AND {access_facts.READABLE}
         ORDER BY package.id LIMIT (SELECT {COUNTED})
    )
    SELECT {COLUMNS}, (SELECT count(*) FROM listed)::int AS total
      FROM {access_facts.HOLDER}
      JOIN listed ON listed.place > $5 AND listed.place <= $5 + $4
      JOIN packages package ON package.id = listed.id
      JOIN accounts owner ON owner.id = package.owner_id
      {LINKED}
     WHERE token.id = $1
     ORDER BY package.id
    """,
)


async def page(
    db: Executor, token_id: int, owner_id: int, visibility: str | None, *, limit: int, offset: int
) -> list[ListedPackage]:
    """Packages of an account that the viewer may read, oldest first."""
    return await _PAGE.all(db, token_id, owner_id, visibility, limit, offset)


@dataclass(frozen=True, slots=True)
class DeletedPackage(ListedPackage):
    """A deleted package; ``taken``: a published package has its name now."""

    taken: bool


def _deleted(owners: LiteralString, more: LiteralString = "true") -> LiteralString:
    """Render a page ($2 rows past $3) of the packages of ``owners``, which the window of $4 seconds still holds."""
    return f"""
    {access_facts.GIVEN}
    SELECT {COLUMNS}, count(*) OVER ()::int AS total,
           EXISTS (SELECT 1 FROM packages present
                    WHERE present.owner_id = package.owner_id AND present.name = package.name
                      AND present.deleted_at IS NULL AND present.published_at IS NOT NULL) AS taken
      FROM {access_facts.HOLDER}
      JOIN accounts owner ON owner.id = ANY (ARRAY({owners})) AND owner.deleted_at IS NULL
      LEFT JOIN repositories source ON source.id = token.repository_id AND source.deleted_at IS NULL
      LEFT JOIN memberships seat ON seat.org_id = owner.id AND seat.user_id = caller.id
      JOIN packages package
             ON package.owner_id = owner.id AND package.published_at IS NOT NULL
                AND package.deleted_at > now() - make_interval(secs => $4)
      {LINKED}
     WHERE token.id = $1 AND {more} AND {access_facts.READABLE} AND ({access_facts.ROLE}) = 3
     ORDER BY package.deleted_at DESC, package.id LIMIT $2 OFFSET $3
    """


_DELETED: Final = select(DeletedPackage, _deleted("SELECT $5::bigint", "($6::text IS NULL OR package.visibility = $6)"))


async def deleted(
    db: Executor,
    token_id: int,
    owner_id: int,
    visibility: str | None,
    *,
    limit: int,
    offset: int,
    window_seconds: float,
) -> list[DeletedPackage]:
    """Packages of an account that the viewer could restore, the last deleted first."""
    return await _DELETED.all(db, token_id, limit, offset, window_seconds, owner_id, visibility)


_DELETED_OF_MINE: Final = select(DeletedPackage, _deleted("SELECT id FROM person UNION ALL SELECT org_id FROM seats"))


async def deleted_of_mine(
    db: Executor, token_id: int, *, limit: int, offset: int, window_seconds: float
) -> list[DeletedPackage]:
    """Packages of the viewer, and of the viewer's organizations, that the viewer could restore."""
    return await _DELETED_OF_MINE.all(db, token_id, limit, offset, window_seconds)

"""Lists of source repositories that a caller may read: of an account, of the caller, of a team, in several orders."""

from dataclasses import dataclass
from typing import Final, Literal, LiteralString

from storage.metadata import access_facts
from storage.metadata.query import COUNTED, Executor, Query, select
from storage.metadata.repositories import COLUMNS, HOLDER, RIGHTS, Repository

#: What lists are ordered by. A repository is updated when it is created or changed, and nothing is pushed to it here.
Sort = Literal["full_name", "created", "updated"]


@dataclass(frozen=True, slots=True)
class ListedRepository(Repository):
    """A repository of a page; ``total``: the repositories of all pages, as far as they are counted."""

    total: int


# Of ``repository`` and its ``owner``, whether the role is more than none, in the terms of access_facts.GIVEN; $3:
# whether the token shows more than what is public; $4: one visibility only.
_LISTED: Final[LiteralString] = f"""
       repository.deleted_at IS NULL AND ($4::text IS NULL OR repository.visibility = $4)
       AND (repository.visibility = 'public'
            OR ($3 AND holder.id IS NOT NULL
                AND NOT (owner.packages_sso_required AND NOT {access_facts.IN_PERSON}
                         AND owner.id NOT IN (SELECT org_id FROM token_organizations WHERE token_id = $1))
                AND CASE WHEN holder.repository_id IS NOT NULL THEN repository.id = holder.repository_id
                    ELSE holder.site_admin OR owner.id = holder.id
                      OR owner.id IN (SELECT org_id FROM seats WHERE role = 'admin')
                      OR (repository.visibility = 'internal' AND owner.id IN (SELECT org_id FROM seats))
                      OR repository.id IN (SELECT repository_id FROM given_repositories)
                    END))
"""
# Of what is listed, with its place, the page.
_PAGE: Final[LiteralString] = f"""
    SELECT {COLUMNS}, (SELECT count(*) FROM listed)::int AS total
      FROM listed
      JOIN repositories repository ON repository.id = listed.id
      JOIN accounts owner ON owner.id = repository.owner_id
      {HOLDER}
      {RIGHTS}
     WHERE listed.place > $6 AND listed.place <= $6 + $5
     ORDER BY listed.place
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter, order and page of a list. ``private``: whether the token shows more than public repositories."""

    private: bool
    visibility: str | None
    sort: Sort
    descending: bool
    limit: int
    offset: int


async def _listed(
    db: Executor, statement: Query[ListedRepository], token_id: int | None, whose: int, wanted: Filter
) -> tuple[list[ListedRepository], int]:
    found = await statement.all(
        db,
        token_id,
        whose,
        wanted.private,
        wanted.visibility,
        wanted.limit,
        wanted.offset,
        wanted.sort,
        wanted.descending,
    )
    return found, found[0].total if found else 0


def _in_order(source: LiteralString, name: LiteralString, name_descending: LiteralString) -> LiteralString:
    """Render the ids of ``source`` with their places by the order ($7, $8), each in a part that only its order runs.

    So each order is read by its own index, as far as is counted.
    """

    def part(sort: LiteralString, descending: LiteralString, order: LiteralString) -> LiteralString:
        return f"""
        (SELECT repository.id, row_number() OVER (ORDER BY {order}) AS place {source}
            AND $7 = '{sort}' AND {descending} ORDER BY {order} LIMIT {COUNTED})"""

    up: LiteralString = "NOT $8"
    down: LiteralString = "$8"
    return " UNION ALL ".join(
        (
            part("full_name", up, name),
            part("full_name", down, name_descending),
            part("created", up, "repository.id"),
            part("created", down, "repository.id DESC"),
            part("updated", up, "repository.updated_at, repository.id"),
            part("updated", down, "repository.updated_at DESC, repository.id DESC"),
        )
    )


_OWNERS: Final[LiteralString] = f"""
          FROM repositories repository
          JOIN accounts owner ON owner.id = $2
          {HOLDER}
         WHERE repository.owner_id = $2 AND {_LISTED}
"""
_OWNED: Final = select(
    ListedRepository,
    f"""
    {access_facts.GIVEN}, listed AS MATERIALIZED (
        {_in_order(_OWNERS, "lower(repository.name)", "lower(repository.name) DESC")}
    )
    {_PAGE}
    """,
)


async def of_owner(
    db: Executor, token_id: int | None, owner_id: int, wanted: Filter
) -> tuple[list[ListedRepository], int]:
    """A page of an account's repositories that the caller may read, and their total."""
    return await _listed(db, _OWNED, token_id, owner_id, wanted)


_CALLERS: Final[LiteralString] = f"""
          FROM spaces
          JOIN accounts owner ON owner.id = spaces.id
          JOIN repositories repository ON repository.owner_id = owner.id
          {HOLDER}
         WHERE {_LISTED}
           AND (owner.id = $2 OR owner.id IN (SELECT org_id FROM seats)
                OR repository.id IN (SELECT repository_id FROM given_repositories))
"""
_MINE: Final = select(
    ListedRepository,
    f"""
    {access_facts.GIVEN}, spaces AS MATERIALIZED (
        SELECT $2::bigint AS id
         UNION SELECT org_id FROM seats
         UNION SELECT given.owner_id FROM given_repositories JOIN repositories given ON given.id = repository_id
    ), listed AS MATERIALIZED (
        {
        _in_order(
            _CALLERS,
            "lower(owner.login), lower(repository.name)",
            "lower(owner.login) DESC, lower(repository.name) DESC",
        )
    }
    )
    {_PAGE}
    """,
)


async def of_caller(db: Executor, token_id: int, account_id: int, wanted: Filter) -> tuple[list[ListedRepository], int]:
    """A page of the repositories that the account owns, works on or has by its organizations, and their total."""
    return await _listed(db, _MINE, token_id, account_id, wanted)


_OF_TEAM: Final = select(
    ListedRepository,
    f"""
    {access_facts.GIVEN}, listed AS MATERIALIZED (
        SELECT repository.id, row_number() OVER (ORDER BY granted.repository_id) AS place
          FROM repository_teams granted
          JOIN repositories repository ON repository.id = granted.repository_id
          JOIN accounts owner ON owner.id = repository.owner_id
          {HOLDER}
         WHERE granted.team_id = $2 AND {_LISTED}
         ORDER BY granted.repository_id LIMIT {COUNTED}
    )
    {_PAGE}
    """,
)


async def of_team(
    db: Executor, token_id: int | None, team_id: int, wanted: Filter
) -> tuple[list[ListedRepository], int]:
    """A page of a team's repositories that the caller may read, ordered by id, and their total."""
    found = await _OF_TEAM.all(db, token_id, team_id, wanted.private, wanted.visibility, wanted.limit, wanted.offset)
    return found, found[0].total if found else 0

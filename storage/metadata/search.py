"""Search: the packages that a viewer may see, by their names, or the newest of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import access_facts
from storage.metadata.catalog import COLUMNS, LINKED, ShownPackage
from storage.metadata.query import Executor, select

#: More packages than these a search for a word does not look at, as GitHub's does not.
FOUND_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package that was found, with what lists are ordered by; ``full_name``: its login in lower case."""

    id: int
    published_at: datetime
    full_name: str


# Where a viewer may see more than is public: everywhere (administrators), in their own account and organizations
# (``homes``, with what they see there), and what they were given by name. Each is read in the order of an index as far
# as is wanted, and each row is judged as in all lists: nothing that is hidden from the viewer is gone through.
# Therefore an administrator's fine-grained token is that of a person here: its globs may be for a few of all packages.
_FROM: Final[LiteralString] = f"FROM {access_facts.VIEWER}"
_EVERYWHERE: Final[LiteralString] = """
    CROSS JOIN LATERAL (
        SELECT 'public' AS visibility
         UNION ALL
        SELECT visibility FROM (VALUES ('internal'), ('private')) AS others (visibility)
         WHERE caller.site_admin AND token.scopes && '{read:packages,write:packages}') AS everywhere
"""
_HOMES: Final[LiteralString] = """
    CROSS JOIN LATERAL (
        SELECT caller.id AS owner_id, 'private' AS visibility WHERE token.repository_id IS NULL
         UNION ALL
        SELECT seats.org_id, seen.visibility
          FROM seats CROSS JOIN (VALUES ('internal'), ('private')) AS seen (visibility)
         WHERE seats.role = 'admin' OR seen.visibility = 'internal'
         UNION ALL
        SELECT owner_id, 'internal' FROM repositories WHERE repositories.id = token.repository_id) AS homes
"""
_GIVEN: Final[LiteralString] = """
    CROSS JOIN LATERAL (
        SELECT package_id FROM given_packages
         UNION
        SELECT id FROM packages WHERE inherit_access AND repository_id IN (SELECT repository_id FROM given_repositories)
         UNION
        SELECT id FROM packages WHERE inherit_access AND repository_id = token.repository_id) AS given
"""
_PACKAGE: Final[LiteralString] = """
    JOIN packages package ON package.id = words.package_id JOIN accounts owner ON owner.id = package.owner_id
"""
_IN_ORDER: Final[LiteralString] = f"AND {access_facts.READABLE} ORDER BY words.word, words.package_id"


def _by_words(condition: LiteralString, limit: LiteralString) -> LiteralString:
    """Render a statement of the packages whose ``words`` meet the condition, at most ``limit``, in their order."""
    in_order: LiteralString = f"AND {condition} {_IN_ORDER} LIMIT {limit}"
    return f"""
    {access_facts.GIVEN}, found AS MATERIALIZED (
        SELECT near.* {_FROM} {_EVERYWHERE} CROSS JOIN LATERAL (
            SELECT words.package_id, words.word FROM package_words words {_PACKAGE}
             WHERE words.visibility = everywhere.visibility {in_order}) AS near
         UNION
        SELECT near.* {_FROM} {_HOMES} CROSS JOIN LATERAL (
            SELECT words.package_id, words.word FROM package_words words {_PACKAGE}
             WHERE words.owner_id = homes.owner_id AND words.visibility = homes.visibility {in_order}) AS near
         UNION
        SELECT near.* {_FROM} {_GIVEN} CROSS JOIN LATERAL (
            SELECT words.package_id, words.word FROM package_words words {_PACKAGE}
             WHERE words.package_id = given.package_id {in_order}) AS near
    ), several AS (
        SELECT package_id, min(word) AS word FROM found GROUP BY package_id ORDER BY 2 LIMIT {limit}
    )
    SELECT package.id, package.published_at, lower(owner.login) || '/' || package.name AS full_name
      FROM several JOIN packages package ON package.id = several.package_id
      JOIN accounts owner ON owner.id = package.owner_id
     ORDER BY several.word
    """


_MATCHES: Final = select(Candidate, _by_words("words.word >= $2 AND words.word < $3", f"{FOUND_MAX}"))
_NAMED: Final = select(Candidate, _by_words("words.full_name AND words.word > $2", "$3"))

_LIVE: Final[LiteralString] = "package.deleted_at IS NULL AND package.published_at IS NOT NULL"
_BEFORE: Final[LiteralString] = f"""
    AND {_LIVE} AND (package.published_at, package.id) < ($2, $3) AND {access_facts.READABLE}
    ORDER BY package.published_at DESC, package.id DESC LIMIT $4
"""
_NEAR: Final[LiteralString] = """
    SELECT package.id, package.published_at, lower(owner.login) || '/' || package.name AS full_name
      FROM packages package JOIN accounts owner ON owner.id = package.owner_id
"""
_NEWEST: Final = select(
    Candidate,
    f"""
    {access_facts.GIVEN}
    SELECT * FROM (
        SELECT near.* {_FROM} {_EVERYWHERE} CROSS JOIN LATERAL (
            {_NEAR} WHERE package.visibility = everywhere.visibility {_BEFORE}) AS near
         UNION
        SELECT near.* {_FROM} {_HOMES} CROSS JOIN LATERAL (
            {_NEAR} WHERE package.owner_id = homes.owner_id AND package.visibility = homes.visibility {_BEFORE}) AS near
         UNION
        SELECT near.* {_FROM} {_GIVEN} CROSS JOIN LATERAL (
            {_NEAR} WHERE package.id = given.package_id {_BEFORE}) AS near
    ) AS found
     ORDER BY published_at DESC, id DESC LIMIT $4
    """,
)


async def matches(db: Executor, token_id: int | None, prefix: str) -> list[Candidate]:
    """Packages that the viewer may see with a name that begins so at a component or at its owner, in byte order.

    At most FOUND_MAX.
    """
    return await _MATCHES.all(db, token_id, prefix, prefix + "\U0010ffff")


async def named(db: Executor, token_id: int | None, after: str, limit: int) -> list[Candidate]:
    """Packages that the viewer may see, in the byte order of their full names, past ``after``."""
    return await _NAMED.all(db, token_id, after, limit)


async def newest(db: Executor, token_id: int | None, before: tuple[datetime, int], limit: int) -> list[Candidate]:
    """Packages that the viewer may see, the last published first, published before ``before``: a time and an id."""
    return await _NEWEST.all(db, token_id, *before, limit)


@dataclass(frozen=True, slots=True)
class FoundPackage(ShownPackage):
    """A package of a search; ``description`` and ``licenses`` are its publisher's."""

    description: str | None
    licenses: str | None
    published_at: datetime


_DETAILS: Final = select(
    FoundPackage,
    f"""
    SELECT {COLUMNS}, package.description, package.licenses, package.published_at
      {_FROM}
     CROSS JOIN unnest($2::bigint[]) WITH ORDINALITY AS wanted (id, place)
      JOIN packages package ON package.id = wanted.id AND {_LIVE}
      JOIN accounts owner ON owner.id = package.owner_id
      {LINKED}
     ORDER BY wanted.place
    """,
)


async def details(db: Executor, token_id: int | None, ids: Sequence[int]) -> list[FoundPackage]:
    """The packages with these ids, which the viewer may see, in this order."""
    return await _DETAILS.all(db, token_id, list(ids))

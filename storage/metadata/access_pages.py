"""Rows of the page of a package's access: all roles over it, and the person who is checked."""

from dataclasses import dataclass
from typing import Final

from storage.metadata import access, accounts
from storage.metadata.access import RepositoryGrant, TeamGrant, UserGrant
from storage.metadata.accounts import Account
from storage.metadata.query import Executor, Query, together

#: More owners are not named.
OWNERS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner of the organization that has the package."""

    login: str


@dataclass(frozen=True, slots=True)
class AccessPage:
    """All roles over a package. ``owners``: of its organization, one more than are named if there are others.

    ``person``: whose role is checked; None: no user has the login.
    """

    users: list[UserGrant]
    teams: list[TeamGrant]
    repositories: list[RepositoryGrant]
    owners: list[str]
    person: Account | None


_OWNERS: Final = Query(
    Owner,
    f"""
    SELECT person.login
      FROM (SELECT seat.user_id
              FROM packages package JOIN memberships seat ON seat.org_id = package.owner_id AND seat.role = 'admin'
             WHERE package.id = $1 ORDER BY seat.user_id LIMIT {OWNERS_MAX} + 1) AS near
      JOIN accounts person ON person.id = near.user_id
     ORDER BY person.id
    """,
)
_PERSON: Final = Query(
    Account,
    f"""
    SELECT {accounts.COLUMNS} FROM accounts WHERE lower(login) = lower($2) AND kind = 'User' AND deleted_at IS NULL
    """,
)
_PAGE: Final = together(access.USERS, access.TEAMS, access.REPOSITORIES, _OWNERS, _PERSON)


async def page(db: Executor, package_id: int, login: str) -> AccessPage:
    """List all roles over a package, and find the user with this login."""
    users, teams, repositories, owners, people = await _PAGE.all(db, package_id, login)
    return AccessPage(users, teams, repositories, [one.login for one in owners], people[0] if people else None)

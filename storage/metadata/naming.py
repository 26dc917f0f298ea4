"""Locks of what a path of the API names, so that a condition which is compared holds until the change is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from storage.metadata import accounts
from storage.metadata.query import Executor, select


@dataclass(frozen=True, slots=True)
class Locked:
    """A locked row; whoever inserts a row that refers to it waits, too."""

    id: int


_ACCOUNTS: Final = select(
    Locked,
    "SELECT id FROM accounts WHERE lower(login) = ANY ($1::text[]) AND deleted_at IS NULL ORDER BY id FOR UPDATE",
)
_TEAM: Final = select(
    Locked,
    """
    SELECT team.id FROM accounts org JOIN teams team ON team.org_id = org.id AND team.slug = $2
     WHERE lower(org.login) = lower($1) AND org.deleted_at IS NULL FOR UPDATE OF team
    """,
)
_REPOSITORY: Final = select(
    Locked,
    """
    SELECT repository.id FROM accounts owner
      JOIN repositories repository ON repository.owner_id = owner.id AND lower(repository.name) = lower($2)
     WHERE lower(owner.login) = lower($1) AND owner.deleted_at IS NULL AND repository.deleted_at IS NULL
       FOR UPDATE OF repository
    """,
)
_TEAM_MEMBER: Final = select(
    Locked,
    """
    SELECT member.user_id AS id FROM accounts person JOIN team_members member ON member.user_id = person.id
     WHERE lower(person.login) = lower($2) AND person.deleted_at IS NULL AND member.team_id = $1 FOR UPDATE OF member
    """,
)
_COLLABORATOR: Final = select(
    Locked,
    """
    SELECT granted.user_id AS id FROM accounts person JOIN repository_users granted ON granted.user_id = person.id
     WHERE lower(person.login) = lower($2) AND person.deleted_at IS NULL AND granted.repository_id = $1
       FOR UPDATE OF granted
    """,
)
_TEAM_GRANT: Final = select(
    Locked,
    "SELECT team_id AS id FROM repository_teams WHERE repository_id = $1 AND team_id = $2 FOR UPDATE",
)
_TOKEN: Final = select(Locked, "SELECT id FROM tokens WHERE id = $1 AND account_id = $2 FOR UPDATE")


async def lock(db: Executor, named: Mapping[str, str], account_id: int, token_id: int | None) -> None:
    """Lock the rows that a path names by its parameters, parents first; ``token_id``: of the account's own token.

    A path without a login is about the account ``account_id`` itself.
    """
    person = named.get("username")
    logins = [named[key].lower() for key in ("org", "username", "owner") if key in named]
    if logins:
        await _ACCOUNTS.all(db, logins)
    else:
        await accounts.hold(db, account_id)
    team = await _TEAM.maybe(db, named["org"], named["team_slug"]) if "team_slug" in named else None
    repository = await _REPOSITORY.maybe(db, named["owner"], named["repo"]) if "repo" in named else None
    if team is not None and person is not None:
        await _TEAM_MEMBER.maybe(db, team.id, person)
    if repository is not None and person is not None:
        await _COLLABORATOR.maybe(db, repository.id, person)
    if repository is not None and team is not None:
        await _TEAM_GRANT.maybe(db, repository.id, team.id)
    if token_id is not None:
        await _TOKEN.maybe(db, token_id, account_id)

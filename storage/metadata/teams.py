"""Teams of an organization, and their members."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata.accounts import Number
from storage.metadata.query import Executor, Query, command, select, together


@dataclass(frozen=True, slots=True)
class Team:
    id: int
    slug: str
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    members: int
    repositories: int


_COLUMNS: Final[LiteralString] = """
    team.id, team.slug, team.name, team.description, team.created_at, team.updated_at,
    (SELECT count(*) FROM team_members WHERE team_id = team.id) AS members,
    (SELECT count(*) FROM repository_teams WHERE team_id = team.id) AS repositories
"""
_LIST: Final = Query(
    Team,
    f"SELECT {_COLUMNS} FROM teams team WHERE team.org_id = $1 ORDER BY team.slug LIMIT $2 OFFSET $3",
)
_COUNT: Final = Query(Number, "SELECT count(*) AS count FROM teams WHERE org_id = $1")
_PAGE: Final = together(_LIST, _COUNT)


async def of_organization(db: Executor, org_id: int, *, limit: int, offset: int) -> tuple[list[Team], int]:
    """A page of the organization's teams, ordered by slug, and their total."""
    found, (total,) = await _PAGE.all(db, org_id, limit, offset)
    return found, total.count


_BY_SLUG: Final = select(Team, f"SELECT {_COLUMNS} FROM teams team WHERE team.org_id = $1 AND team.slug = lower($2)")


async def by_slug(db: Executor, org_id: int, slug: str) -> Team | None:
    """Find a team of the organization by slug, case-insensitively."""
    return await _BY_SLUG.maybe(db, org_id, slug)


_INSERT: Final = command("INSERT INTO teams (org_id, slug, name, description) VALUES ($1, $2, $3, nullif($4, ''))")


async def insert(db: Executor, org_id: int, slug: str, name: str, description: str) -> None:
    """Insert a team. Raises AlreadyThere when the slug is taken."""
    await _INSERT.run(db, org_id, slug, name, description)


_UPDATE: Final = command(
    """
    UPDATE teams SET slug = coalesce($3, slug), name = coalesce($4, name),
                     description = nullif(coalesce($5, description), ''), updated_at = now()
     WHERE org_id = $1 AND id = $2
    """
)


async def update(
    db: Executor, org_id: int, team_id: int, *, slug: str | None, name: str | None, description: str | None
) -> None:
    """Update a team: None keeps a value, an empty description removes it. Raises AlreadyThere for a taken slug."""
    await _UPDATE.run(db, org_id, team_id, slug, name, description)


_DELETE: Final = command("DELETE FROM teams WHERE org_id = $1 AND id = $2")


async def delete(db: Executor, org_id: int, team_id: int) -> None:
    """Delete a team with all its grants."""
    await _DELETE.run(db, org_id, team_id)


@dataclass(frozen=True, slots=True)
class TeamMember:
    id: int
    login: str
    site_admin: bool


_MEMBERS: Final[LiteralString] = """
      FROM team_members place JOIN accounts person ON person.id = place.user_id
      JOIN teams team ON team.id = place.team_id
     WHERE team.org_id = $1 AND team.id = $2
"""
_LIST_MEMBERS: Final = Query(
    TeamMember,
    f"SELECT person.id, person.login, person.site_admin {_MEMBERS} ORDER BY place.user_id LIMIT $3 OFFSET $4",
)
_COUNT_MEMBERS: Final = Query(Number, f"SELECT count(*) AS count {_MEMBERS}")
_MEMBERS_PAGE: Final = together(_LIST_MEMBERS, _COUNT_MEMBERS)
_MEMBER: Final = select(
    TeamMember, f"SELECT person.id, person.login, person.site_admin {_MEMBERS} AND lower(person.login) = lower($3)"
)


async def members(db: Executor, org_id: int, team_id: int, *, limit: int, offset: int) -> tuple[list[TeamMember], int]:
    """A page of the team's members, ordered by user id, and their total."""
    found, (total,) = await _MEMBERS_PAGE.all(db, org_id, team_id, limit, offset)
    return found, total.count


async def member(db: Executor, org_id: int, team_id: int, login: str) -> TeamMember | None:
    """Find a member of the team by login."""
    return await _MEMBER.maybe(db, org_id, team_id, login)


# The seat is locked: see organizations.unseat. So is the team, or it might be gone when its new member is written.
_ADD: Final = select(
    Number,
    """
    WITH seat AS (
        SELECT team.id AS team_id, membership.user_id
          FROM memberships membership JOIN accounts person ON person.id = membership.user_id
          JOIN teams team ON team.id = $2 AND team.org_id = $1
         WHERE membership.org_id = $1 AND lower(person.login) = lower($3) AND person.deleted_at IS NULL
           FOR KEY SHARE OF membership, team),
    added AS (
        INSERT INTO team_members (team_id, user_id) SELECT team_id, user_id FROM seat ON CONFLICT DO NOTHING)
    SELECT count(*) AS count FROM seat
    """,
)


async def add_member(db: Executor, org_id: int, team_id: int, login: str) -> bool:
    """Add a member of the organization to the team; False: no member has this login, or the team is gone."""
    return (await _ADD.one(db, org_id, team_id, login)).count > 0


_REMOVE: Final = command(
    """
    DELETE FROM team_members USING teams, accounts
     WHERE teams.id = team_members.team_id AND teams.org_id = $1 AND teams.id = $2
       AND accounts.id = team_members.user_id AND lower(accounts.login) = lower($3)
    """
)


async def remove_member(db: Executor, org_id: int, team_id: int, login: str) -> bool:
    """Remove a user from the team; False: the user was no member."""
    return await _REMOVE.run(db, org_id, team_id, login) > 0

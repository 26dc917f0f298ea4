"""Teams of an organization, and their members."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import events
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


def _named(row: LiteralString) -> LiteralString:
    """Render the fields of an event's data that name a team."""
    return f"'team', jsonb_build_object('id', {row}.id, 'slug', {row}.slug)"


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


_INSERT: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$5")}),
    made AS (
        INSERT INTO teams (org_id, slug, name, description) VALUES ($1, $2, $3, nullif($4, ''))
        RETURNING id, org_id, slug)
    {events.note("'team.create'", "made", owner="made.org_id", data=f"jsonb_build_object({_named('made')})")}
    """
)


async def insert(db: Executor, org_id: int, slug: str, name: str, description: str) -> None:
    """Insert a team. Raises AlreadyThere when the slug is taken."""
    await _INSERT.run(db, org_id, slug, name, description, events.by())


_UPDATE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$6")}),
    changed AS (
        UPDATE teams team SET slug = coalesce($3, team.slug), name = coalesce($4, team.name),
                              description = nullif(coalesce($5, team.description), ''), updated_at = now()
          FROM teams old
         WHERE team.org_id = $1 AND team.id = $2 AND old.id = team.id
        RETURNING team.id, team.org_id, team.slug, team.name, old.name AS before)
    {
        events.note(
            "'team.update'",
            "changed",
            owner="changed.org_id",
            data=f"jsonb_build_object({_named('changed')}, 'before', changed.before, 'after', changed.name)",
        )
    }
    """
)


async def update(
    db: Executor, org_id: int, team_id: int, *, slug: str | None, name: str | None, description: str | None
) -> None:
    """Update a team: None keeps a value, an empty description removes it. Raises AlreadyThere for a taken slug."""
    await _UPDATE.run(db, org_id, team_id, slug, name, description, events.by())


_DELETE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    gone AS (DELETE FROM teams WHERE org_id = $1 AND id = $2 RETURNING id, org_id, slug)
    {events.note("'team.destroy'", "gone", owner="gone.org_id", data=f"jsonb_build_object({_named('gone')})")}
    """
)


async def delete(db: Executor, org_id: int, team_id: int) -> None:
    """Delete a team with all its grants."""
    await _DELETE.run(db, org_id, team_id, events.by())


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
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    seat AS (
        SELECT team.id AS team_id, team.org_id, team.slug, membership.user_id
          FROM memberships membership JOIN accounts person ON person.id = membership.user_id
          JOIN teams team ON team.id = $2 AND team.org_id = $1
         WHERE membership.org_id = $1 AND lower(person.login) = lower($3) AND person.deleted_at IS NULL
           FOR KEY SHARE OF membership, team),
    added AS (
        INSERT INTO team_members (team_id, user_id) SELECT team_id, user_id FROM seat ON CONFLICT DO NOTHING
        RETURNING team_id AS id, user_id),
    recorded AS ({
        events.note(
            "'team.add_member'",
            "(SELECT added.id, added.user_id, seat.org_id, seat.slug FROM added CROSS JOIN seat) AS added",
            owner="added.org_id",
            data=f"jsonb_build_object({_named('added')}, {events.user('added.user_id')})",
        )
    })
    SELECT count(*) AS count FROM seat
    """,
)


async def add_member(db: Executor, org_id: int, team_id: int, login: str) -> bool:
    """Add a member of the organization to the team; False: no member has this login, or the team is gone."""
    return (await _ADD.one(db, org_id, team_id, login, events.by())).count > 0


_REMOVE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    taken AS (
        DELETE FROM team_members USING teams, accounts
         WHERE teams.id = team_members.team_id AND teams.org_id = $1 AND teams.id = $2
           AND accounts.id = team_members.user_id AND lower(accounts.login) = lower($3)
        RETURNING teams.id, teams.org_id, teams.slug, team_members.user_id)
    {
        events.note(
            "'team.remove_member'",
            "taken",
            owner="taken.org_id",
            data=f"jsonb_build_object({_named('taken')}, {events.user('taken.user_id')})",
        )
    }
    """
)


async def remove_member(db: Executor, org_id: int, team_id: int, login: str) -> bool:
    """Remove a user from the team; False: the user was no member."""
    return await _REMOVE.run(db, org_id, team_id, login, events.by()) > 0

"""Collaborators of a repository: users with a role by name, by team or as owner. Roles: 1 read, 2 write, 3 admin."""

from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.accounts import Number
from storage.metadata.query import Executor, Query, command, select, together


@dataclass(frozen=True, slots=True)
class Collaborator:
    """A user with the highest of the user's roles; a user without a grant has read where everybody has."""

    id: int
    login: str
    site_admin: bool
    role: int


_OWNER: Final[LiteralString] = "(SELECT owner_id FROM repositories WHERE id = $1)"
_ROLES: Final[LiteralString] = """
    SELECT grants.user_id, grants.role
      FROM repository_users grants WHERE grants.repository_id = $1
     UNION ALL
    SELECT member.user_id, grants.role
      FROM repository_teams grants JOIN team_members member ON member.team_id = grants.team_id
     WHERE grants.repository_id = $1
     UNION ALL
    SELECT seat.user_id, 3
      FROM repositories repository JOIN memberships seat ON seat.org_id = repository.owner_id AND seat.role = 'admin'
     WHERE repository.id = $1
     UNION ALL
    SELECT repository.owner_id, 3
      FROM repositories repository JOIN accounts owner ON owner.id = repository.owner_id AND owner.kind = 'User'
     WHERE repository.id = $1
"""
_PEOPLE: Final[LiteralString] = f"""
      FROM (SELECT user_id, max(role)::int AS role FROM ({_ROLES}) AS roles GROUP BY user_id) AS best
      JOIN accounts person ON person.id = best.user_id AND person.deleted_at IS NULL
"""
_LIST: Final = Query(
    Collaborator,
    f"""
    SELECT person.id, person.login, person.site_admin, best.role {_PEOPLE}
     ORDER BY lower(person.login) LIMIT $2 OFFSET $3
    """,
)
_COUNT: Final = Query(Number, f"SELECT count(*) AS count {_PEOPLE}")
_PAGE: Final = together(_LIST, _COUNT)


async def of_repository(db: Executor, repository_id: int, *, limit: int, offset: int) -> tuple[list[Collaborator], int]:
    """A page of the users with a granted role, ordered by login, and their total."""
    found, (total,) = await _PAGE.all(db, repository_id, limit, offset)
    return found, total.count


_ONE: Final = select(
    Collaborator,
    f"""
    SELECT person.id, person.login, person.site_admin,
           greatest((SELECT max(role) FROM ({_ROLES}) AS roles WHERE user_id = person.id),
                    CASE WHEN repository.visibility = 'public' OR (
                             repository.visibility = 'internal' AND EXISTS (
                                 SELECT 1 FROM memberships
                                  WHERE org_id = repository.owner_id AND user_id = person.id)) THEN 1 ELSE 0 END)::int
               AS role
      FROM accounts person JOIN repositories repository ON repository.id = $1
     WHERE lower(person.login) = lower($2) AND person.kind = 'User' AND person.deleted_at IS NULL
    """,
)


async def of_person(db: Executor, repository_id: int, login: str) -> Collaborator | None:
    """The role of a user over the repository, 0 for none; None: there is no such user."""
    return await _ONE.maybe(db, repository_id, login)


_NAMED: Final = select(
    Number,
    f"""
    SELECT count(*) AS count {_PEOPLE} WHERE lower(person.login) = lower($2)
    """,
)


async def is_one(db: Executor, repository_id: int, login: str) -> bool:
    """Return whether the user has a granted role."""
    return (await _NAMED.one(db, repository_id, login)).count > 0


# Of a member the seat is locked, so that the grant goes with the seat: see organizations.unseat.
_PUT: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    seat AS (
        SELECT seat.user_id
          FROM repositories repository JOIN memberships seat ON seat.org_id = repository.owner_id
         WHERE repository.id = $1 AND seat.user_id = $2 FOR KEY SHARE OF seat),
    old AS (SELECT role FROM repository_users WHERE repository_id = $1 AND user_id = $2),
    put AS (
        INSERT INTO repository_users (repository_id, user_id, role)
        SELECT $1, $2, $3 FROM (SELECT count(*) FROM seat) AS locked
        ON CONFLICT (repository_id, user_id) DO UPDATE SET role = excluded.role
        RETURNING repository_id, user_id, role)
    {
        events.note(
            "CASE WHEN old.role IS NULL THEN 'repo.add_member' ELSE 'repo.update_member' END",
            "put LEFT JOIN old ON true",
            owner=_OWNER,
            repository="put.repository_id",
            data=f"jsonb_build_object({events.user('put.user_id')}, {events.repository('put.repository_id')},"
            f" 'role', {events.ROLE_NAMES}[put.role], 'before', {events.ROLE_NAMES}[old.role])",
            where="old.role IS DISTINCT FROM put.role",
        )
    }
    """
)


async def put(db: Executor, repository_id: int, user_id: int, role: int) -> None:
    """Grant a user a role; of an organization's repository members and outsiders alike."""
    await _PUT.run(db, repository_id, user_id, role, events.by())


_REMOVE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    taken AS (
        DELETE FROM repository_users WHERE repository_id = $1 AND user_id = $2 RETURNING repository_id, user_id, role)
    {
        events.note(
            "'repo.remove_member'",
            "taken",
            owner=_OWNER,
            repository="taken.repository_id",
            data=f"jsonb_build_object({events.user('taken.user_id')}, {events.repository('taken.repository_id')},"
            f" 'before', {events.ROLE_NAMES}[taken.role])",
        )
    }
    """
)


async def remove(db: Executor, repository_id: int, user_id: int) -> None:
    """Revoke the role that was granted to the user by name."""
    await _REMOVE.run(db, repository_id, user_id, events.by())


@dataclass(frozen=True, slots=True)
class TeamRole:
    role: int


_TEAM: Final = select(
    TeamRole,
    "SELECT role::int AS role FROM repository_teams WHERE repository_id = $1 AND team_id = $2",
)


async def of_team(db: Executor, repository_id: int, team_id: int) -> int:
    """The role of a team over the repository; 0: none."""
    found = await _TEAM.maybe(db, repository_id, team_id)
    return 0 if found is None else found.role


_TEAM_NAMED: Final[LiteralString] = (
    "'team', jsonb_build_object('id', team_id, 'slug', (SELECT slug FROM teams WHERE id = team_id))"
)
_PUT_TEAM: Final = select(
    Number,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    old AS (SELECT role FROM repository_teams WHERE repository_id = $1 AND team_id = $2),
    put AS (
        INSERT INTO repository_teams (repository_id, team_id, role)
        SELECT repository.id, team.id, $3
          FROM repositories repository JOIN teams team ON team.org_id = repository.owner_id
         WHERE repository.id = $1 AND team.id = $2
           FOR KEY SHARE OF team
        ON CONFLICT (repository_id, team_id) DO UPDATE SET role = excluded.role
        RETURNING repository_id, team_id, role),
    recorded AS ({
        events.note(
            "CASE WHEN old.role IS NULL THEN 'team.add_repository' ELSE 'team.update_repository_permission' END",
            "put LEFT JOIN old ON true",
            owner=_OWNER,
            repository="put.repository_id",
            data=f"jsonb_build_object({_TEAM_NAMED}, {events.repository('put.repository_id')},"
            f" 'role', {events.ROLE_NAMES}[put.role], 'before', {events.ROLE_NAMES}[old.role])",
            where="old.role IS DISTINCT FROM put.role",
        )
    })
    SELECT count(*) AS count FROM put
    """,
)


async def put_team(db: Executor, repository_id: int, team_id: int, role: int) -> bool:
    """Grant a team a role; False: the repository is not of the team's organization, or the team is gone."""
    return (await _PUT_TEAM.one(db, repository_id, team_id, role, events.by())).count > 0


_REMOVE_TEAM: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    taken AS (
        DELETE FROM repository_teams WHERE repository_id = $1 AND team_id = $2 RETURNING repository_id, team_id, role)
    {
        events.note(
            "'team.remove_repository'",
            "taken",
            owner=_OWNER,
            repository="taken.repository_id",
            data=f"jsonb_build_object({_TEAM_NAMED}, {events.repository('taken.repository_id')},"
            f" 'before', {events.ROLE_NAMES}[taken.role])",
        )
    }
    """
)


async def remove_team(db: Executor, repository_id: int, team_id: int) -> None:
    """Revoke the team's role."""
    await _REMOVE_TEAM.run(db, repository_id, team_id, events.by())

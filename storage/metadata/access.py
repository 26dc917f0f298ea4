"""Access to packages, granted to users, teams and the tokens of repositories. Roles: 1 read, 2 write, 3 admin."""

from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.events import Actor
from storage.metadata.query import Command, Executor, Query, command, select, together


@dataclass(frozen=True, slots=True)
class UserGrant:
    """A user's role over a package; ``inherited``: from the linked repository."""

    account_id: int
    login: str
    kind: str
    site_admin: bool
    role: int
    inherited: bool


USERS: Final = Query(
    UserGrant,
    """
    SELECT account.id AS account_id, account.login, account.kind, account.site_admin, grants.role::int AS role,
           package.inherit_access AS inherited
      FROM packages package
      JOIN LATERAL (
            SELECT user_id, role FROM package_users WHERE package_id = package.id AND NOT package.inherit_access
             UNION ALL
            SELECT user_id, role FROM repository_users
             WHERE repository_id = package.repository_id AND package.inherit_access) AS grants ON true
      JOIN accounts account ON account.id = grants.user_id AND account.deleted_at IS NULL
     WHERE package.id = $1
     ORDER BY lower(account.login)
    """,
)


@dataclass(frozen=True, slots=True)
class TeamGrant:
    id: int
    slug: str
    name: str
    role: int
    inherited: bool


TEAMS: Final = Query(
    TeamGrant,
    """
    SELECT team.id, team.slug, team.name, grants.role::int AS role, package.inherit_access AS inherited
      FROM packages package
      JOIN LATERAL (
            SELECT team_id, role FROM package_teams WHERE package_id = package.id AND NOT package.inherit_access
             UNION ALL
            SELECT team_id, role FROM repository_teams
             WHERE repository_id = package.repository_id AND package.inherit_access) AS grants ON true
      JOIN teams team ON team.id = grants.team_id
     WHERE package.id = $1
     ORDER BY team.slug
    """,
)


@dataclass(frozen=True, slots=True)
class RepositoryGrant:
    """The role of a repository's tokens; ``audience``: actions (workflow) or codespaces (workspace tokens)."""

    id: int
    full_name: str
    audience: str
    role: int
    inherited: bool


REPOSITORIES: Final = Query(
    RepositoryGrant,
    """
    SELECT repo.id, owner.login || '/' || repo.name AS full_name, grants.audience,
           max(grants.role)::int AS role, bool_or(grants.inherited) AS inherited
      FROM packages package
      JOIN LATERAL (
            SELECT repository_id, audience, role, false AS inherited FROM package_repositories
             WHERE package_id = package.id
             UNION ALL
            SELECT package.repository_id, given.audience, given.role::smallint, true
              FROM (VALUES ('actions', 3), ('codespaces', 2)) AS given (audience, role)
             WHERE package.inherit_access) AS grants ON true
      JOIN repositories repo ON repo.id = grants.repository_id AND repo.deleted_at IS NULL
      JOIN accounts owner ON owner.id = repo.owner_id
     WHERE package.id = $1
     GROUP BY repo.id, owner.login, repo.name, grants.audience
     ORDER BY lower(owner.login || '/' || repo.name), grants.audience
    """,
)


_ALL: Final = together(USERS, TEAMS, REPOSITORIES)


async def granted(db: Executor, package_id: int) -> tuple[list[UserGrant], list[TeamGrant], list[RepositoryGrant]]:
    """Users, teams and repositories whose tokens have a role over a package; its owners need no grant."""
    users, teams, repositories = await _ALL.all(db, package_id)
    return users, teams, repositories


@dataclass(frozen=True, slots=True)
class Grantee:
    """A user or team to be granted a role; ``member``: of the organization that owns the package."""

    id: int
    member: bool


# The seat is locked: see organizations.unseat.
_PERSON: Final = select(
    Grantee,
    """
    WITH person AS (
        SELECT id FROM accounts WHERE lower(login) = lower($2) AND kind = 'User' AND deleted_at IS NULL),
    seat AS (
        SELECT user_id FROM memberships WHERE org_id = $1 AND user_id = (SELECT id FROM person) FOR KEY SHARE)
    SELECT person.id, EXISTS (SELECT 1 FROM seat) AS member FROM person
    """,
)
# Locked: a team that goes before it is given the role is none.
_TEAM: Final = select(
    Grantee, "SELECT id, true AS member FROM teams WHERE org_id = $1 AND slug = lower($2) FOR KEY SHARE"
)


async def person(db: Executor, owner_id: int, login: str) -> Grantee | None:
    """Find a user by login, with the membership in the owning organization; None: no such user."""
    return await _PERSON.maybe(db, owner_id, login)


async def team(db: Executor, owner_id: int, slug: str) -> Grantee | None:
    """Find a team of the package's owner by slug; None: no such team."""
    return await _TEAM.maybe(db, owner_id, slug)


def _about(what: LiteralString, changed: LiteralString) -> LiteralString:
    """Render the data of an event: whom it is about, and the roles of before and now, by the SQL of their numbers."""
    return f"jsonb_strip_nulls(jsonb_build_object({what}, {changed}))"


_USER: Final[LiteralString] = """'user', jsonb_build_object(
    'id', user_id, 'login', (SELECT login FROM accounts WHERE id = user_id))"""
_OF_TEAM: Final[LiteralString] = """'team', jsonb_build_object(
    'id', team_id, 'slug', (SELECT slug FROM teams WHERE id = team_id))"""
_OF_REPOSITORY: Final[LiteralString] = f"""'audience', audience, 'repository', jsonb_build_object(
    'id', repository_id, 'full_name', ({events.FULL_NAME} WHERE repository.id = repository_id))"""
_GRANTED: Final[LiteralString] = f"""
    'role', {events.ROLE_NAMES}[given.role], 'before', {events.ROLE_NAMES}[old.role]"""
_REVOKED: Final[LiteralString] = f"'before', {events.ROLE_NAMES}[role]"


def _grant(table: LiteralString, columns: LiteralString, values: LiteralString, about: LiteralString) -> Command:
    """Declare the grant of the role $3 by the actor $4; the package is locked, and so is its row."""
    return command(
        f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}
    ), old AS (
        SELECT {columns}, role FROM {table} WHERE (package_id, {columns}) = ($1, {values})
    ), given AS (
        INSERT INTO {table} (package_id, {columns}, role) VALUES ($1, {values}, $3)
        ON CONFLICT (package_id, {columns}) DO UPDATE SET role = excluded.role
        RETURNING {columns}, role
    )
    {
            events.record(
                events.event(
                    f"'{events.ACCESS_GRANTED}'",
                    f"given CROSS JOIN actor LEFT JOIN old USING ({columns})"
                    " WHERE old.role IS DISTINCT FROM given.role",
                    data=_about(about, _GRANTED),
                )
            )
        }
    """
    )


def _revoked(source: LiteralString, about: LiteralString) -> LiteralString:
    return events.event(f"'{events.ACCESS_REVOKED}'", f"{source} CROSS JOIN actor", data=_about(about, _REVOKED))


def _revoke(table: LiteralString, columns: LiteralString, condition: LiteralString, about: LiteralString) -> Command:
    """Declare a revocation by the actor $3."""
    return command(
        f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}
    ), taken AS (
        DELETE FROM {table} WHERE package_id = $1 AND {condition} RETURNING {columns}, role
    )
    {events.record(_revoked("taken", about))}
    """
    )


_GRANT_USER: Final = _grant("package_users", "user_id", "$2", _USER)
_GRANT_TEAM: Final = _grant("package_teams", "team_id", "$2", _OF_TEAM)
_GRANT_REPOSITORY: Final = _grant("package_repositories", "repository_id, audience", "$2, $5", _OF_REPOSITORY)
_REVOKE_USER: Final = _revoke("package_users", "user_id", "user_id = $2", _USER)
_REVOKE_TEAM: Final = _revoke("package_teams", "team_id", "team_id = $2", _OF_TEAM)
_REVOKE_REPOSITORY: Final = _revoke(
    "package_repositories",
    "repository_id, audience",
    "repository_id = $2 AND ($4::text IS NULL OR audience = $4)",
    _OF_REPOSITORY,
)


async def grant_user(db: Executor, package_id: int, user_id: int, role: int, actor: Actor) -> None:
    """Grant a user a role, replacing the former role."""
    await _GRANT_USER.run(db, package_id, user_id, role, events.by(actor))


async def grant_team(db: Executor, package_id: int, team_id: int, role: int, actor: Actor) -> None:
    """Grant a team a role, replacing the former role."""
    await _GRANT_TEAM.run(db, package_id, team_id, role, events.by(actor))


async def grant_repository(
    db: Executor, package_id: int, repository_id: int, role: int, audience: str, actor: Actor
) -> None:
    """Grant the tokens of a repository a role, replacing the former role."""
    await _GRANT_REPOSITORY.run(db, package_id, repository_id, role, events.by(actor), audience)


async def revoke_user(db: Executor, package_id: int, user_id: int, actor: Actor) -> bool:
    """Revoke a user's role; False: there was no such grant."""
    return await _REVOKE_USER.run(db, package_id, user_id, events.by(actor)) == 1


async def revoke_team(db: Executor, package_id: int, team_id: int, actor: Actor) -> bool:
    """Revoke a team's role; False: there was no such grant."""
    return await _REVOKE_TEAM.run(db, package_id, team_id, events.by(actor)) == 1


async def revoke_repository(
    db: Executor, package_id: int, repository_id: int, audience: str | None, actor: Actor
) -> bool:
    """Revoke the role of a repository's tokens, for one audience or both; False: there was no such grant."""
    taken = await _REVOKE_REPOSITORY.run(db, package_id, repository_id, events.by(actor), audience)
    return taken > 0


_CLEAR: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}
    ), teams_gone AS (
        DELETE FROM package_teams WHERE package_id = $1 RETURNING team_id, role
    ), users_gone AS (
        DELETE FROM package_users WHERE package_id = $1 RETURNING user_id, role
    )
    {events.record(_revoked("users_gone", _USER), _revoked("teams_gone", _OF_TEAM))}
    """
)


async def clear(db: Executor, package_id: int, actor: Actor) -> None:
    """Revoke the roles of all users and teams; the roles of repositories stay."""
    await _CLEAR.run(db, package_id, events.by(actor))


_CLEAR_REPOSITORIES: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}
    ), gone AS (
        DELETE FROM package_repositories WHERE package_id = $1 RETURNING repository_id, audience, role
    )
    {events.record(_revoked("gone", _OF_REPOSITORY))}
    """
)


async def clear_repositories(db: Executor, package_id: int, actor: Actor) -> None:
    """Revoke the roles of the tokens of all repositories."""
    await _CLEAR_REPOSITORIES.run(db, package_id, events.by(actor))


_EXPEL: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}
    ), expelled AS (
        DELETE FROM package_users grants
         USING packages package, accounts owner
         WHERE grants.package_id = $1 AND package.id = $1 AND owner.id = package.owner_id
           AND owner.kind = 'Organization' AND package.visibility <> 'public'
           AND NOT EXISTS (SELECT 1 FROM memberships WHERE org_id = owner.id AND user_id = grants.user_id)
        RETURNING grants.user_id, grants.role
    )
    {events.record(_revoked("expelled", _USER))}
    """
)


async def expel_strangers(db: Executor, package_id: int, actor: Actor) -> None:
    """Revoke the roles of non-members over an organization's package, unless the package is public."""
    await _EXPEL.run(db, package_id, events.by(actor))


def _set(column: LiteralString, action: LiteralString) -> Command:
    """Declare the change of a setting to $2 by the actor $3."""
    changed = events.event(
        f"'{action}'",
        "changed CROSS JOIN actor",
        owner="changed.owner_id",
        data="jsonb_build_object('before', changed.before, 'after', changed.now)",
    )
    return command(
        f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}
    ), changed AS (
        UPDATE packages package SET {column} = $2, updated_at = now()
          FROM packages old
         WHERE package.id = $1 AND old.id = package.id
        RETURNING package.owner_id, old.{column} AS before, package.{column} AS now
    )
    {events.record(changed)}
    """
    )


_SHOW_AS: Final = _set("visibility", events.VISIBILITY_CHANGED)
_INHERIT: Final = _set("inherit_access", events.INHERITANCE_CHANGED)


async def show_as(db: Executor, package_id: int, visibility: str, actor: Actor) -> None:
    """Change the visibility of a package: private, internal or public."""
    await _SHOW_AS.run(db, package_id, visibility, events.by(actor))


async def inherit(db: Executor, package_id: int, actor: Actor, *, on: bool) -> None:
    """Set whether a package inherits the access of its linked repository."""
    await _INHERIT.run(db, package_id, on, events.by(actor))


@dataclass(frozen=True, slots=True)
class Policy:
    """The visibilities that members of an organization may give their packages."""

    public: bool
    private: bool
    internal: bool


_POLICY: Final = select(
    Policy,
    """
    SELECT members_can_create_public_packages AS public, members_can_create_private_packages AS private,
           members_can_create_internal_packages AS internal
      FROM accounts WHERE id = $1
    """,
)


async def policy(db: Executor, owner_id: int) -> Policy:
    """The policy of an organization."""
    return await _POLICY.one(db, owner_id)

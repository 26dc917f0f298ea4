"""Organizations: their settings, their members, and the caller's role."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import access_facts, events
from storage.metadata.accounts import Number
from storage.metadata.query import COUNTED, Executor, Query, command, select, together


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization with the caller's ``role``: admin, member or None."""

    id: int
    login: str
    name: str | None
    email: str | None
    description: str | None
    packages_inherit_access: bool
    packages_sso_required: bool
    members_can_create_public_packages: bool
    members_can_create_private_packages: bool
    members_can_create_internal_packages: bool
    created_at: datetime
    updated_at: datetime
    role: str | None
    sso_missing: bool  # it requires its authorisation, and the token does not have it


SEEN: Final = select(
    Organization,
    f"""
    SELECT org.id, org.login, org.name, org.email, org.description, org.packages_inherit_access,
           org.packages_sso_required, org.members_can_create_public_packages,
           org.members_can_create_private_packages, org.members_can_create_internal_packages,
           org.created_at, org.updated_at,
           CASE WHEN holder.site_admin THEN 'admin' ELSE seat.role END AS role,
           org.packages_sso_required AND NOT {access_facts.IN_PERSON}
               AND NOT EXISTS (SELECT 1 FROM token_organizations WHERE token_id = $1 AND org_id = org.id)
               AS sso_missing
      FROM accounts org
      LEFT JOIN LATERAL (
            SELECT caller.id, caller.site_admin FROM {access_facts.HOLDER}
             WHERE token.id = $1 AND token.repository_id IS NULL
           ) AS holder ON true
      LEFT JOIN memberships seat ON seat.org_id = org.id AND seat.user_id = holder.id
     WHERE lower(org.login) = lower($2) AND org.kind = 'Organization' AND org.deleted_at IS NULL
    """,
)


async def seen(db: Executor, token_id: int | None, login: str) -> Organization | None:
    """Find an organization by login, with the caller's role."""
    return await SEEN.maybe(db, token_id, login)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that an owner may change; None keeps a value, and an empty text removes a text."""

    name: str | None = None
    email: str | None = None
    description: str | None = None
    packages_inherit_access: bool | None = None
    packages_sso_required: bool | None = None
    members_can_create_public_packages: bool | None = None
    members_can_create_private_packages: bool | None = None
    members_can_create_internal_packages: bool | None = None


_SETTINGS: Final[LiteralString] = """(SELECT to_jsonb(settings) FROM (
    SELECT {0}.name, {0}.email, {0}.description, {0}.packages_inherit_access, {0}.packages_sso_required,
           {0}.members_can_create_public_packages, {0}.members_can_create_private_packages,
           {0}.members_can_create_internal_packages) AS settings)"""
_UPDATE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$10")}),
    changed AS (
        UPDATE accounts org
           SET name = nullif(coalesce($2, org.name), ''),
               email = nullif(coalesce($3, org.email), ''),
               description = nullif(coalesce($4, org.description), ''),
               packages_inherit_access = coalesce($5, org.packages_inherit_access),
               packages_sso_required = coalesce($6, org.packages_sso_required),
               members_can_create_public_packages = coalesce($7, org.members_can_create_public_packages),
               members_can_create_private_packages = coalesce($8, org.members_can_create_private_packages),
               members_can_create_internal_packages = coalesce($9, org.members_can_create_internal_packages),
               updated_at = now()
          FROM accounts old
         WHERE org.id = $1 AND org.deleted_at IS NULL AND old.id = org.id
        RETURNING org.id, {_SETTINGS.format("old")} AS before, {_SETTINGS.format("org")} AS now)
    {
        events.note(
            "'org.update'",
            "changed",
            owner="changed.id",
            data='''(SELECT jsonb_object_agg(key, jsonb_build_object('before', changed.before -> key, 'after', value))
                       FROM jsonb_each(changed.now) WHERE value <> changed.before -> key)''',
            where="changed.before <> changed.now",
        )
    }
    """
)


async def update(db: Executor, org_id: int, new: Settings) -> None:
    """Update the organization's settings."""
    await _UPDATE.run(
        db,
        org_id,
        new.name,
        new.email,
        new.description,
        new.packages_inherit_access,
        new.packages_sso_required,
        new.members_can_create_public_packages,
        new.members_can_create_private_packages,
        new.members_can_create_internal_packages,
        events.by(),
    )


@dataclass(frozen=True, slots=True)
class Member:
    id: int
    login: str
    site_admin: bool
    role: str


_MEMBERS: Final[LiteralString] = "FROM memberships WHERE org_id = $1 AND ($2::text IS NULL OR role = $2)"
_LIST_MEMBERS: Final = Query(
    Member,
    f"""
    SELECT person.id, person.login, person.site_admin, seat.role
      FROM (SELECT user_id, role {_MEMBERS} ORDER BY user_id LIMIT $3 OFFSET $4) AS seat
      JOIN accounts person ON person.id = seat.user_id
     ORDER BY person.id
    """,
)
_COUNT_MEMBERS: Final = Query(Number, f"SELECT count(*) AS count FROM (SELECT 1 {_MEMBERS} LIMIT {COUNTED}) AS counted")

_MEMBERS_PAGE: Final = together(_LIST_MEMBERS, _COUNT_MEMBERS)


async def members(db: Executor, org_id: int, role: str | None, *, limit: int, offset: int) -> tuple[list[Member], int]:
    """A page of the members, ordered by user id, and their total; ``role``: members with this role only."""
    found, (total,) = await _MEMBERS_PAGE.all(db, org_id, role, limit, offset)
    return found, total.count


_MEMBER: Final = select(
    Member,
    """
    SELECT person.id, person.login, person.site_admin, seat.role
      FROM memberships seat JOIN accounts person ON person.id = seat.user_id
     WHERE seat.org_id = $1 AND lower(person.login) = lower($2) AND person.deleted_at IS NULL
    """,
)


async def member(db: Executor, org_id: int, login: str) -> Member | None:
    """Find a member by login."""
    return await _MEMBER.maybe(db, org_id, login)


_SEAT: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    old AS (SELECT role FROM memberships WHERE org_id = $1 AND user_id = $2),
    put AS (
        INSERT INTO memberships (org_id, user_id, role) VALUES ($1, $2, $3)
        ON CONFLICT (org_id, user_id) DO UPDATE SET role = excluded.role
        RETURNING org_id, user_id, role)
    {
        events.note(
            "CASE WHEN old.role IS NULL THEN 'org.add_member' ELSE 'org.update_member' END",
            "put LEFT JOIN old ON true",
            owner="put.org_id",
            data=f"jsonb_build_object({events.user('put.user_id')}, 'role', put.role, 'before', old.role)",
            where="old.role IS DISTINCT FROM put.role",
        )
    }
    """
)


async def seat(db: Executor, org_id: int, user_id: int, role: str) -> None:
    """Make the user a member with this role, replacing the former role."""
    await _SEAT.run(db, org_id, user_id, role, events.by())


_OTHER_OWNERS: Final = select(
    Number,
    "SELECT count(*) AS count FROM memberships WHERE org_id = $1 AND role = 'admin' AND user_id <> $2",
)


async def other_owners(db: Executor, org_id: int, user_id: int) -> int:
    """Count the owners besides this user."""
    return (await _OTHER_OWNERS.one(db, org_id, user_id)).count


_UNSEAT: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    taken AS (DELETE FROM memberships WHERE org_id = $1 AND user_id = $2 RETURNING org_id, user_id, role)
    {
        events.note(
            "'org.remove_member'",
            "taken",
            owner="taken.org_id",
            data=f"jsonb_build_object({events.user('taken.user_id')}, 'before', taken.role)",
        )
    }
    """
)

_UNGRANT: Final = command(
    """
    WITH places AS (
        DELETE FROM team_members USING teams
         WHERE teams.id = team_members.team_id AND teams.org_id = $1 AND team_members.user_id = $2),
    collaborations AS (
        DELETE FROM repository_users USING repositories
         WHERE repositories.id = repository_users.repository_id AND repositories.owner_id = $1
           AND repository_users.user_id = $2),
    authorisations AS (
        DELETE FROM token_organizations USING tokens
         WHERE tokens.id = token_organizations.token_id AND token_organizations.org_id = $1
           AND tokens.account_id = $2)
    DELETE FROM package_users USING packages
     WHERE packages.id = package_users.package_id AND packages.owner_id = $1 AND package_users.user_id = $2
    """
)


async def unseat(db: Executor, org_id: int, user_id: int) -> bool:
    """Remove a membership with all grants that came with it, inside a transaction; False: no such membership.

    A statement that grants something to a member locks his seat (FOR KEY SHARE), so that the second of these
    statements, with a snapshot of its own, sees all that was granted before the seat was gone.
    """
    if not await _UNSEAT.run(db, org_id, user_id, events.by()):
        return False
    await _UNGRANT.run(db, org_id, user_id)
    return True


@dataclass(frozen=True, slots=True)
class Belonging:
    """An organization of a user, and the user's role there."""

    id: int
    login: str
    description: str | None
    role: str


_BELONGINGS: Final[LiteralString] = """
      FROM memberships seat JOIN accounts org ON org.id = seat.org_id
     WHERE seat.user_id = $1
       AND ($1 = $2 OR EXISTS (SELECT 1 FROM memberships WHERE org_id = org.id AND user_id = $2))
"""
BELONGINGS: Final = Query(
    Belonging,
    f"SELECT org.id, org.login, org.description, seat.role {_BELONGINGS} ORDER BY org.id LIMIT $3 OFFSET $4",
)
_COUNT_BELONGINGS: Final = Query(Number, f"SELECT count(*) AS count {_BELONGINGS}")
_BELONGINGS_PAGE: Final = together(BELONGINGS, _COUNT_BELONGINGS)


async def of_user(
    db: Executor, user_id: int, viewer_id: int, *, limit: int, offset: int
) -> tuple[list[Belonging], int]:
    """A page of the organizations that both the user and the viewer belong to, and their total."""
    found, (total,) = await _BELONGINGS_PAGE.all(db, user_id, viewer_id, limit, offset)
    return found, total.count


async def own(db: Executor, user_id: int, *, limit: int) -> list[Belonging]:
    """The first organizations that a user belongs to."""
    return await BELONGINGS.all(db, user_id, user_id, limit, 0)


@dataclass(frozen=True, slots=True)
class Login:
    login: str


_SOLE_OWNER: Final = select(
    Login,
    """
    SELECT org.login
      FROM memberships seat JOIN accounts org ON org.id = seat.org_id
     WHERE seat.user_id = $1 AND seat.role = 'admin'
       AND NOT EXISTS (SELECT 1 FROM memberships
                        WHERE org_id = org.id AND role = 'admin' AND user_id <> $1)
     ORDER BY org.id LIMIT 10
    """,
)


async def only_owner_of(db: Executor, user_id: int) -> list[str]:
    """Logins of at most ten organizations that would have no owner without this user."""
    return [row.login for row in await _SOLE_OWNER.all(db, user_id)]


_LOCK_OF_USER: Final = select(
    Login,
    """
    SELECT org.login
      FROM accounts org JOIN memberships seat ON seat.org_id = org.id
     WHERE seat.user_id = $1 AND seat.role = 'admin' AND org.deleted_at IS NULL
     ORDER BY org.id FOR NO KEY UPDATE OF org
    """,
)


async def lock_owned_by(db: Executor, user_id: int) -> None:
    """Lock the organizations that the user owns: their members do not change before the transaction ends."""
    await _LOCK_OF_USER.all(db, user_id)

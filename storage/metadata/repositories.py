"""Source repositories, and the caller's role over them. Roles: 0 none, 1 read, 2 write, 3 admin."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import access_facts, events
from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository with the caller's ``role``: 0 where the repository is hidden from the caller.

    A workflow or workspace token reads its own repository and the public ones, whoever minted it.
    """

    id: int
    name: str
    visibility: str
    description: str | None
    homepage: str | None
    created_at: datetime
    updated_at: datetime
    owner_id: int
    owner_login: str
    owner_kind: str
    owner_site_admin: bool
    role: int
    sso_missing: bool  # its organization requires its authorisation, and the token does not have it

    @property
    def full_name(self) -> str:
        return f"{self.owner_login}/{self.name}"


#: Of ``repository`` and its ``owner``, the fields of Repository that are the same for all callers.
FACTS: Final[LiteralString] = """
    repository.id, repository.name, repository.visibility, repository.description, repository.homepage,
    repository.created_at, repository.updated_at, owner.id AS owner_id, owner.login AS owner_login,
    owner.kind AS owner_kind, owner.site_admin AS owner_site_admin
"""
#: All fields of Repository; the role is that of RIGHTS.
COLUMNS: Final[LiteralString] = f"""{FACTS}, rights.role,
    owner.packages_sso_required AND NOT {access_facts.IN_PERSON}
        AND NOT EXISTS (SELECT 1 FROM token_organizations WHERE token_id = $1 AND org_id = owner.id) AS sso_missing
"""

#: Of ``repository`` and its ``owner``, the role of ``holder`` as ``rights.role``.
RIGHTS: Final[LiteralString] = """
  LEFT JOIN LATERAL (
        SELECT role FROM memberships WHERE org_id = owner.id AND user_id = holder.id
       ) AS seat ON true
 CROSS JOIN LATERAL (
        SELECT CASE
            WHEN holder.repository_id IS NOT NULL
            THEN CASE WHEN repository.visibility = 'public' OR repository.id = holder.repository_id THEN 1 ELSE 0 END
            WHEN holder.site_admin OR owner.id = holder.id OR seat.role = 'admin' THEN 3
            ELSE greatest(
                CASE WHEN repository.visibility = 'public'
                       OR (repository.visibility = 'internal' AND seat.role IS NOT NULL) THEN 1 ELSE 0 END,
                (SELECT role FROM repository_users WHERE repository_id = repository.id AND user_id = holder.id),
                (SELECT max(grants.role) FROM repository_teams grants
                   JOIN team_members member ON member.team_id = grants.team_id
                  WHERE grants.repository_id = repository.id AND member.user_id = holder.id))
        END::int AS role
       ) AS rights
"""
#: The account of the token $1 as ``holder``.
HOLDER: Final[LiteralString] = f"""
  LEFT JOIN LATERAL (
        SELECT caller.id, caller.site_admin, token.repository_id FROM {access_facts.HOLDER} WHERE token.id = $1
       ) AS holder ON true
"""

_SEEN: Final = select(
    Repository,
    f"""
    SELECT {COLUMNS}
      FROM accounts owner
      JOIN repositories repository
        ON repository.owner_id = owner.id AND lower(repository.name) = lower($3) AND repository.deleted_at IS NULL
      {HOLDER}
      {RIGHTS}
     WHERE lower(owner.login) = lower($2) AND owner.deleted_at IS NULL
    """,
)


async def seen(db: Executor, token_id: int | None, owner: str, name: str) -> Repository | None:
    """Find the repository ``owner/name``, case-insensitively, with the caller's role."""
    return await _SEEN.maybe(db, token_id, owner, name)


_BY_ID: Final = select(
    Repository,
    f"""
    SELECT {COLUMNS}
      FROM repositories repository
      JOIN accounts owner ON owner.id = repository.owner_id
      {HOLDER}
      {RIGHTS}
     WHERE repository.id = $2 AND repository.deleted_at IS NULL
    """,
)


async def by_id(db: Executor, token_id: int | None, repository_id: int) -> Repository | None:
    """Find a repository by id, with the caller's role."""
    return await _BY_ID.maybe(db, token_id, repository_id)


@dataclass(frozen=True, slots=True)
class Moved:
    """A repository that had another name."""

    id: int


_FORMER: Final = select(
    Moved,
    """
    WITH owner AS (
        SELECT id FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL
         UNION ALL
        SELECT account_id FROM former_logins
         WHERE login = lower($1)
           AND NOT EXISTS (SELECT 1 FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL))
    SELECT repository.id FROM owner
      JOIN repositories repository
        ON repository.owner_id = owner.id AND lower(repository.name) = lower($2) AND repository.deleted_at IS NULL
     UNION ALL
    SELECT former.repository_id FROM owner
      JOIN former_repositories former ON former.owner_id = owner.id AND former.name = lower($2)
     LIMIT 1
    """,
)


async def formerly(db: Executor, owner: str, name: str) -> int | None:
    """Return the id of the repository that has, or had, the name ``owner/name``; its present name goes first."""
    found = await _FORMER.maybe(db, owner, name)
    return None if found is None else found.id


@dataclass(frozen=True, slots=True)
class Made:
    id: int


#: The fields of an event that name a repository, by its row; and those that tell what it was before and is now.
_NAMED: Final[LiteralString] = """'repository', jsonb_build_object(
    'id', {0}.id, 'full_name', (SELECT login FROM accounts WHERE id = {0}.owner_id) || '/' || {0}.name)"""
_SETTINGS: Final[LiteralString] = """jsonb_build_object(
    'name', {0}.name, 'visibility', {0}.visibility, 'description', {0}.description, 'homepage', {0}.homepage)"""


# The seat is locked: see organizations.unseat.
_INSERT: Final = select(
    Made,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$7")}),
    made AS (
        INSERT INTO repositories (owner_id, name, visibility, description, homepage)
        VALUES ($1, $2, $3, nullif($4, ''), nullif($5, ''))
        RETURNING id, owner_id, name, visibility),
    seat AS (
        SELECT user_id FROM memberships WHERE org_id = $1 AND user_id = $6 FOR KEY SHARE),
    granted AS (
        INSERT INTO repository_users (repository_id, user_id, role) SELECT made.id, seat.user_id, 3 FROM made, seat),
    recorded AS ({
        events.note(
            "'repo.create'",
            "made",
            owner="made.owner_id",
            repository="made.id",
            data=f"jsonb_build_object({_NAMED.format('made')}, 'visibility', made.visibility)",
        )
    })
    SELECT id FROM made
    """,
)


async def insert(
    db: Executor, owner_id: int, name: str, visibility: str, *, description: str, homepage: str, creator_id: int
) -> int:
    """Insert a repository; its creator, if a member of the owning organization, becomes its admin.

    Raises AlreadyThere when the owner has one of that name.
    """
    made = await _INSERT.one(db, owner_id, name, visibility, description, homepage, creator_id, events.by())
    return made.id


#: The name that the repository has; the statement renames or moves it.
_NAME: Final[LiteralString] = "SELECT owner_id, lower(name), id FROM repositories WHERE id = $1 AND deleted_at IS NULL"
_KEEP: Final[LiteralString] = "INSERT INTO former_repositories (owner_id, name, repository_id)"
_LATEST: Final[LiteralString] = "ON CONFLICT (owner_id, name) DO UPDATE SET repository_id = excluded.repository_id"
_UPDATE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$6")}),
    former AS ({_KEEP} {_NAME} AND $2::text IS NOT NULL {_LATEST}),
    changed AS (
        UPDATE repositories new
           SET name = coalesce($2, new.name), visibility = coalesce($3, new.visibility),
               description = nullif(coalesce($4, new.description), ''),
               homepage = nullif(coalesce($5, new.homepage), ''), updated_at = now()
          FROM repositories old
         WHERE new.id = $1 AND new.deleted_at IS NULL AND old.id = new.id
        RETURNING new.id, new.owner_id, new.name, {_SETTINGS.format("old")} AS before,
                  {_SETTINGS.format("new")} AS now)
    {
        events.note(
            "'repo.update'",
            "changed",
            owner="changed.owner_id",
            repository="changed.id",
            data=f"jsonb_build_object({_NAMED.format('changed')}, 'before', changed.before, 'after', changed.now)",
            where="changed.before <> changed.now",
        )
    }
    """
)


async def update(
    db: Executor,
    repository_id: int,
    *,
    name: str | None,
    visibility: str | None,
    description: str | None,
    homepage: str | None,
) -> None:
    """Update a repository: None keeps a value, an empty text removes it. Raises AlreadyThere for a taken name."""
    await _UPDATE.run(db, repository_id, name, visibility, description, homepage, events.by())


_LOCK: Final = command(
    "UPDATE repositories SET updated_at = now() WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL"
)


async def lock(db: Executor, repository_id: int, owner_id: int) -> bool:
    """Lock a repository until the transaction ends; False: the repository is gone, or has another owner."""
    return await _LOCK.run(db, repository_id, owner_id) > 0


_UNLINK: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}),
    workflows AS (
        DELETE FROM package_repositories USING packages
         WHERE packages.id = package_repositories.package_id AND packages.repository_id = $1
           AND package_repositories.repository_id = $1),
    secrets AS (
        UPDATE tokens SET revoked_at = now() WHERE repository_id = $1 AND revoked_at IS NULL),
    unlinked AS (
        UPDATE packages SET repository_id = NULL, inherit_access = false, updated_at = now() WHERE repository_id = $1
        RETURNING id, owner_id)
    {
        events.record(
            events.event(
                f"'{events.REPOSITORY_UNLINKED}'",
                "unlinked CROSS JOIN actor",
                package="unlinked.id",
                owner="unlinked.owner_id",
                repository="$1::bigint",
                data=f"jsonb_build_object({events.repository('$1::bigint')})",
            )
        )
    }
    """
)


async def unlink(db: Executor, repository_id: int) -> None:
    """Unlink a repository from its packages, which ends all inherited access, and revoke its tokens."""
    await _UNLINK.run(db, repository_id, events.by())


_DELETE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}),
    people AS (DELETE FROM repository_users WHERE repository_id = $1),
    groups AS (DELETE FROM repository_teams WHERE repository_id = $1),
    audiences AS (DELETE FROM package_repositories WHERE repository_id = $1),
    gone AS (UPDATE repositories SET deleted_at = now() WHERE id = $1 RETURNING id, owner_id, name)
    {
        events.note(
            "'repo.destroy'",
            "gone",
            owner="gone.owner_id",
            repository="gone.id",
            data=f"jsonb_build_object({_NAMED.format('gone')})",
        )
    }
    """
)


async def delete(db: Executor, repository_id: int) -> None:
    """Delete a repository with every grant to it and by it; call ``unlink`` first."""
    await _DELETE.run(db, repository_id, events.by())


def _moved(action: LiteralString, owner: LiteralString) -> LiteralString:
    """Render the event of a transfer, as one of its owners is told of it."""
    return events.of_account(
        f"'{action}'",
        "moved",
        owner=owner,
        repository="moved.id",
        data="jsonb_build_object('before', moved.before, 'after', moved.now)",
    )


# Who is no member of the new organization has no grant there, and the new owner needs none.
_TRANSFER: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    former AS ({_KEEP} {_NAME} {_LATEST}),
    groups AS (DELETE FROM repository_teams WHERE repository_id = $1),
    people AS (
        DELETE FROM repository_users
         WHERE repository_id = $1
           AND (user_id = $2
                OR ((SELECT kind FROM accounts WHERE id = $2) = 'Organization'
                    AND NOT EXISTS (SELECT 1 FROM memberships
                                     WHERE org_id = $2 AND user_id = repository_users.user_id)))),
    moved AS (
        UPDATE repositories new SET owner_id = $2, name = $3, updated_at = now()
          FROM repositories old
         WHERE new.id = $1 AND old.id = new.id
        RETURNING new.id, new.owner_id, old.owner_id AS former_id,
                  (SELECT login FROM accounts WHERE id = old.owner_id) || '/' || old.name AS before,
                  (SELECT login FROM accounts WHERE id = $2) || '/' || new.name AS now)
    {events.record(_moved("repo.transfer_outgoing", "moved.former_id"), _moved("repo.transfer", "moved.owner_id"))}
    """
)
_GRANT_MOVER: Final = command(
    """
    INSERT INTO repository_users (repository_id, user_id, role)
    SELECT $1, user_id, 3 FROM memberships WHERE org_id = $2 AND user_id = $3 FOR KEY SHARE
    ON CONFLICT (repository_id, user_id) DO UPDATE SET role = 3
    """
)


async def transfer(db: Executor, repository_id: int, owner_id: int, name: str, mover_id: int) -> None:
    """Transfer a repository to another account; the mover, if a member there, becomes its admin.

    ``unlink`` comes first. Raises AlreadyThere when the new owner has one of that name.
    """
    await _TRANSFER.run(db, repository_id, owner_id, name, events.by())
    await _GRANT_MOVER.run(db, repository_id, owner_id, mover_id)

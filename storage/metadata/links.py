"""Links of packages to source repositories, and the caller's role over a repository."""

from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata import access_facts, events
from storage.metadata.events import Actor
from storage.metadata.query import Executor, command, select

#: The role of ``caller``, the holder of ``token``, over ``repo``: 0 none, 1 read, 2 write, 3 admin.
REPOSITORY_ROLE: Final[LiteralString] = """CASE
    WHEN token.repository_id = repo.id THEN 2
    WHEN token.repository_id IS NOT NULL THEN CASE WHEN repo.visibility = 'public' THEN 1 ELSE 0 END
    WHEN caller.site_admin OR caller.id = repo.owner_id
      OR EXISTS (SELECT 1 FROM memberships
                  WHERE org_id = repo.owner_id AND user_id = caller.id AND role = 'admin') THEN 3
    ELSE greatest(
        CASE WHEN repo.visibility = 'public'
               OR (repo.visibility = 'internal'
                   AND EXISTS (SELECT 1 FROM memberships WHERE org_id = repo.owner_id AND user_id = caller.id))
             THEN 1 ELSE 0 END,
        (SELECT role FROM repository_users WHERE repository_id = repo.id AND user_id = caller.id),
        (SELECT max(grants.role) FROM repository_teams grants JOIN team_members member USING (team_id)
          WHERE grants.repository_id = repo.id AND member.user_id = caller.id))
END"""


@dataclass(frozen=True, slots=True)
class Target:
    """A repository that a package may be linked to; ``role``: the caller's role over the repository."""

    id: int
    owner_id: int
    role: int


_TARGET: Final = select(
    Target,
    f"""
    SELECT repo.id, repo.owner_id, ({REPOSITORY_ROLE})::int AS role
      FROM {access_facts.HOLDER}
      JOIN repositories repo ON repo.deleted_at IS NULL AND lower(repo.name) = lower($3)
      JOIN accounts owner ON owner.id = repo.owner_id AND lower(owner.login) = lower($2) AND owner.deleted_at IS NULL
     WHERE token.id = $1
    """,
)


async def target(db: Executor, token_id: int | None, owner: str, name: str) -> Target | None:
    """Find the repository ``owner/name``, case-insensitively; None: missing, or hidden from the caller."""
    found = await _TARGET.maybe(db, token_id, owner, name)
    return found if found is not None and found.role > 0 else None


@dataclass(frozen=True, slots=True)
class _Changed:
    done: bool


def _changed(source: LiteralString) -> LiteralString:
    """Render the events of a link that is set or removed, and of the inheritance that changes with it."""
    names = f"jsonb_build_object('id', {{0}}, 'full_name', ({events.FULL_NAME} WHERE repository.id = {{0}}))"
    linked, unlinked = names.replace("{0}", "changed.repository_id"), names.replace("{0}", "changed.former_id")
    return events.record(
        events.event(
            f"'{events.REPOSITORY_UNLINKED}'",
            f"{source} WHERE changed.repository_id IS DISTINCT FROM changed.former_id"
            " AND changed.former_id IS NOT NULL",
            owner="changed.owner_id",
            repository="changed.former_id",
            data=f"jsonb_build_object('repository', {unlinked}) || CASE WHEN changed.inherited"
            " THEN '{\"inherited\": true}'::jsonb ELSE '{}' END",
        ),
        events.event(
            f"'{events.REPOSITORY_LINKED}'",
            f"{source} WHERE changed.repository_id IS DISTINCT FROM changed.former_id"
            " AND changed.repository_id IS NOT NULL",
            owner="changed.owner_id",
            repository="changed.repository_id",
            data=f"jsonb_build_object('repository', {linked})",
        ),
        events.event(
            f"'{events.INHERITANCE_CHANGED}'",
            f"{source} WHERE changed.inherit_access <> changed.inherited",
            owner="changed.owner_id",
            data="jsonb_build_object('before', changed.inherited, 'after', changed.inherit_access)",
        ),
    )


_RETURNING: Final[LiteralString] = """
    RETURNING package.owner_id, package.repository_id, package.inherit_access,
              old.repository_id AS former_id, old.inherit_access AS inherited
"""
_LINK: Final = select(
    _Changed,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$5")}
    ), changed AS (
        UPDATE packages package
           SET repository_id = $2, updated_at = now(),
               inherit_access = $3 AND (
                   $4 OR (SELECT packages_inherit_access FROM accounts WHERE id = package.owner_id))
          FROM packages old
         WHERE package.id = $1 AND old.id = package.id
           AND EXISTS (SELECT 1 FROM repositories
                        WHERE id = $2 AND owner_id = package.owner_id AND deleted_at IS NULL)
        {_RETURNING}
    ), recorded AS ({_changed("changed CROSS JOIN actor")})
    SELECT EXISTS (SELECT 1 FROM changed) AS done
    """,
)


async def link(db: Executor, package_id: int, repository_id: int, actor: Actor, *, inherit: bool, forced: bool) -> bool:
    """Link a package to a repository of the same owner; False: there is no such repository.

    ``inherit``: inherit the repository's access; only where the owner enables that for new ones, unless ``forced``.
    """
    linked = await _LINK.one(db, package_id, repository_id, inherit, forced, events.by(actor))
    return linked.done


_UNLINK: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}
    ), changed AS (
        UPDATE packages package SET repository_id = NULL, inherit_access = false, updated_at = now()
          FROM packages old
         WHERE package.id = $1 AND old.id = package.id
        {_RETURNING}
    )
    {_changed("changed CROSS JOIN actor")}
    """
)


async def unlink(db: Executor, package_id: int, actor: Actor) -> None:
    """Remove the link of a package, and the access that was inherited by the link."""
    await _UNLINK.run(db, package_id, events.by(actor))

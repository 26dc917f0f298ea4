"""Transfers of packages to another owner."""

from dataclasses import dataclass
from typing import Final

from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class Receiver:
    """An account that a package is transferred to; ``retired``: the full name there is nobody's any more."""

    id: int
    login: str
    retired: bool


# Locked, so that nothing is given to an account that is being deleted or renamed.
_RECEIVER: Final = select(
    Receiver,
    """
    SELECT owner.id, owner.login,
           EXISTS (SELECT 1 FROM retired_names WHERE owner_login = lower(owner.login) AND name = $2) AS retired
      FROM accounts owner WHERE lower(owner.login) = lower($1) AND owner.deleted_at IS NULL FOR SHARE
    """,
)


async def receiver(db: Executor, login: str, name: str) -> Receiver | None:
    """Find and lock the account with this login, for a package of this name; None: there is no such account."""
    return await _RECEIVER.maybe(db, login, name)


_RETIRE: Final = command(
    """
    INSERT INTO retired_names (owner_login, name)
    SELECT lower(owner.login), package.name
      FROM packages package JOIN accounts owner ON owner.id = package.owner_id
     WHERE package.id = $1 AND package.visibility = 'public'
       AND EXISTS (SELECT 1 FROM download_totals WHERE package_id = $1 AND count > $2)
    ON CONFLICT DO NOTHING
    """
)
_GIVE_WAY: Final = command(
    """
    UPDATE packages SET deleted_at = now()
     WHERE owner_id = $1 AND name = $2 AND deleted_at IS NULL AND published_at IS NULL
    """
)
# Uploads under way were begun by whom the former owner let in. Leases stay, as in packages.hide.
_TRANSFER: Final = command(
    """
    WITH people AS (DELETE FROM package_users WHERE package_id = $1),
    teams AS (DELETE FROM package_teams WHERE package_id = $1),
    repositories AS (DELETE FROM package_repositories WHERE package_id = $1),
    sessions AS (
        UPDATE uploads SET state = 'aborted', expires_at = now(), fence = fence + 1
         WHERE package_id = $1 AND state = 'open')
    UPDATE packages
       SET owner_id = $2, name = $3, repository_id = NULL, inherit_access = false, updated_at = now(),
           visibility = CASE visibility WHEN 'internal' THEN 'private' ELSE visibility END
     WHERE id = $1
    """
)


async def transfer(db: Executor, package_id: int, owner_id: int, name: str, *, retired_above: int) -> None:
    """Give a locked package to another owner, without its roles, link and uploads under way.

    Its former full name is retired, if it is public and has a version above ``retired_above`` downloads. A package of
    the new name that was only begun gives way. Raises AlreadyThere when a published package has the name.
    """
    await _RETIRE.run(db, package_id, retired_above)
    await _GIVE_WAY.run(db, owner_id, name)
    await _TRANSFER.run(db, package_id, owner_id, name)

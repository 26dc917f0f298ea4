"""Transfers of packages to another owner."""

from dataclasses import dataclass
from typing import Final

from storage.metadata import events, usage_counts
from storage.metadata.events import Actor
from storage.metadata.query import Executor, command, select
from storage.metadata.uploads import ABORT


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
#: Told to whoever reads the package, under its former owner.
_MOVED: Final = events.event(
    f"'{events.PACKAGE_TRANSFERRED}'",
    "moved CROSS JOIN actor",
    owner="moved.owner_id",
    data="jsonb_build_object('before', moved.before, 'after', moved.now)",
)
# Uploads under way were begun by whom the former owner let in.
_TRANSFER: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}
    ), sessions AS ({ABORT} package_id = $1
    ), moved AS (
        UPDATE packages package SET owner_id = $2, name = $3, updated_at = now()
          FROM packages old
         WHERE package.id = $1 AND old.id = package.id
        RETURNING package.id, old.owner_id,
                  lower((SELECT login FROM accounts WHERE id = old.owner_id)) || '/' || old.name AS before,
                  lower((SELECT login FROM accounts WHERE id = $2)) || '/' || package.name AS now
    ), {usage_counts.MOVED}
    {events.record(_MOVED)}
    """
)


async def transfer(
    db: Executor, package_id: int, owner_id: int, name: str, actor: Actor, *, retired_above: int
) -> None:
    """Give a locked package, which no person, team or repository has a role over, to another owner.

    Uploads under way end. The former full name is retired, if the package is public and has
    a version above ``retired_above`` downloads. A package of the new name that was only begun gives way. Raises
    AlreadyThere when a published package has the name.
    """
    await _RETIRE.run(db, package_id, retired_above)
    await _GIVE_WAY.run(db, owner_id, name)
    await _TRANSFER.run(db, package_id, owner_id, name, events.by(actor))

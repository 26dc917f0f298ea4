"""The condition of a change, as its caller has put it."""

from collections.abc import Awaitable, Callable

from registry.errors import NotFound
from storage.metadata import packages
from storage.metadata.database import Transaction
from storage.metadata.packages import Held

#: Looks at a condition when the package is locked; raises what the change is refused with.
Check = Callable[[Transaction], Awaitable[None]]
#: The same of a deletion, told also the entity tag of what would go, which a preview has shown.
DeletionCheck = Callable[[Transaction, str], Awaitable[None]]


async def held(tx: Transaction, package_id: int, check: Check | None = None) -> Held:
    """Lock a published package for a change, and look at its condition. Raises NotFound, and what ``check`` raises."""
    found = await packages.lock(tx, package_id)
    if found is None or not found.published:
        raise NotFound
    if check is not None:
        await check(tx)
    return found

"""The rules of quotas: who stores how much, and how a limit is set."""

from typing import Final

from registry.errors import Invalid
from storage.metadata import quotas
from storage.metadata.events import Actor
from storage.metadata.query import Executor
from storage.metadata.quotas import Quota

BYTES_MAX: Final = 10**18
WARN_PERCENT: Final = 90
_PERCENT: Final = 100


async def put(db: Executor, owner_id: int, quota: Quota, actor: Actor | None) -> None:
    """Set the quota of an account. Raises Invalid."""
    if not 0 <= quota.bytes <= BYTES_MAX:
        raise Invalid(f"A quota is from 0 to {BYTES_MAX} bytes.")
    if not 1 <= quota.warn_percent <= _PERCENT:
        raise Invalid("A quota warns from 1 to 100 percent.")
    await quotas.put(db, owner_id, quota, actor)

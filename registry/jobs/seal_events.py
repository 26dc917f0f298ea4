"""Seals the audit log, so that a row of it that is missing or changed shows."""

from registry.services import Services
from storage.metadata import event_seals


async def seal_events(services: Services) -> int:
    """Seal a batch of events and return the number of seals."""
    return await event_seals.seal(services.db)

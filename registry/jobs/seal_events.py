"""Seals the audit log, so that a row of it that is missing or changed shows."""

from auth.seals import signing_key
from registry.services import Services
from storage.metadata import event_seals


async def seal_events(services: Services) -> int:
    """Seal a batch of events and return the number of seals."""
    seal = await event_seals.next_seal(services.db)
    if seal is None:
        return 0
    signature = signing_key(services.settings.secrets).sign(seal.signed_bytes())
    return int(await event_seals.insert(services.db, seal, signature))

"""Sends the audit log to the sink of the settings, in its order and each entry at least once."""

from typing import Final

import orjson

from registry.events import audit_entry
from registry.services import Services
from storage.errors import StorageError
from storage.metadata import audit
from storage.metadata.audit import Place

READER: Final = "sink"
#: For so long another worker waits for one that may have died: longer than a batch takes.
_HELD_SECONDS: Final = 60.0


async def stream_audit(services: Services) -> int:
    """Send a batch and return the number of its entries. Raises Unavailable.

    The place is recorded after the sink has them: who dies between sends them again, and a file knows what it has.
    """
    sink, db = services.audit_sink, services.db
    if sink is None or not await audit.read(db, await audit.place_of(db, READER)):
        return 0  # without a commit: what others have read stays as new as it is
    place = await audit.claim(db, READER, _HELD_SECONDS)
    if place is None:
        return 0
    entries = await audit.read(db, place)
    if not entries:
        return 0
    try:
        await sink.send([(Place(one.xid, one.id), orjson.dumps(audit_entry(one))) for one in entries])
    except StorageError:
        await audit.release(db, READER)
        raise
    await audit.advance(db, READER, Place(entries[-1].xid, entries[-1].id))
    return len(entries)

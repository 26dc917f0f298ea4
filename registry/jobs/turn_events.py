"""Makes the partitions of events for the months to come, and drops those of the past."""

from datetime import UTC, datetime
from typing import Final

from registry.jobs.stream_audit import READER
from registry.services import Services
from storage.metadata import audit, events

#: So many months more are kept of what the sink of the audit log has not yet got.
_HELD_MONTHS: Final = 6


async def turn_events(services: Services) -> int:
    """Make and drop partitions and return their number."""
    return await events.turn(services.db, await _kept(services))


async def _kept(services: Services) -> int:
    """Return how many months are kept: as set, or longer for a sink that is behind, but not for ever."""
    months = services.settings.audit.months
    if services.audit_sink is None:
        return months
    unread = await audit.read(services.db, await audit.place_of(services.db, READER))
    if not unread:
        return months
    now, oldest = datetime.fromtimestamp(services.now(), UTC), min(entry.at for entry in unread).astimezone(UTC)
    behind = (now.year - oldest.year) * 12 + now.month - oldest.month + 1
    return max(months, min(behind, months + _HELD_MONTHS))

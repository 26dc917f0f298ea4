"""The activity of a package and the history of a tag: what was recorded, the newest first, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.errors import NotFound
from registry.events import Event, told
from storage.metadata import events, tags
from storage.metadata.database import Database
from storage.metadata.events import OF_ACCESS, RecordedEvent
from storage.names import TagName


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events; ``after``: the id that the next page is asked for with, None on the last page."""

    events: list[Event]
    after: int | None


@dataclass(frozen=True, slots=True)
class Activity:
    """The activity of packages; the callers check access before.

    ``detailed``: the viewer may know the names of tokens, and who was given or lost a role.
    """

    db: Database

    async def of_package(self, package_id: int, *, detailed: bool, after: int | None, limit: int) -> EventPage:
        """Return the events of a package, from behind the event ``after``."""
        but = () if detailed else OF_ACCESS
        rows = await events.of_package(self.db, package_id, before=after, limit=limit + 1, but=but)
        return _page(rows, limit, detailed=detailed)

    async def of_tag(self, package_id: int, tag: str, *, detailed: bool, after: int | None, limit: int) -> EventPage:
        """Return the moves of a tag, from behind the event ``after``; none for a name that never was a tag."""
        rows = await events.of_tag(self.db, package_id, tag, before=after, limit=limit + 1)
        return _page(rows, limit, detailed=detailed)

    async def history(
        self, package_id: int, tag: TagName, *, detailed: bool, after: int | None, limit: int
    ) -> EventPage:
        """Return the moves of a tag as ``of_tag`` does. Raises NotFound for a name that never was a tag."""
        found = await self.of_tag(package_id, tag, detailed=detailed, after=after, limit=limit)
        if not found.events and after is None and await tags.shown(self.db, package_id, tag) is None:
            raise NotFound  # those of a tag that is there may be older than what is recorded
        return found


def _page(rows: Sequence[RecordedEvent], limit: int, *, detailed: bool) -> EventPage:
    shown = [told(row, detailed=detailed) for row in rows[:limit]]
    return EventPage(shown, shown[-1].id if len(rows) > limit else None)

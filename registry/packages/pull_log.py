"""The pull log of a package: who pulled what, from where, the newest first, page by page."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from storage.metadata import pulls
from storage.metadata.pulls import LoggedPull
from storage.metadata.query import Executor

#: Before every pull.
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PullPage:
    """A page of the pull log; ``after``: the id that the next page is asked for with, None on the last page."""

    pulls: list[LoggedPull]
    after: int | None


async def page(
    db: Executor, package_id: int, *, after: int | None, limit: int, since: datetime = BEGINNING
) -> PullPage:
    """Return the pulls of a package since a time, from behind the row ``after``; the callers check access before."""
    found = await pulls.of_package(db, package_id, since=since, before=after, limit=limit + 1)
    return PullPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

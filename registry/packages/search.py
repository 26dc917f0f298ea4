"""The rule of search: packages that the viewer may see, by the beginnings of their names, or all of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from registry.errors import Invalid
from storage.metadata import search as found
from storage.metadata.query import Executor
from storage.metadata.search import FOUND_MAX, Candidate, FoundPackage

Sort = Literal["newest", "name"]
SORTS: Final = ("newest", "name")
PAGE_MAX: Final = 100

_WORD: Final = re.compile(r"[a-z0-9._/-]{1,255}", re.ASCII)
_CURSOR: Final = re.compile(r"([0-9T:.+-]{10,40})~([0-9]{1,18})", re.ASCII)
_END: Final = (datetime(9999, 1, 1, tzinfo=UTC), 0)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search. ``after``: what asks for the next page; None: there is none.

    ``total``: how many there are, FOUND_MAX at most; None: they were not counted, as of a page that needs no number.
    """

    packages: list[FoundPackage]
    after: str | None
    total: int | None

    @property
    def complete(self) -> bool:
        """Return whether ``total`` is all of them."""
        return self.total is not None and self.total < FOUND_MAX


async def search(
    db: Executor,
    token_id: int | None,
    query: str = "",
    *,
    sort: Sort = "newest",
    after: str | None = None,
    limit: int = 30,
    counted: bool = False,
) -> Found:
    """Find the packages that the viewer may see whose owner's login, or name from any component on, begins so.

    Without a query, all of them. ``after``: of the page before. Raises Invalid for a text that no page gave.
    """
    limit, word = min(limit, PAGE_MAX), query.strip().lower()
    if word and not _WORD.fullmatch(word):
        return Found([], None, 0)
    total: int | None
    if word:
        every = await found.matches(db, token_id, word)
        page, total = _page(every, sort, after)[: limit + 1], len(every)
    else:
        both = counted and not after  # the first page is the beginning of what is counted
        page = await _all(db, token_id, sort, after, FOUND_MAX if both else limit + 1)
        every = page if both or not counted else await _all(db, token_id, sort, None, FOUND_MAX)
        total = len(every) if counted else None
    shown = await found.details(db, token_id, [one.id for one in page[:limit]])
    return Found(shown, _cursor(page[limit - 1], sort) if len(page) > limit else None, total)


async def _all(db: Executor, token_id: int | None, sort: Sort, after: str | None, limit: int) -> list[Candidate]:
    if sort == "name":
        return await found.named(db, token_id, _name(after) if after else "", limit)
    return await found.newest(db, token_id, _end(after) if after else _END, limit)


def _page(every: Sequence[Candidate], sort: Sort, after: str | None) -> list[Candidate]:
    if sort == "name":
        behind = _name(after) if after else ""
        return sorted((one for one in every if one.full_name > behind), key=lambda one: one.full_name)
    end = _end(after) if after else _END
    earlier = [one for one in every if (one.published_at, one.id) < end]
    return sorted(earlier, key=lambda one: (one.published_at, one.id), reverse=True)


def _cursor(last: Candidate, sort: Sort) -> str:
    return last.full_name if sort == "name" else f"{last.published_at.isoformat()}~{last.id}"


def _name(after: str) -> str:
    if not _WORD.fullmatch(after.lower()):
        raise _invalid()
    return after


def _end(after: str) -> tuple[datetime, int]:
    match = _CURSOR.fullmatch(after)
    try:
        when = None if match is None else datetime.fromisoformat(match[1])
        if match is None or when is None or when.tzinfo is None:
            raise _invalid()
        return when.astimezone(UTC), int(match[2])
    except (ValueError, OverflowError):  # in UTC it may be before the year 1, or after 9999
        raise _invalid() from None


def _invalid() -> Invalid:
    return Invalid("Invalid request.\n\nFor 'after', expected what the page before gave.")

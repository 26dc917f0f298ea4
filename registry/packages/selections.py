"""Selections of versions: all of a package that match a filter, deleted batch by batch."""

import re
import string
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from registry.packages.deletion_rules import LifetimeSettings, PopularVersion
from registry.packages.deletions import Preview, preview
from storage.metadata import selections
from storage.metadata.query import Executor
from storage.metadata.selections import Filter

#: As many versions go in one transaction: it holds the row of the package meanwhile.
AT_ONCE: Final = 1000
#: Parts of parts of indexes are followed so far.
_DEPTH: Final = 4
_OF_TAGS: Final = string.ascii_letters + string.digits + "_.-"
_PIECE: Final = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
_STARS: Final = re.compile(r"\*+")
_STARS_MAX: Final = 8
_NEVER: Final = "(?!.)."


def filter_of(*, tagged: bool | None = None, match: str = "", pushed_before: datetime | None = None) -> Filter:
    """Return the filter of versions that have a tag or none, one tag that a glob matches, and an age."""
    return Filter(tagged, _pattern(match) if match else None, pushed_before)


def _pattern(glob: str) -> str:
    """Translate a glob, as fnmatch has them, to a regular expression of PostgreSQL that matches the same tags.

    One with so many stars that it would be long in matching matches nothing.
    """
    pieces = _PIECE.findall(_STARS.sub("*", glob))
    if pieces.count("*") > _STARS_MAX:
        return _NEVER
    return f"^{''.join(map(_translated, pieces))}$"


def _translated(piece: str) -> str:
    if piece == "*":
        return ".*"
    members = [one for one in _OF_TAGS if fnmatchcase(one, piece)]
    if not members:  # such as a colon, which is in no tag
        return _NEVER
    return f"[{''.join(one for one in members if one != '-')}{'-' if '-' in members else ''}]"


@dataclass(frozen=True, slots=True)
class Batch:
    """The next versions that match (``matched``), with parts of them that nothing else holds: what goes, at once.

    ``found``: so many match, as far as was looked; ``whole``: that are all. ``after``: the id behind which the next
    batch begins, None if there is none.
    """

    matched: list[int]
    ids: list[int]
    found: int
    whole: bool
    after: int | None
    preview: Preview | None


async def batch(db: Executor, package_id: int, wanted: Filter, after: int, settings: LifetimeSettings) -> Batch:
    """Look for the next versions that match with an id above ``after``, and show their deletion."""
    selected = await selections.matching(db, package_id, wanted, after=after)
    ids, more = selected.ids[:AT_ONCE], len(selected.ids) > AT_ONCE
    going_on = ids[-1] if more else selected.after
    shown = await _with_parts(db, package_id, ids, settings) if ids else None
    if shown is not None and isinstance(shown.deletion.refused, PopularVersion):
        most = settings.downloads_lock or 0
        popular = {one.id for one in shown.deletion.leaving if one.id == one.root and one.downloads > most}
        ids = [one for one in ids if one not in popular]
        shown = await _with_parts(db, package_id, ids, settings) if ids else None
    chosen = sorted({one.root for one in shown.deletion.leaving}) if shown is not None else []
    return Batch(ids, chosen, len(selected.ids), selected.after is None, going_on, shown)


async def _with_parts(db: Executor, package_id: int, ids: list[int], settings: LifetimeSettings) -> Preview:
    """Show a deletion of versions and of parts of indexes among them that nothing else holds."""
    shown = await preview(db, package_id, ids, settings)
    for _ in range(_DEPTH):
        if not shown.stay:
            break
        ids = [*ids, *(one.id for one in shown.stay)]
        shown = await preview(db, package_id, ids, settings)
    return shown

"""Versions of a package that match a filter: of the lists of its pages, and of a deletion of all that match."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata.query import Executor, select
from storage.metadata.tag_rules import KEEPING


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions of versions; None: whatever. ``pattern``: a regular expression that one of its tags matches."""

    tagged: bool | None = None
    pattern: str | None = None
    pushed_before: datetime | None = None


#: Conditions on a row ``version`` of manifests.
TAGGED: Final[LiteralString] = (
    "EXISTS (SELECT 1 FROM tags WHERE tags.package_id = version.package_id AND tags.digest = version.digest)"
)
_ABOVE: Final[LiteralString] = """manifest_children nesting
    CROSS JOIN LATERAL (SELECT deleted_at FROM manifests
                         WHERE package_id = nesting.package_id AND digest = nesting.parent LIMIT 1) AS above
    WHERE nesting.package_id = version.package_id AND nesting.child = version.digest AND above.deleted_at IS NULL"""
CHILD: Final[LiteralString] = f"EXISTS (SELECT 1 FROM {_ABOVE})"
#: Part of an index that has a tag.
_HELD: Final[LiteralString] = f"""EXISTS (SELECT 1 FROM {_ABOVE}
      AND EXISTS (SELECT 1 FROM tags WHERE tags.package_id = nesting.package_id AND tags.digest = nesting.parent
                     AND tags.name !~ '^sha(256|512)-[0-9a-f]{{64}}$'))"""


#: So many tags of a version are compared with a pattern.
_TAGS: Final = 200


def narrowed(pattern: LiteralString, before: LiteralString) -> LiteralString:
    """Render the condition of a tag, one of the first of a version, and of an age; each may be NULL."""
    return f"""({before}::timestamptz IS NULL OR version.created_at < {before})
      AND ({pattern}::text IS NULL
           OR EXISTS (SELECT 1 FROM (SELECT name FROM tags WHERE tags.package_id = version.package_id
                                        AND tags.digest = version.digest LIMIT {_TAGS}) AS near
                       WHERE near.name ~ {pattern}))"""


@dataclass(frozen=True, slots=True)
class _Window:
    ids: list[int]
    last: int | None


#: Versions that one statement looks at, and statements that one selection takes.
_WINDOW: Final = 400
_WINDOWS: Final = 25
#: With a tag that a rule keeps.
_KEPT: Final[LiteralString] = f"""CASE WHEN ({KEEPING}) IS NULL THEN false ELSE EXISTS (
    SELECT FROM tags WHERE package_id = $1 AND digest = version.digest AND name ~ ({KEEPING})) END"""
_SELECT: Final = select(
    _Window,
    f"""
    WITH looked_at AS MATERIALIZED (
        SELECT id, package_id, digest, subject, sort, created_at FROM manifests
         WHERE package_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT {_WINDOW}
    )
    SELECT ARRAY(SELECT id FROM looked_at version
                  WHERE sort = 'image' AND {narrowed("$4", "$5")}
                    AND CASE WHEN {TAGGED} THEN $3::boolean IS NOT FALSE AND NOT {_HELD} AND NOT {_KEPT}
                             ELSE $3::boolean IS NOT TRUE AND subject IS NULL AND NOT {CHILD} END
                  ORDER BY id) AS ids,
           CASE WHEN (SELECT count(*) FROM looked_at) = {_WINDOW} THEN (SELECT max(id) FROM looked_at) END AS last
    """,
)


@dataclass(frozen=True, slots=True)
class Selected:
    """Versions that match, the oldest first; ``after``: the id behind which to look for more, None if that is all."""

    ids: list[int]
    after: int | None


async def matching(
    db: Executor, package_id: int, wanted: Filter, *, after: int = 0, limit: int | None = None
) -> Selected:
    """Look for versions that match among the next 10,000 with an id above ``after``, until ``limit`` are found.

    Parts of an index, signatures and other referrers are none: these go with what they belong to, and what is part of
    an index that has a tag stays, and what has a tag that a rule keeps.
    """
    ids, last = list[int](), after
    for _ in range(_WINDOWS):
        window = await _SELECT.one(db, package_id, last, wanted.tagged, wanted.pattern, wanted.pushed_before)
        ids += window.ids
        if limit is not None and len(ids) > limit:
            return Selected(ids[:limit], ids[limit - 1])
        if window.last is None:
            return Selected(ids, None)
        last = window.last
    return Selected(ids, last)

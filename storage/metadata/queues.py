"""The queues of the background jobs: how much waits in each, how much of that is due, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString

from storage.metadata.query import Executor, counted, select

#: Longer than a worker that runs leaves anything waiting.
_LATE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Queue:
    """The work that waits for a job, counted as far as COUNTED; ``first_due``: when the oldest is or was due."""

    job: str
    what: str
    items: int
    due: int
    first_due: datetime | None


def _queue(
    job: LiteralString,
    what: LiteralString,
    table: LiteralString,
    since: LiteralString,
    *,
    kept: LiteralString = "true",
    late: LiteralString = "0",
) -> LiteralString:
    """Render the SELECT of one queue: rows of ``table`` for which ``kept``, due ``late`` seconds after ``since``."""
    rows: LiteralString = f"{table} WHERE {kept}"
    due: LiteralString = f"{rows} AND {since} <= now() - given.late"
    return f"""
    SELECT '{job}' AS job, '{what}' AS what,
           {counted(rows)}::int AS items,
           {counted(due)}::int AS due,
           (SELECT min({since}) FROM {rows}) + given.late AS first_due
      FROM (SELECT make_interval(secs => {late}) AS late) AS given"""


_DELETED: Final[LiteralString] = "deleted_at IS NOT NULL"
_QUEUES: Final = select(
    Queue,
    " UNION ALL ".join(
        (
            _queue("expire_uploads", "upload sessions", "uploads", "expires_at"),
            _queue("purge_deleted", "deleted packages", "packages", "deleted_at", kept=_DELETED, late="$1"),
            _queue("purge_deleted", "deleted versions", "manifests", "deleted_at", kept=_DELETED, late="$1"),
            _queue("collect_garbage", "blobs to look at", "link_reviews", "due_at"),
            _queue("delete_objects", "objects without a blob", "dead_objects", "not_before"),
        )
    ),
)


async def queues(db: Executor, window_seconds: float) -> list[Queue]:
    """The queues of the collector's jobs; ``window_seconds``: how long what was deleted can be restored."""
    return await _QUEUES.all(db, window_seconds)


def overdue_since(found: Sequence[Queue], now: datetime) -> datetime | None:
    """Return since when work has been due that a running worker would have done; None: there is none."""
    first = min((queue.first_due for queue in found if queue.due and queue.first_due is not None), default=None)
    return first if first is not None and first < now - _LATE else None

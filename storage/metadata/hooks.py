"""Webhooks of organizations and repositories, and how their deliveries go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.query import Executor, command, select

#: The reader of events that tells hooks (storage.metadata.audit).
READER: Final = "hooks"


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook of an organization, or of a repository. ``last_status`` None: nothing was delivered yet."""

    id: int
    owner_id: int | None
    repository_id: int | None
    sealed: bytes
    content_type: str
    format: str
    events: list[str]
    children: bool
    active: bool
    disabled_reason: str | None
    failing_since: datetime | None
    last_code: int | None
    last_status: str | None
    created_at: datetime
    updated_at: datetime


COLUMNS: Final[LiteralString] = """
    hook.id, hook.owner_id, hook.repository_id, hook.sealed, hook.content_type, hook.format, hook.events, hook.children,
    hook.active, hook.disabled_reason, hook.failing_since, hook.last_code, hook.last_status, hook.created_at,
    hook.updated_at
"""


@dataclass(frozen=True, slots=True)
class _Number:
    id: int


_NEXT: Final = select(_Number, "SELECT nextval('hooks_id') AS id")


async def next_id(db: Executor) -> int:
    """The id of a hook that is about to be made."""
    return (await _NEXT.one(db)).id


def _note(action: LiteralString, row: LiteralString) -> LiteralString:
    """Render the INSERT of the event of a hook; its URL, whose path may be a secret, is not told."""
    return events.note(
        f"'{action}'",
        row,
        owner=f"coalesce({row}.owner_id, (SELECT owner_id FROM repositories WHERE id = {row}.repository_id))",
        repository=f"{row}.repository_id",
        data=f"""jsonb_build_object('hook_id', {row}.id, 'events', to_jsonb({row}.events), 'active', {row}.active,
                                    'reason', {row}.disabled_reason)""",
    )


# The reader begins here, if this is the first hook of all: what was before is told to nobody.
_INSERT: Final = select(
    Hook,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$10")}),
    reader AS (
        INSERT INTO event_readers (reader, xid, id) VALUES ('{READER}', event_xid(), 0) ON CONFLICT DO NOTHING),
    made AS (
        INSERT INTO hooks (id, owner_id, repository_id, sealed, content_type, format, events, children, active,
                           creator_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, (SELECT id FROM actor))
        RETURNING *),
    recorded AS ({_note("hook.create", "made")})
    SELECT {COLUMNS} FROM made AS hook
    """,
)
# Made active again it begins anew: what happened meanwhile is told to nobody.
_UPDATE: Final = select(
    Hook,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$8")}),
    changed AS (
        UPDATE hooks SET sealed = $2, content_type = $3, format = $4, events = $5, children = $6, active = $7,
               since = CASE WHEN $7 AND NOT (active AND disabled_reason IS NULL) THEN event_xid() ELSE since END,
               disabled_reason = CASE WHEN $7 THEN NULL ELSE disabled_reason END,
               failures = 0, failing_since = NULL, rests_until = now(), updated_at = now()
         WHERE id = $1
        RETURNING *),
    recorded AS ({_note("hook.update", "changed")})
    SELECT {COLUMNS} FROM changed AS hook
    """,
)
_DELETE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}),
    gone AS (DELETE FROM hooks WHERE id = $1 RETURNING *),
    unsent AS (
        DELETE FROM hook_deliveries
         WHERE state IN ('held', 'waiting', 'sending') AND hook_id IN (SELECT id FROM gone))
    {_note("hook.destroy", "gone")}
    """
)
_DISABLE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    changed AS (
        UPDATE hooks SET disabled_reason = $2 WHERE id = $1 AND disabled_reason IS NULL RETURNING *)
    {_note("hook.disable", "changed")}
    """
)


@dataclass(frozen=True, slots=True)
class NewHook:
    """A hook as it is to be; ``sealed``: its URL and secret."""

    sealed: bytes
    content_type: str
    format: str
    events: Sequence[str]
    children: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Place:
    """The packages that a hook is about: an organization's, or those that are linked to a repository."""

    owner_id: int | None
    repository_id: int | None


_HOLD: Final = command(
    """
    WITH account AS MATERIALIZED (SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE),
    repository AS MATERIALIZED (SELECT FROM repositories WHERE id = $2 FOR NO KEY UPDATE)
    SELECT (SELECT count(*) FROM account) + (SELECT count(*) FROM repository)
    """
)


async def hold(tx: Executor, place: Place) -> None:
    """Lock the organization or repository, so that its hooks are made one after another."""
    await _HOLD.run(tx, place.owner_id, place.repository_id)


async def insert(db: Executor, hook_id: int, place: Place, new: NewHook) -> Hook:
    """Insert a hook."""
    return await _INSERT.one(db, hook_id, place.owner_id, place.repository_id, *_values(new), events.by())


async def update(db: Executor, hook_id: int, new: NewHook) -> Hook | None:
    """Replace a hook's settings; None: the hook is gone."""
    return await _UPDATE.maybe(db, hook_id, *_values(new), events.by())


def _values(new: NewHook) -> tuple[object, ...]:
    return new.sealed, new.content_type, new.format, list(new.events), new.children, new.active


async def delete(db: Executor, hook_id: int) -> None:
    """Delete a hook, with what waits to be sent."""
    await _DELETE.run(db, hook_id, events.by())


async def disable(db: Executor, hook_id: int, reason: str) -> None:
    """Let a hook rest until somebody makes the hook active again."""
    await _DISABLE.run(db, hook_id, reason, events.by())


_GET: Final = select(
    Hook,
    f"""
    SELECT {COLUMNS} FROM hooks hook
     WHERE hook.id = $1 AND hook.owner_id IS NOT DISTINCT FROM $2::bigint
       AND hook.repository_id IS NOT DISTINCT FROM $3::bigint
    """,
)
_LIST: Final = select(
    Hook,
    f"""
    SELECT {COLUMNS} FROM hooks hook
     WHERE hook.owner_id = $1 OR hook.repository_id = $2 ORDER BY hook.id
    """,
)


_BY_ID: Final = select(Hook, f"SELECT {COLUMNS} FROM hooks hook WHERE hook.id = $1")


async def get(db: Executor, place: Place, hook_id: int) -> Hook | None:
    """Find a hook of an organization, or of a repository."""
    return await _GET.maybe(db, hook_id, place.owner_id, place.repository_id)


async def by_id(db: Executor, hook_id: int) -> Hook | None:
    """Find any hook."""
    return await _BY_ID.maybe(db, hook_id)


async def of(db: Executor, place: Place) -> list[Hook]:
    """The hooks of an organization, or of a repository; a rule bounds their number."""
    return await _LIST.all(db, place.owner_id, place.repository_id)


@dataclass(frozen=True, slots=True)
class SealedHook:
    """The URL and secret of a hook as they are kept."""

    id: int
    sealed: bytes


_SEALED: Final = select(SealedHook, "SELECT id, sealed FROM hooks WHERE id > $1 ORDER BY id LIMIT $2")
_RESEAL: Final = command("UPDATE hooks SET sealed = $3 WHERE id = $1 AND sealed = $2")


async def sealed_behind(db: Executor, hook_id: int, limit: int) -> list[SealedHook]:
    """The sealed URLs and secrets of hooks, in the order of their ids, past this one."""
    return await _SEALED.all(db, hook_id, limit)


async def reseal(db: Executor, old: SealedHook, sealed: bytes) -> int:
    """Replace what a hook has sealed, unless it was changed meanwhile; returns the number of hooks that were."""
    return await _RESEAL.run(db, old.id, old.sealed, sealed)


_SUCCEEDED: Final = command(
    """
    UPDATE hooks SET failures = 0, failing_since = NULL, last_code = $2, last_status = $3
     WHERE id = $1 AND (failures > 0 OR last_code IS DISTINCT FROM $2 OR last_status IS DISTINCT FROM $3)
    """
)


@dataclass(frozen=True, slots=True)
class _Failed:
    lasts: bool


_FAILED: Final = select(
    _Failed,
    """
    UPDATE hooks SET failures = failures + 1, failing_since = coalesce(failing_since, now()),
           last_code = $2, last_status = $3,
           rests_until = now() + make_interval(secs => least($4 * 2 ^ least(failures, 10), $5))
     WHERE id = $1
    RETURNING failures >= $6 AND failing_since <= now() - make_interval(secs => $7) AS lasts
    """,
)


async def succeeded(db: Executor, hook_id: int, code: int, status: str) -> None:
    """Record that the receiver takes what it is sent."""
    await _SUCCEEDED.run(db, hook_id, code, status)


async def failed(
    db: Executor, hook_id: int, code: int, status: str, *, rest: tuple[float, float], lasting: tuple[int, float]
) -> bool:
    """Record a failure, after which the hook rests: seconds the first time, twice as many the next, up to a bound.

    True: there were at least so many in a row, for so many seconds, as ``lasting`` says.
    """
    found = await _FAILED.maybe(db, hook_id, code, status, *rest, *lasting)
    return found is not None and found.lasts

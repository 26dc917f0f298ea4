"""Events behind the place up to which all hooks are told, and the deliveries that are made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata.audit import READ, Place, Reader
from storage.metadata.events import digest_text
from storage.metadata.hooks import READER
from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class Read:
    """An event of a package, for those who are told; ``data``: JSON. ``digest``: of a tag that is gone, the former.

    ``repository_id`` None also where admins of the repository may not know of the package.
    """

    xid: int
    id: int
    at: datetime
    action: str
    owner_id: int | None
    package_id: int | None
    repository_id: int | None
    version_id: int | None
    digest: str | None
    tag: str | None
    actor_id: int | None
    data: str | None


_HOLD: Final = select(
    Reader,
    f"""
    SELECT xid::text::bigint AS xid, id FROM event_readers WHERE reader = '{READER}' FOR NO KEY UPDATE SKIP LOCKED
    """,
)
_NEWS: Final = select(
    Reader,
    f"""
    SELECT reader.xid::text::bigint AS xid, reader.id
      FROM event_readers reader
     CROSS JOIN LATERAL (
            SELECT FROM events WHERE (xid, id) > (reader.xid, reader.id) AND xid < event_horizon()
             ORDER BY xid, id LIMIT 1) AS news
     WHERE reader.reader = '{READER}'
    """,
)
_BEHIND: Final = select(
    Read,
    f"""
    SELECT event.xid::text::bigint AS xid, event.id, event.at, event.action, event.owner_id, event.package_id,
           CASE WHEN package.visibility = 'public' OR package.inherit_access OR event.data @> '{{"inherited": true}}'
                THEN coalesce(event.repository_id, package.repository_id) END AS repository_id, event.version_id,
           {digest_text("coalesce(event.digest, event.before_digest)")} AS digest,
           event.tag, event.actor_id, event.data::text AS data
      FROM (SELECT * FROM events
             WHERE (xid, id) > ($1::text::xid8, $2::bigint) AND xid < event_horizon()
             ORDER BY xid, id LIMIT {READ}) AS event
      LEFT JOIN LATERAL (SELECT repository_id, visibility, inherit_access FROM packages
                          WHERE id = event.package_id LIMIT 1) AS package ON true
     ORDER BY event.xid, event.id
    """,
)


async def news(db: Executor) -> bool:
    """Return whether events are there that no hook was told yet; False where there was never a hook."""
    return await _NEWS.maybe(db) is not None


async def hold(db: Executor) -> Place | None:
    """Hold the place up to which hooks are told, in a transaction; None: another worker does."""
    found = await _HOLD.maybe(db)
    return None if found is None else Place(found.xid, found.id)


async def behind(db: Executor, place: Place) -> list[Read]:
    """READ events at most behind a place, in their order, as far as no open transaction can add to them."""
    return await _BEHIND.all(db, str(place.xid), place.id)


@dataclass(frozen=True, slots=True)
class Told:
    """A happening that hooks are to be told of under the names ``events``; ``maybe_child``: an index may follow."""

    of: Read
    events: Sequence[str]
    action: str
    tag: str | None
    maybe_child: bool


#: Which is moved to the end of its lane: what comes after it stays after it.
_AGAIN: Final[LiteralString] = """
    INSERT INTO hook_deliveries (hook_id, guid, event, action, lane, xid, event_id, at, package_id, version_id, digest,
                                 tag, actor_id, data, state)
    SELECT hook_id, guid, event, action, lane, xid, event_id, at, package_id, version_id, digest, tag, actor_id, data,
           'waiting'
      FROM gone ORDER BY gone.id
"""
_RELEASE: Final = command(
    f"WITH gone AS (DELETE FROM hook_deliveries WHERE state = 'held' AND version_id = ANY ($1) RETURNING *) {_AGAIN}"
)
_RELEASE_DUE: Final = command(
    f"""
    WITH due AS (SELECT id FROM hook_deliveries WHERE state = 'held' AND due_at <= now()
                  ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM hook_deliveries WHERE id IN (SELECT id FROM due) RETURNING *) {_AGAIN}
    """
)
_CANCEL: Final = command(
    """
    DELETE FROM hook_deliveries held
     USING manifests parent, manifest_children nesting, manifests child
     WHERE parent.id = ANY ($1) AND nesting.package_id = parent.package_id AND nesting.parent = parent.digest
       AND child.package_id = parent.package_id AND child.digest = nesting.child
       AND held.state = 'held' AND held.version_id = child.id
    """
)
_TELL: Final = command(
    """
    INSERT INTO hook_deliveries (hook_id, event, action, lane, xid, event_id, at, package_id, version_id, digest, tag,
                                 actor_id, data, state, due_at)
    SELECT hook.id, named.event, told.action, told.package_id, told.xid::xid8, told.event_id, told.at,
           told.package_id, told.version_id, told.digest, told.tag, told.actor_id, told.data::jsonb,
           CASE WHEN waits THEN 'held' ELSE 'waiting' END,
           CASE WHEN waits THEN now() + make_interval(secs => $15) ELSE now() END
      FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                  $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::boolean[])
           WITH ORDINALITY
           AS told (xid, event_id, at, owner_id, package_id, repository_id, version_id, digest, tag, actor_id, data,
                    action, events, maybe_child, place)
     CROSS JOIN LATERAL (
            SELECT * FROM hooks WHERE owner_id = told.owner_id
             UNION ALL
            SELECT * FROM hooks WHERE repository_id = told.repository_id) AS hook
     CROSS JOIN LATERAL unnest(string_to_array(told.events, ' ')) AS named (event)
     CROSS JOIN LATERAL (SELECT told.maybe_child AND NOT hook.children AS waits) AS judged
     WHERE hook.active AND hook.disabled_reason IS NULL AND hook.since <= told.xid::xid8
       AND (named.event = ANY (hook.events) OR '*' = ANY (hook.events))
       AND NOT (waits AND EXISTS (
            SELECT FROM manifest_children nesting
             CROSS JOIN LATERAL (SELECT deleted_at FROM manifests
                                  WHERE package_id = nesting.package_id AND digest = nesting.parent LIMIT 1) AS above
             WHERE nesting.package_id = told.package_id AND nesting.child = told.digest AND above.deleted_at IS NULL))
     ORDER BY told.place, hook.id, named.event
    ON CONFLICT DO NOTHING
    """
)


async def tell(db: Executor, told: Sequence[Told], hold_seconds: float) -> None:
    """Make the deliveries of what happened, in its order, to the hooks that want to know.

    An image without a tag is held for ``hold_seconds``: it is not told of where an index has it.
    """
    published = [one.of.version_id for one in told if one.action == "published" and one.of.version_id is not None]
    known = [one.of.version_id for one in told if not one.maybe_child and one.of.version_id is not None]
    await _CANCEL.run(db, published)
    await _RELEASE.run(db, known)
    await _TELL.run(
        db,
        [str(one.of.xid) for one in told],
        [one.of.id for one in told],
        [one.of.at for one in told],
        [one.of.owner_id for one in told],
        [one.of.package_id for one in told],
        [one.of.repository_id for one in told],
        [one.of.version_id for one in told],
        [one.of.digest for one in told],
        [one.tag for one in told],
        [one.of.actor_id for one in told],
        [one.of.data for one in told],
        [one.action for one in told],
        [" ".join(one.events) for one in told],
        [one.maybe_child for one in told],
        hold_seconds,
    )


async def release(db: Executor, most: int) -> int:
    """Let deliveries go that no index was pushed for; returns their number."""
    return await _RELEASE_DUE.run(db, most)

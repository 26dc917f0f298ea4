"""The audit log: events of one account, or of all, in the order of their transactions; and its readers.

Ids are given out before a commit, so whoever reads past the highest id misses what commits late. A place in the log is
therefore of the transaction and then of the id, and a reader is given nothing of what began after a transaction that is
open still: what it has not seen lies ahead of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString, NamedTuple

from storage.metadata.events import digest_text
from storage.metadata.query import Executor, command, select


class Place(NamedTuple):
    """A place in the log: behind the event with this transaction and id."""

    xid: int
    id: int


#: How many events a search looks at; known to the planner, which would not read so few by their order otherwise.
LOOKED_AT: Final = 1000
#: The most that a reader is given.
READ: Final = 500
BEGIN: Final = Place(0, 0)
END: Final = Place(2**63 - 1, 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with the names of now, None where there is none; ``data``: JSON. ``token_hash``: of a usable kind."""

    xid: int
    id: int
    at: datetime
    action: str
    owner_id: int | None
    owner: str | None
    owner_kind: str | None
    package_id: int | None
    package: str | None
    repository_id: int | None
    repository: str | None
    version_id: int | None
    digest: str | None
    before_digest: str | None
    tag: str | None
    actor_id: int | None
    actor: str | None
    via: str
    token_id: int | None
    token_name: str | None
    token_hash: bytes | None
    token_scopes: list[str] | None
    request_id: str | None
    remote: str | None
    user_agent: str | None
    data: str | None


_COLUMNS: Final[LiteralString] = f"""
    event.xid::text::bigint AS xid, event.id, event.at, event.action,
    event.owner_id, owner.login AS owner, owner.kind AS owner_kind,
    event.package_id, package.name AS package, event.repository_id, repository.full_name AS repository,
    event.version_id, {digest_text("event.digest")} AS digest, {digest_text("event.before_digest")} AS before_digest,
    event.tag,
    event.actor_id, actor.login AS actor, event.via, event.token_id, event.token_name,
    token.hash AS token_hash, token.scopes AS token_scopes,
    event.request_id, event.remote, event.user_agent, event.data::text AS data
"""
#: Each name is looked up for the rows of a page only.
_NAMES: Final[LiteralString] = """
      LEFT JOIN LATERAL (SELECT login, kind FROM accounts WHERE id = event.owner_id LIMIT 1) AS owner ON true
      LEFT JOIN LATERAL (SELECT login FROM accounts WHERE id = event.actor_id LIMIT 1) AS actor ON true
      LEFT JOIN LATERAL (SELECT name FROM packages WHERE id = event.package_id LIMIT 1) AS package ON true
      LEFT JOIN LATERAL (
            SELECT account.login || '/' || source.name AS full_name
              FROM repositories source JOIN accounts account ON account.id = source.owner_id
             WHERE source.id = event.repository_id LIMIT 1) AS repository ON true
      LEFT JOIN LATERAL (
            SELECT hash, scopes FROM tokens WHERE id = event.token_id AND kind <> 'session' LIMIT 1) AS token ON true
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The events that are asked for; empty lists: all. ``actions``, ``but``: patterns of LIKE; ``since`` included."""

    since: datetime | None = None
    until: datetime | None = None
    actions: Sequence[str] = ()
    but: Sequence[str] = ()
    actors: Sequence[int] | None = None
    packages: Sequence[int] | None = None
    repositories: Sequence[int] | None = None
    tokens: Sequence[int] | None = None
    remote: str | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """How many events were looked at, and the place of the last of them; and one that was wanted, as JSON of places."""

    looked_at: int
    last_xid: int | None
    last_id: int | None
    last_at: datetime | None
    xid: int | None
    id: int | None


_CONDITION: Final[LiteralString] = """
    ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
    AND (cardinality($5::text[]) = 0 OR action LIKE ANY ($5)) AND NOT (action LIKE ANY ($6::text[]))
    AND ($7::bigint[] IS NULL OR actor_id = ANY ($7)) AND ($8::bigint[] IS NULL OR package_id = ANY ($8))
    AND ($9::bigint[] IS NULL OR repository_id = ANY ($9)) AND ($10::bigint[] IS NULL OR token_id = ANY ($10))
    AND ($11::text IS NULL OR remote = $11)
"""


def _found(
    condition: LiteralString, order: LiteralString, compare: LiteralString, month: LiteralString
) -> LiteralString:
    """Render the search from behind the place ($1, $2), through at most LOOKED_AT events, for at most $12.

    Months in front of what is wanted are left out, by their partitions.
    """
    return f"""
    WITH near AS MATERIALIZED (
        SELECT xid, id, at, action, actor_id, package_id, repository_id, token_id, remote
          FROM events
         WHERE {condition} (xid, id) {compare} ($1::text::xid8, $2::bigint) AND {month}
         ORDER BY xid {order}, id {order} LIMIT {LOOKED_AT}
    ), seen AS (
        SELECT count(*) AS looked_at, (array_agg(xid::text))[count(*)]::bigint AS last_xid,
               (array_agg(id))[count(*)] AS last_id, (array_agg(at))[count(*)] AS last_at FROM near
    )
    SELECT seen.looked_at, seen.last_xid, seen.last_id, seen.last_at, wanted.xid::text::bigint AS xid, wanted.id
      FROM seen LEFT JOIN (SELECT xid, id FROM near WHERE {_CONDITION} LIMIT $12) AS wanted ON true
    """


_SINCE: Final[LiteralString] = (
    "at >= coalesce(date_trunc('month', $3::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', '-infinity')"
)
_UNTIL: Final[LiteralString] = """
    at < coalesce((date_trunc('month', $4::timestamptz AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC',
                  'infinity')"""
_OWNED: Final[LiteralString] = "owner_id = $13 AND"
_OF_ALL: Final = select(Looked, _found("", "DESC", "<", _UNTIL))
_OF_ALL_UP: Final = select(Looked, _found("", "ASC", ">", _SINCE))
_OF_OWNER: Final = select(Looked, _found(_OWNED, "DESC", "<", _UNTIL))
_OF_OWNER_UP: Final = select(Looked, _found(_OWNED, "ASC", ">", _SINCE))
_ENTRIES: Final = select(
    Entry,
    f"""
    SELECT {_COLUMNS}
      FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS asked (xid, id, place)
     CROSS JOIN LATERAL (
            SELECT * FROM events WHERE xid = asked.xid::xid8 AND id = asked.id LIMIT 1) AS event
    {_NAMES}
     ORDER BY asked.place
    """,
)


#: How far the time of an event may be from the order of the transactions: none is open for so long.
_SPREAD: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the log; ``further``: from where to go on, None at its end."""

    entries: list[Entry]
    further: Place | None


async def search(db: Executor, owner_id: int | None, wanted: Wanted, begin: Place, *, up: bool, limit: int) -> Found:
    """The events behind ``begin``, the newest first, or with ``up`` the oldest; of one account, or of all (None).

    LOOKED_AT are looked at: there may be fewer than ``limit``, and yet others follow.
    """
    arguments = (
        str(begin.xid),
        begin.id,
        wanted.since,
        wanted.until,
        list(wanted.actions),
        list(wanted.but),
        _list(wanted.actors),
        _list(wanted.packages),
        _list(wanted.repositories),
        _list(wanted.tokens),
        wanted.remote,
        limit + 1,
    )
    if owner_id is None:
        rows = await (_OF_ALL_UP if up else _OF_ALL).all(db, *arguments)
    else:
        rows = await (_OF_OWNER_UP if up else _OF_OWNER).all(db, *arguments, owner_id)
    places = [Place(row.xid, row.id) for row in rows if row.xid is not None and row.id is not None]
    entries = await _named(db, places[:limit])
    if len(places) > limit:
        return Found(entries, places[limit - 1])
    seen = rows[0]
    if seen.looked_at < LOOKED_AT or seen.last_xid is None or seen.last_id is None or seen.last_at is None:
        return Found(entries, None)
    past = wanted.until is not None and seen.last_at - _SPREAD > wanted.until
    before = wanted.since is not None and seen.last_at + _SPREAD < wanted.since
    if past if up else before:
        return Found(entries, None)
    return Found(entries, Place(seen.last_xid, seen.last_id))


def _list(ids: Sequence[int] | None) -> list[int] | None:
    return None if ids is None else list(ids)


async def _named(db: Executor, places: Sequence[Place]) -> list[Entry]:
    if not places:
        return []
    return await _ENTRIES.all(db, [str(place.xid) for place in places], [place.id for place in places])


@dataclass(frozen=True, slots=True)
class Number:
    id: int


_PACKAGES: Final = select(
    Number,
    """
    SELECT id FROM packages
     WHERE owner_id = (SELECT id FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL)
       AND name = $2 AND deleted_at IS NULL
    """,
)
_REPOSITORIES: Final = select(
    Number,
    """
    SELECT id FROM repositories
     WHERE owner_id = (SELECT id FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL)
       AND lower(name) = lower($2) AND deleted_at IS NULL
    """,
)
_ACTORS: Final = select(
    Number,
    """
    SELECT id FROM accounts WHERE lower(login) = lower($1)
     UNION
    SELECT account_id AS id FROM former_logins WHERE login = lower($1)
     LIMIT 100
    """,
)
_TOKENS: Final = select(Number, "SELECT id FROM tokens WHERE hash = $1")


async def packages_of(db: Executor, owner: str, name: str) -> list[int]:
    """The package that has this name."""
    return [row.id for row in await _PACKAGES.all(db, owner, name)]


async def repositories_of(db: Executor, owner: str, name: str) -> list[int]:
    """The repository that has this name."""
    return [row.id for row in await _REPOSITORIES.all(db, owner, name)]


async def actors_of(db: Executor, login: str) -> list[int]:
    """The accounts that have or had this login, deleted ones too."""
    return [row.id for row in await _ACTORS.all(db, login)]


async def tokens_of(db: Executor, digest: bytes) -> list[int]:
    """The token with this SHA-256."""
    return [row.id for row in await _TOKENS.all(db, digest)]


@dataclass(frozen=True, slots=True)
class Reader:
    """How far a reader has come."""

    xid: int
    id: int


_READ: Final = select(
    Entry,
    f"""
    SELECT {_COLUMNS}
      FROM (SELECT * FROM events
             WHERE (xid, id) > ($1::text::xid8, $2::bigint) AND xid < event_horizon()
             ORDER BY xid, id LIMIT {READ}) AS event
    {_NAMES}
     ORDER BY event.xid, event.id
    """,
)
_CLAIM: Final = select(
    Reader,
    """
    INSERT INTO event_readers AS known (reader, xid, id, held_until)
    VALUES ($1, '0', 0, now() + make_interval(secs => $2))
    ON CONFLICT (reader) DO UPDATE SET held_until = excluded.held_until WHERE known.held_until <= now()
    RETURNING xid::text::bigint AS xid, id
    """,
)
_READER: Final = select(Reader, "SELECT xid::text::bigint AS xid, id FROM event_readers WHERE reader = $1")
_ADVANCE: Final = command(
    """
    INSERT INTO event_readers AS known (reader, xid, id) VALUES ($1, $2::text::xid8, $3)
    ON CONFLICT (reader) DO UPDATE SET xid = excluded.xid, id = excluded.id, read_at = now(), held_until = now()
     WHERE (excluded.xid, excluded.id) > (known.xid, known.id)
    """
)


async def read(db: Executor, place: Place) -> list[Entry]:
    """READ events at most behind ``place``, in their order, as far as no open transaction can add to them."""
    return await _READ.all(db, str(place.xid), place.id)


async def place_of(db: Executor, reader: str) -> Place:
    """How far a reader has come."""
    found = await _READER.maybe(db, reader)
    return BEGIN if found is None else Place(found.xid, found.id)


async def claim(db: Executor, reader: str, seconds: float) -> Place | None:
    """Hold a reader's place, which is returned, against other workers; None: another one holds it."""
    found = await _CLAIM.maybe(db, reader, seconds)
    return None if found is None else Place(found.xid, found.id)


async def advance(db: Executor, reader: str, place: Place) -> None:
    """Record how far a reader has come, never back, and let go of its place."""
    await _ADVANCE.run(db, reader, str(place.xid), place.id)


_RELEASE: Final = command("UPDATE event_readers SET held_until = now() WHERE reader = $1")


async def release(db: Executor, reader: str) -> None:
    """Let go of a reader's place where it is: the next attempt may be anybody's."""
    await _RELEASE.run(db, reader)

"""Organizations that are mirrors of another registry: what their settings are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.database import Transaction
from storage.metadata.query import Executor, command, counted, select


@dataclass(frozen=True, slots=True)
class MirrorRow:
    """The settings of a mirror; ``secret`` is sealed. ``login``: of the organization."""

    owner_id: int
    login: str
    url: str
    aliases: list[str]
    hosts: list[str]
    username: str | None
    secret: bytes | None
    realm_hosts: list[str]
    allow: list[str]
    deny: list[str]
    tag_seconds: int
    stale_seconds: int | None
    missing_seconds: int
    fetch_by: str
    idle_days: int
    max_bytes: int | None
    paused: bool
    created_at: datetime
    changed_at: datetime


_ALIASES: Final[LiteralString] = (
    "ARRAY(SELECT name FROM mirror_names WHERE owner_id = mirror.owner_id AND NOT is_host ORDER BY place)"
)
_HOSTS: Final[LiteralString] = (
    "ARRAY(SELECT name FROM mirror_names WHERE owner_id = mirror.owner_id AND is_host ORDER BY place)"
)
COLUMNS: Final[LiteralString] = f"""
    mirror.owner_id, owner.login, mirror.url, {_ALIASES} AS aliases, {_HOSTS} AS hosts, mirror.username, mirror.secret,
    mirror.realm_hosts, mirror.allow, mirror.deny, mirror.tag_seconds, mirror.stale_seconds, mirror.missing_seconds,
    mirror.fetch_by, mirror.idle_days, mirror.max_bytes, mirror.paused, mirror.created_at, mirror.changed_at
"""

_OF_OWNER: Final = select(
    MirrorRow,
    f"SELECT {COLUMNS} FROM mirrors mirror JOIN accounts owner ON owner.id = mirror.owner_id"
    " WHERE mirror.owner_id = $1 AND owner.deleted_at IS NULL",
)


async def of_owner(db: Executor, owner_id: int) -> MirrorRow | None:
    """The mirror that an organization is; None: the organization is none."""
    return await _OF_OWNER.maybe(db, owner_id)


_ALL: Final = select(
    MirrorRow,
    f"SELECT {COLUMNS} FROM mirrors mirror JOIN accounts owner ON owner.id = mirror.owner_id"
    " WHERE owner.deleted_at IS NULL ORDER BY mirror.owner_id LIMIT 10000",
)


async def every(db: Executor) -> list[MirrorRow]:
    """All mirrors."""
    return await _ALL.all(db)


# -- changes


@dataclass(frozen=True, slots=True)
class NewMirror:
    """Settings to be stored; ``kept``: the secret and the realm hosts stay, as url and username do."""

    url: str
    aliases: Sequence[str]
    hosts: Sequence[str]
    username: str | None
    secret: bytes | None
    realm_hosts: Sequence[str]
    allow: Sequence[str]
    deny: Sequence[str]
    tag_seconds: int
    stale_seconds: int | None
    missing_seconds: int
    fetch_by: str
    idle_days: int
    max_bytes: int | None
    paused: bool
    kept: bool


@dataclass(frozen=True, slots=True)
class _Stored:
    made: bool


def _told(row: LiteralString, aliases: LiteralString, hosts: LiteralString) -> LiteralString:
    """Render what an event tells of a mirror, of which the password is no part."""
    return f"""jsonb_build_object(
        'url', {row}.url, 'aliases', {aliases}, 'hosts', {hosts}, 'username', {row}.username,
        'allow', {row}.allow, 'deny', {row}.deny, 'tag_seconds', {row}.tag_seconds,
        'stale_seconds', {row}.stale_seconds, 'missing_seconds', {row}.missing_seconds, 'fetch_by', {row}.fetch_by,
        'idle_days', {row}.idle_days, 'max_bytes', {row}.max_bytes, 'paused', {row}.paused)"""


_NEW: Final[LiteralString] = _told("put", "$3::text[]", "$4::text[]")
_PUT: Final = select(
    _Stored,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$17")}
    ), old AS MATERIALIZED (
        SELECT mirror.*, {_ALIASES} AS aliases, {_HOSTS} AS hosts
          FROM mirrors mirror WHERE owner_id = $1 FOR NO KEY UPDATE
    ), put AS (
        INSERT INTO mirrors (owner_id, url, username, secret, realm_hosts, allow, deny, tag_seconds, stale_seconds,
                             missing_seconds, fetch_by, idle_days, max_bytes, paused)
        SELECT $1, $2, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
         -- First of all ``old`` is read: what this statement has changed, it does not see any more.
         WHERE CASE WHEN EXISTS (SELECT FROM old WHERE url = $2 AND username IS NOT DISTINCT FROM $5)
                    THEN true ELSE NOT $18 END
        ON CONFLICT (owner_id) DO UPDATE
           SET url = excluded.url, username = excluded.username,
               secret = CASE WHEN $18 THEN mirrors.secret ELSE excluded.secret END,
               realm_hosts = CASE WHEN $18 THEN mirrors.realm_hosts ELSE excluded.realm_hosts END,
               allow = excluded.allow, deny = excluded.deny, tag_seconds = excluded.tag_seconds,
               stale_seconds = excluded.stale_seconds, missing_seconds = excluded.missing_seconds,
               fetch_by = excluded.fetch_by, idle_days = excluded.idle_days, max_bytes = excluded.max_bytes,
               paused = excluded.paused,
               changed_at = CASE WHEN $18 AND {_told("excluded", "$3::text[]", "$4::text[]")}
                                          = (SELECT {_told("old", "old.aliases", "old.hosts")} FROM old)
                                 THEN mirrors.changed_at ELSE now() END
        RETURNING *
    ), recorded AS ({
        events.note(
            "CASE WHEN old.owner_id IS NULL THEN 'mirror.create' ELSE 'mirror.update' END",
            "put LEFT JOIN old ON true",
            owner="put.owner_id",
            data=f"jsonb_build_object('mirror', {_NEW},"
            " 'password_changed', nullif(put.secret IS DISTINCT FROM old.secret, false))",
            where="old.owner_id IS NULL OR put.secret IS DISTINCT FROM old.secret"
            f" OR {_NEW} <> {_told('old', 'old.aliases', 'old.hosts')}",
        )
    })
    SELECT NOT EXISTS (SELECT FROM old) AS made FROM put
    """,
)

#: Of this mirror those that are in its lists no more, and those of organizations that are gone.
_RELEASE: Final = command(
    """
    DELETE FROM mirror_names
     WHERE (owner_id = $1 AND name <> ALL (CASE WHEN is_host THEN $3::text[] ELSE $2::text[] END))
        OR (name = ANY ($2::text[] || $3::text[])
            AND EXISTS (SELECT FROM accounts WHERE id = mirror_names.owner_id AND deleted_at IS NOT NULL))
    """
)


@dataclass(frozen=True, slots=True)
class _Named:
    name: str


_NAME: Final = select(
    _Named,
    """
    INSERT INTO mirror_names (name, is_host, owner_id, place)
    SELECT name, $3, $1, place FROM unnest($2::text[]) WITH ORDINALITY AS given (name, place)
     ORDER BY name
    ON CONFLICT (name, is_host) DO UPDATE SET place = excluded.place WHERE mirror_names.owner_id = excluded.owner_id
    RETURNING name
    """,
)


async def put(tx: Transaction, owner_id: int, new: NewMirror) -> bool | None:
    """Store what an organization mirrors; True: it was no mirror. None: what is ``kept`` has changed meanwhile."""
    stored = await _PUT.maybe(
        tx, owner_id, new.url, list(new.aliases), list(new.hosts), new.username, new.secret, list(new.realm_hosts),
        list(new.allow), list(new.deny), new.tag_seconds, new.stale_seconds, new.missing_seconds, new.fetch_by,
        new.idle_days, new.max_bytes, new.paused, events.by(), new.kept,
    )  # fmt: skip
    return None if stored is None else stored.made


async def name(tx: Transaction, owner_id: int, aliases: Sequence[str], hosts: Sequence[str]) -> list[str]:
    """Give a mirror its names in place of those that it had; returns those that are another mirror's."""
    await _RELEASE.run(tx, owner_id, list(aliases), list(hosts))
    taken: list[str] = []
    for names, is_host in ((aliases, False), (hosts, True)):
        given = {row.name for row in await _NAME.all(tx, owner_id, list(names), is_host)}
        taken += [one for one in names if one not in given]
    return taken


_REMOVE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}
    ), gone AS (
        DELETE FROM mirrors mirror WHERE owner_id = $1
        RETURNING mirror.*, {_ALIASES} AS aliases, {_HOSTS} AS hosts
    )
    {
        events.note(
            "'mirror.destroy'",
            "gone",
            owner="gone.owner_id",
            data=f"jsonb_build_object('mirror', {_told('gone', 'gone.aliases', 'gone.hosts')})",
        )
    }
    """
)


async def remove(db: Executor, owner_id: int) -> bool:
    """Make an organization one that mirrors nothing; False: it is no mirror."""
    return await _REMOVE.run(db, owner_id, events.by()) == 1


@dataclass(frozen=True, slots=True)
class _Found:
    found: bool


_HAS_PACKAGES: Final = select(
    _Found, "SELECT EXISTS (SELECT FROM packages WHERE owner_id = $1 AND deleted_at IS NULL) AS found"
)


async def has_packages(db: Executor, owner_id: int) -> bool:
    """Return whether an account has packages."""
    return (await _HAS_PACKAGES.one(db, owner_id)).found


# -- secrets that a former key has sealed


@dataclass(frozen=True, slots=True)
class SealedMirror:
    """The sealed password of a mirror."""

    owner_id: int
    secret: bytes


_SEALED: Final = select(
    SealedMirror,
    "SELECT owner_id, secret FROM mirrors WHERE secret IS NOT NULL AND owner_id > $1 ORDER BY owner_id LIMIT $2",
)
_RESEAL: Final = command("UPDATE mirrors SET secret = $3 WHERE owner_id = $1 AND secret = $2")


async def sealed_behind(db: Executor, owner_id: int, limit: int) -> list[SealedMirror]:
    """Mirrors with a password, in the order of their owners, behind ``owner_id``."""
    return await _SEALED.all(db, owner_id, limit)


async def reseal(db: Executor, former: SealedMirror, secret: bytes) -> int:
    """Replace a sealed password, if it is the same still; returns the number of those replaced."""
    return await _RESEAL.run(db, former.owner_id, former.secret, secret)


# -- what upstreams said


@dataclass(frozen=True, slots=True)
class MirrorState:
    """The last answers of an upstream. ``failing``: references that it was last asked for in vain, up to COUNTED."""

    answered_at: datetime | None
    failed_at: datetime | None
    failure: str | None
    failing: int
    fetching: int


_FAILING: Final[LiteralString] = "mirror_answers WHERE owner_id = $1 AND kind <> 'missing'"
_FETCHING: Final[LiteralString] = """mirror_fetches fetched JOIN packages package ON package.id = fetched.package_id
     WHERE package.owner_id = $1"""
_STATE: Final = select(
    MirrorState,
    f"""
    SELECT (SELECT max(told_at) FROM mirror_answers WHERE owner_id = $1 AND (kind IS NULL OR kind = 'missing'))
               AS answered_at,
           last.told_at AS failed_at, last.why AS failure,
           {counted(_FAILING)} AS failing, {counted(_FETCHING)} AS fetching
      FROM (SELECT 1) AS one
      LEFT JOIN (SELECT told_at, why FROM {_FAILING} ORDER BY told_at DESC LIMIT 1) AS last ON true
    """,
)


async def state(db: Executor, owner_id: int) -> MirrorState:
    """The last answers of the upstream of a mirror, and what is under way."""
    return await _STATE.one(db, owner_id)

"""Short uploads, kept in their database row: each request is one lookup, and one write of the looked-up session.

No lease is taken, for nothing happens between the two that another process could take over. The write requires the
fence and the offset of the lookup: a process that took the lease or wrote meanwhile has raised one of them, and then
nothing is written.
"""

from collections import OrderedDict
from typing import Final, LiteralString

from msgspec.structs import asdict, replace

from storage.metadata import access_facts, quotas
from storage.metadata.access_facts import AccessFacts
from storage.metadata.blobs import LINK, STORE
from storage.metadata.query import Executor, command
from storage.names import Digest, UploadId

_FREE: Final[LiteralString] = """(
    upload.state = 'open' AND upload.expires_at > now() AND (upload.lease_until IS NULL OR upload.lease_until <= now())
)"""


class Session(AccessFacts, frozen=True):
    """An upload session of the caller in the package; all fields are None when there is no session with this id.

    ``received`` bytes are durable, ``in_row`` all of them; ``free``: open, and nobody has the lease. ``opened_by``: the
    id of the token; ``opened_at``: Unix seconds.
    """

    state: str | None
    algorithm: str | None
    received: int | None
    in_row: bool | None
    hash_state: bytes | None
    digest: str | None
    fence: int | None
    free: bool | None
    expired: bool | None
    opened_by: int | None
    opened_at: float | None


#: Over lines of tokens, owners, images and ids of uploads; a row each, in their order.
FIND, FIND_FAST = access_facts.full_and_fast(
    Session,
    lambda facts: (
        f"""
    SELECT {facts.columns}, session.*
    {facts.many}
      LEFT JOIN LATERAL (
        SELECT upload.state, upload.algorithm, upload.received, octet_length(upload.tail) = upload.received AS in_row,
               upload.hash_state, upload.digest, upload.fence, {_FREE} AS free, upload.expires_at <= now() AS expired,
               upload.token_id AS opened_by, extract(epoch FROM upload.created_at)::float8 AS opened_at
          FROM (SELECT * FROM uploads WHERE id = asked.reference::uuid LIMIT 1) AS upload
         WHERE upload.package_id = package.id AND upload.account_id = caller.id
      ) AS session ON true
     ORDER BY asked.place
    """
    ),
)

#: So many short uploads are under way at once in a process; a session takes half a KiB.
_KNOWN_MAX: Final = 256


class Known:
    """A cache of the sessions that this process wrote last, as it left their rows.

    The requests of a short upload follow each other over one connection, so what the next one would look up is known.
    Somebody else may have written meanwhile: then the fence is not what it was, and the next write fails by that.
    """

    def __init__(self, most: int = _KNOWN_MAX) -> None:
        self._most = most
        self._sessions: OrderedDict[UploadId, Session] = OrderedDict()

    def of(self, upload: UploadId, standing_now: AccessFacts) -> Session | None:
        """The cached session with the current access facts; None: not cached, or not the caller's in this package."""
        known = self._sessions.get(upload)
        if known is None:
            return None
        mine = known.package_id == standing_now.package_id and known.account_id == standing_now.account_id
        return replace(known, **asdict(standing_now)) if mine else None

    def begun(self, upload: UploadId, by: AccessFacts, token_id: int | None, algorithm: str, opened_at: float) -> None:
        """Cache a new session; ``opened_at`` in Unix seconds."""
        session = Session(
            **asdict(by),
            state="open",
            algorithm=algorithm,
            received=0,
            in_row=True,
            hash_state=None,
            digest=None,
            fence=0,
            free=True,
            expired=False,
            opened_by=token_id,
            opened_at=opened_at,
        )
        self._note(upload, session)

    def appended(self, upload: UploadId, found: Session, end: int, hash_state: bytes) -> None:
        """Cache the session ``found`` after an append that ends at byte ``end``."""
        fence = None if found.fence is None else found.fence + 1
        self._note(upload, replace(found, received=end, hash_state=hash_state, fence=fence))

    def drop(self, upload: UploadId) -> None:
        """Remove a session from the cache."""
        self._sessions.pop(upload, None)

    def _note(self, upload: UploadId, session: Session) -> None:
        self._sessions[upload] = session
        self._sessions.move_to_end(upload)
        if len(self._sessions) > self._most:
            self._sessions.popitem(last=False)

    def __contains__(self, upload: UploadId) -> bool:
        return upload in self._sessions


# The fence alone does not tell: under one lease the row is written several times, and the last time it lets the lease
# go. A statement that waits for such a write goes on with what that left.
_APPEND: Final = command(
    f"""
    UPDATE uploads upload
       SET received = received + octet_length($4::bytea), tail = tail || $4, hash_state = $5, fence = fence + 1
     WHERE id = $1 AND fence = $2 AND received = $3 AND octet_length(tail) = received AND {_FREE}
    """
)


async def append(db: Executor, upload: UploadId, fence: int, at: int, body: bytes, hash_state: bytes) -> bool:
    """Make ``body`` durable behind the ``at`` bytes in the row; False: the session has changed since the lookup."""
    return await _APPEND.run(db, upload, fence, at, body, hash_state) == 1


_BLOB: Final[LiteralString] = f"""
    fresh AS (
        SELECT digest, size, NULL::text AS object_key, body FROM linked
    ), {STORE}
"""
# ``seen`` has the tail that the update empties, as it was before the statement waited: of another version of the row
# (xmin) it is not the tail of these bytes.
_FINISH: Final = command(
    f"""
    WITH linked AS (
        UPDATE uploads upload
           SET state = 'done', digest = $2, lease_until = NULL, tail = '',
               expires_at = now() + interval '1 hour'
          FROM uploads seen
         WHERE upload.id = $3 AND seen.id = upload.id AND upload.xmin = seen.xmin
           AND upload.fence = $4 AND upload.received = $5 AND octet_length(upload.tail) = upload.received AND {_FREE}
        RETURNING upload.package_id, upload.digest, seen.tail || $6::bytea AS body,
                  octet_length(seen.tail || $6::bytea)::bigint AS size
    ), {_BLOB}, {LINK}
    """
)
_PUT: Final = command(
    f"""
    WITH linked AS (
        SELECT id AS package_id, $2::text AS digest, $4::bytea AS body, octet_length($4::bytea)::bigint AS size
          FROM packages WHERE id = $3 AND deleted_at IS NULL AND NOT EXISTS (SELECT FROM read_only)
           AND NOT {quotas.is_full(quotas.room("$3", "NULL", "octet_length($4::bytea)"))}
           FOR KEY SHARE
    ), {_BLOB}, {LINK}
    """
)


async def finish(
    db: Executor, upload: UploadId, fence: int, at: int, digest: Digest, body: bytes, *, grace_seconds: float
) -> bool:
    """Make the ``at`` bytes in the row and ``body`` a blob of the session's package; False: as of ``append``.

    Raises ForeignKeyMissing when the garbage collector took the digest meanwhile: repeat, the next insert wins.
    """
    return await _FINISH.run(db, grace_seconds, digest, upload, fence, at, body) == 1


async def put(db: Executor, package_id: int, digest: Digest, body: bytes, *, grace_seconds: float) -> bool:
    """Make ``body`` a blob of the package without any session; False: the package is gone. Raises as ``finish``.

    False also while the registry is read-only, or the quota is full: the upload that is begun instead is refused.
    """
    return await _PUT.run(db, grace_seconds, digest, package_id, body) == 1

"""Uploads so short that they stay in their row: each request is one look-up, and one write of what was looked up.

No lease is taken, for nothing happens between the two that another process could take over. The write is bound to the
fence that was seen: whoever took the lease or wrote meanwhile has raised it, and then nothing is written here.
"""

from typing import Final, LiteralString

from storage.metadata import standing
from storage.metadata.blobs import LINK
from storage.metadata.query import Executor, command, select
from storage.metadata.standing import Standing
from storage.names import Digest, UploadId

_FREE: Final[LiteralString] = """(
    upload.state = 'open' AND upload.expires_at > now() AND (upload.lease_until IS NULL OR upload.lease_until <= now())
)"""


class Session(Standing, frozen=True):
    """An upload of the caller to the package; all None where there is none of that id.

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
FIND: Final = select(
    Session,
    f"""
    SELECT {standing.COLUMNS}, session.*
    {standing.FROM_MANY}
      LEFT JOIN LATERAL (
        SELECT upload.state, upload.algorithm, upload.received, octet_length(upload.tail) = upload.received AS in_row,
               upload.hash_state, upload.digest, upload.fence, {_FREE} AS free, upload.expires_at <= now() AS expired,
               upload.token_id AS opened_by, extract(epoch FROM upload.created_at)::float8 AS opened_at
          FROM (SELECT * FROM uploads WHERE id = asked.reference::uuid LIMIT 1) AS upload
         WHERE upload.package_id = package.id AND upload.account_id = caller.id
      ) AS session ON true
     ORDER BY asked.place
    """,
)
FIND_AT_SIGHT: Final = standing.at_sight(FIND)

_APPEND: Final = command(
    f"""
    UPDATE uploads upload
       SET received = received + octet_length($3::bytea), tail = tail || $3, hash_state = $4, fence = fence + 1
     WHERE id = $1 AND fence = $2 AND {_FREE}
    """
)


async def append(db: Executor, upload: UploadId, fence: int, body: bytes, hash_state: bytes) -> bool:
    """Makes ``body`` durable behind what is in the row; False: the session is no longer as it was seen."""
    return await _APPEND.run(db, upload, fence, body, hash_state) == 1


_BLOB: Final[LiteralString] = """
    blob AS (
        INSERT INTO blobs (digest, size, body) SELECT digest, octet_length(body), body FROM linked
        ON CONFLICT (digest) DO NOTHING
    )
"""
_FINISH: Final = command(
    f"""
    WITH linked AS (
        UPDATE uploads upload
           SET state = 'done', digest = $2, lease_until = NULL, tail = '',
               expires_at = now() + interval '1 hour'
          FROM uploads seen
         WHERE upload.id = $3 AND seen.id = upload.id AND upload.fence = $4 AND seen.fence = $4 AND {_FREE}
        RETURNING upload.package_id, upload.digest, seen.tail || $5::bytea AS body
    ), {_BLOB}, {LINK}
    """
)
_PUT: Final = command(
    f"""
    WITH linked AS (
        SELECT id AS package_id, $2::text AS digest, $4::bytea AS body
          FROM packages WHERE id = $3 AND deleted_at IS NULL FOR KEY SHARE
    ), {_BLOB}, {LINK}
    """
)


async def finish(
    db: Executor, upload: UploadId, fence: int, digest: Digest, body: bytes, *, grace_seconds: float
) -> bool:
    """Makes what is in the row, and ``body`` behind it, a blob of the session's package; False: as of ``append``.

    Raises ForeignKeyMissing when the garbage collector took the digest meanwhile: repeat, the next insert wins.
    """
    return await _FINISH.run(db, grace_seconds, digest, upload, fence, body) == 1


async def put(db: Executor, package_id: int, digest: Digest, body: bytes, *, grace_seconds: float) -> bool:
    """Makes ``body`` a blob of the package without any session; False: the package is gone. Raises as ``finish``."""
    return await _PUT.run(db, grace_seconds, digest, package_id, body) == 1

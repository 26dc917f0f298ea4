"""Personal access tokens, known by the hash of their text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token that may be used now."""

    id: int
    kind: str
    account_id: int
    login: str
    account_kind: str
    site_admin: bool
    scopes: list[str]
    repository_id: int | None


_BY_HASH: Final = select(
    StoredToken,
    """
    SELECT token.id, token.kind, token.account_id, account.login, account.kind AS account_kind,
           account.site_admin AND token.repository_id IS NULL AS site_admin, token.scopes, token.repository_id
      FROM tokens token JOIN accounts account ON account.id = token.account_id
     WHERE token.hash = $1 AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > now())
       AND account.suspended_at IS NULL AND account.deleted_at IS NULL
    """,
)


async def by_hash(db: Executor, digest: bytes) -> StoredToken | None:
    """The usable token with this SHA-256 (32 bytes)."""
    return await _BY_HASH.maybe(db, digest)


@dataclass(frozen=True, slots=True)
class CreatedToken:
    id: int
    created_at: datetime
    expires_at: datetime | None


_INSERT: Final = select(
    CreatedToken,
    """
    INSERT INTO tokens (account_id, kind, hash, last_eight, note, scopes, expires_at)
    VALUES ($1, 'classic', $2, $3, $4, $5, $6)
    RETURNING id, created_at, expires_at
    """,
)


async def insert(
    db: Executor,
    account_id: int,
    digest: bytes,
    *,
    last_eight: str,
    note: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> CreatedToken:
    """A new token; ``digest`` is the SHA-256 of its text, 32 bytes."""
    return await _INSERT.one(db, account_id, digest, last_eight, note, list(scopes), expires_at)


_USED: Final = command(
    """
    UPDATE tokens SET last_used_at = now()
     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    """
)


async def note_use(db: Executor, token_id: int) -> None:
    """Keeps ``last_used_at``, to the minute."""
    await _USED.run(db, token_id)

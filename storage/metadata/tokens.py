"""Access tokens of users and of repositories, stored by the hash of their text."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

import msgspec

from storage.errors import Unavailable
from storage.metadata import events
from storage.metadata.query import Executor, command, lines, select


class StoredToken(msgspec.Struct, frozen=True):
    """A token that may be used now; ``id`` 0: no such token. ``noted``: its use was recorded within the last minute."""

    id: int
    kind: str
    account_id: int
    login: str
    account_kind: str
    site_admin: bool
    scopes: list[str]
    repository_id: int | None
    expires_at: datetime | None
    noted: bool


#: Over lines of hashes, in hexadecimal; a row each, in their order.
BY_HASH: Final = select(
    StoredToken,
    f"""
    SELECT coalesce(found.id, 0) AS id, found.kind, found.account_id, found.login, found.account_kind,
           found.site_admin, found.scopes, found.repository_id, found.expires_at, found.noted
      FROM unnest({lines("$1")}) WITH ORDINALITY AS asked (hash, place)
      LEFT JOIN LATERAL (
        SELECT token.id, token.kind, token.account_id, account.login, account.kind AS account_kind,
               account.site_admin AND token.repository_id IS NULL AS site_admin, token.scopes, token.repository_id,
               token.expires_at, coalesce(token.last_used_at > now() - interval '1 minute', false) AS noted
          FROM tokens token JOIN accounts account ON account.id = token.account_id
         WHERE token.hash = decode(asked.hash, 'hex') AND token.revoked_at IS NULL
           AND (token.expires_at IS NULL OR token.expires_at > now())
           AND account.suspended_at IS NULL AND account.deleted_at IS NULL
           AND (token.repository_id IS NULL
                OR EXISTS (SELECT 1 FROM repositories WHERE id = token.repository_id AND deleted_at IS NULL))
         LIMIT 1
      ) AS found ON true
     ORDER BY asked.place
    """,
)


async def by_hash(db: Executor, digest: bytes) -> StoredToken | None:
    """The usable token with this SHA-256 (32 bytes)."""
    found = await BY_HASH.one(db, digest.hex())
    return found if found.id else None


@dataclass(frozen=True, slots=True)
class CreatedToken:
    id: int
    created_at: datetime
    expires_at: datetime | None


#: The fields of an event that name a token, by its row; its text is nowhere in them.
NAMED: Final[LiteralString] = "'token', jsonb_build_object('id', {0}.id, 'kind', {0}.kind, 'note', {0}.note)"


def _made(action: LiteralString, more: LiteralString) -> LiteralString:
    return events.note(
        f"'{action}'",
        "made",
        owner="made.account_id",
        repository="made.repository_id",
        data=f"jsonb_build_object({NAMED.format('made')}, {more}, 'expires_at', made.expires_at)",
    )


_REPOSITORY_TOKEN: Final[LiteralString] = f"{events.repository('made.repository_id')}, 'subject', made.subject"


def revoked(change: LiteralString, by: LiteralString) -> LiteralString:
    """Render the statement that revokes tokens and records each; ``change``: what of ``tokens token`` it changes."""
    return f"""
    WITH actor AS MATERIALIZED ({events.actor(by)}),
    gone AS (
        {change}
        RETURNING token.id, token.account_id, token.repository_id, token.kind, token.note)
    {
        events.note(
            "CASE WHEN gone.repository_id IS NULL THEN 'personal_access' ELSE 'repository' END || '_token.revoke'",
            "gone",
            owner="gone.account_id",
            repository="gone.repository_id",
            data=f"jsonb_build_object({NAMED.format('gone')})",
        )
    }
    """


_INSERT: Final = select(
    CreatedToken,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$8")}),
    made AS (
        INSERT INTO tokens (account_id, kind, hash, last_eight, note, scopes, rules, expires_at, device)
        VALUES ($1, CASE WHEN $6::jsonb IS NULL THEN 'classic' ELSE 'fine_grained' END, $2, $3, $4, $5, $6, $7, $9)
        RETURNING *),
    recorded AS ({_made("personal_access_token.create", "'scopes', made.scopes, 'rules', made.rules")})
    SELECT id, created_at, expires_at FROM made
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
    rules: str | None = None,
    device: str | None = None,
) -> CreatedToken:
    """Insert a user's token; ``digest`` is the SHA-256 of its text, 32 bytes. ``rules`` (JSON): fine-grained.

    ``device``: the name of the device that the token signs in.
    """
    return await _INSERT.one(
        db, account_id, digest, last_eight, note, list(scopes), rules, expires_at, events.by(), device
    )


_USED: Final = command(
    """
    UPDATE tokens SET last_used_at = now()
     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    """
)


async def note_use(db: Executor, token: StoredToken) -> None:
    """Record ``last_used_at``, to the minute; skipped when Postgres cannot write, for it may still answer reads."""
    if not token.noted:
        with suppress(Unavailable):
            await _USED.run(db, token.id)


@dataclass(frozen=True, slots=True)
class OwnToken:
    """A token as shown to its owner, without its text; ``organizations``: logins for which the token is authorized."""

    id: int
    kind: str
    note: str
    last_eight: str
    scopes: list[str]
    rules: str | None  # JSON
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    organizations: list[str]


_OWN_COLUMNS: Final = """
    token.id, token.kind, token.note, token.last_eight, token.scopes, token.rules::text AS rules, token.created_at,
    token.expires_at, token.last_used_at,
    ARRAY(SELECT org.login FROM token_organizations authorised JOIN accounts org ON org.id = authorised.org_id
           WHERE authorised.token_id = token.id AND org.deleted_at IS NULL ORDER BY org.login) AS organizations
"""
#: The condition of the tokens that the account $1 sees as its own.
OWN: Final[LiteralString] = (
    "token.account_id = $1 AND token.kind IN ('classic', 'fine_grained') AND token.revoked_at IS NULL"
)

_PAGE: Final = select(
    OwnToken, f"SELECT {_OWN_COLUMNS} FROM tokens token WHERE {OWN} ORDER BY token.id DESC LIMIT $2 OFFSET $3"
)


async def page(db: Executor, account_id: int, limit: int, offset: int) -> list[OwnToken]:
    """The account's own tokens that are not revoked, newest first, expired tokens included."""
    return await _PAGE.all(db, account_id, limit, offset)


@dataclass(frozen=True, slots=True)
class Counted:
    total: int


_COUNT: Final = select(Counted, f"SELECT count(*) AS total FROM tokens token WHERE {OWN}")


async def count(db: Executor, account_id: int) -> int:
    """Count the tokens of all pages of ``page``."""
    return (await _COUNT.one(db, account_id)).total


_ONE: Final = select(OwnToken, f"SELECT {_OWN_COLUMNS} FROM tokens token WHERE {OWN} AND token.id = $2")


async def own(db: Executor, account_id: int, token_id: int) -> OwnToken | None:
    """Find one of the account's own tokens by id."""
    return await _ONE.maybe(db, account_id, token_id)


_REVOKE: Final = command(revoked(f"UPDATE tokens token SET revoked_at = now() WHERE {OWN} AND token.id = $2", "$3"))


async def revoke(db: Executor, account_id: int, token_id: int) -> bool:
    """Revoke one of the account's own tokens, at once and for ever; False: the account has no such token."""
    return await _REVOKE.run(db, account_id, token_id, events.by()) == 1


_REVOKE_WORKLOAD: Final = command(
    revoked(
        "UPDATE tokens token SET revoked_at = now()"
        " WHERE token.id = $1 AND token.repository_id IS NOT NULL AND token.revoked_at IS NULL",
        "$2",
    )
)


async def revoke_workload(db: Executor, token_id: int) -> None:
    """Revoke a token of a repository."""
    await _REVOKE_WORKLOAD.run(db, token_id, events.by())


_INSERT_WORKLOAD: Final = select(
    CreatedToken,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$9")}),
    made AS (
        INSERT INTO tokens (account_id, kind, hash, last_eight, note, repository_id, ceiling, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))
        RETURNING *),
    recorded AS ({_made("repository_token.create", _REPOSITORY_TOKEN)})
    SELECT id, created_at, expires_at FROM made
    """,
)


async def insert_workload(
    db: Executor,
    account_id: int,
    kind: str,
    digest: bytes,
    *,
    last_eight: str,
    note: str,
    repository_id: int,
    ceiling: int,
    lives_seconds: float,
) -> CreatedToken:
    """Insert a token of a repository, minted by the account: while the account is suspended, so is the token."""
    return await _INSERT_WORKLOAD.one(
        db, account_id, kind, digest, last_eight, note, repository_id, ceiling, lives_seconds, events.by()
    )


_INSERT_KEYLESS: Final = select(
    CreatedToken,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$8")}),
    made AS (
        INSERT INTO tokens (account_id, kind, hash, last_eight, note, subject, repository_id, ceiling, expires_at)
        SELECT owner.id, 'workflow', $3, '', $4, $5, repository.id, $6, now() + make_interval(secs => $7)
          FROM repositories repository JOIN accounts owner ON owner.id = repository.owner_id
         WHERE lower(owner.login) = lower($1) AND lower(repository.name) = lower($2)
           AND owner.deleted_at IS NULL AND repository.deleted_at IS NULL
        ON CONFLICT (hash) DO NOTHING
        RETURNING *),
    recorded AS ({_made("repository_token.create", _REPOSITORY_TOKEN)})
    SELECT id, created_at, expires_at FROM made
    """,
)


async def insert_keyless(
    db: Executor,
    owner: str,
    repository: str,
    digest: bytes,
    *,
    note: str,
    subject: str,
    ceiling: int,
    lives_seconds: float,
) -> bool:
    """Insert a workflow token whose text is an identity token, for the account that owns the repository.

    False: there is no such repository, or the identity token was inserted before (``by_hash`` shows whether it may
    still be used: a revoked token stays revoked).
    """
    made = await _INSERT_KEYLESS.maybe(
        db, owner, repository, digest, note, subject, ceiling, lives_seconds, events.by()
    )
    return made is not None


_FORGET: Final = command(
    """
    DELETE FROM tokens
     WHERE id = ANY (ARRAY(SELECT token.id FROM tokens token
                            WHERE token.kind IN ('workflow', 'workspace') AND token.expires_at < now()
                              AND NOT EXISTS (SELECT 1 FROM uploads WHERE token_id = token.id)
                            ORDER BY token.expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    """
)


async def forget_expired(db: Executor, limit: int) -> int:
    """Remove expired tokens of repositories; returns their number. Raises ForeignKeyMissing: an upload just began."""
    return await _FORGET.run(db, limit)

"""A registry as its administrators see it: all accounts, all tokens, and how much there is of everything."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.accounts import COLUMNS, Account
from storage.metadata.deliveries import OPEN
from storage.metadata.query import COUNTED, Executor, command, counted, select
from storage.metadata.tokens import revoked

_PEOPLE: Final = select(
    Account,
    f"SELECT {COLUMNS} FROM accounts WHERE id > $1 AND kind = 'User' AND deleted_at IS NULL ORDER BY id LIMIT $2",
)
_SUSPENDED: Final = select(
    Account,
    f"""
    SELECT {COLUMNS} FROM accounts
     WHERE id > $1 AND suspended_at IS NOT NULL AND deleted_at IS NULL ORDER BY id LIMIT $2
    """,
)
_ADMINISTRATORS: Final = select(
    Account,
    f"SELECT {COLUMNS} FROM accounts WHERE id > $1 AND site_admin AND deleted_at IS NULL ORDER BY id LIMIT $2",
)
_NAMED: Final = select(
    Account,
    f"""
    SELECT {COLUMNS} FROM accounts
     WHERE (lower(login) || '/') COLLATE "C" > $1 || '/' AND (lower(login) || '/') COLLATE "C" >= $2
       AND (lower(login) || '/') COLLATE "C" < $2 || U&'\\+10FFFF' AND deleted_at IS NULL
     ORDER BY (lower(login) || '/') COLLATE "C" LIMIT $3
    """,
)


async def people(db: Executor, after: int, limit: int) -> list[Account]:
    """Users in the order of their ids, past ``after``."""
    return await _PEOPLE.all(db, after, limit)


async def suspended(db: Executor, after: int, limit: int) -> list[Account]:
    """Suspended users in the order of their ids, past ``after``."""
    return await _SUSPENDED.all(db, after, limit)


async def administrators(db: Executor, after: int, limit: int) -> list[Account]:
    """Site administrators in the order of their ids, past ``after``."""
    return await _ADMINISTRATORS.all(db, after, limit)


async def named(db: Executor, prefix: str, after: str, limit: int) -> list[Account]:
    """Users and organizations whose login begins so (in lower case), in the order of their logins, past ``after``."""
    return await _NAMED.all(db, after, prefix, limit)


@dataclass(frozen=True, slots=True)
class AnyToken:
    """A token of a person as shown to administrators, without its text."""

    id: int
    kind: str
    note: str
    last_eight: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    account_id: int
    login: str
    site_admin: bool


_OF_PEOPLE: Final[LiteralString] = """
    SELECT token.id, token.kind, token.note, token.last_eight, token.scopes, token.created_at, token.expires_at,
           token.last_used_at, account.id AS account_id, account.login, account.site_admin
      FROM tokens token JOIN accounts account ON account.id = token.account_id
     WHERE token.kind IN ('classic', 'fine_grained') AND token.revoked_at IS NULL AND token.id < $1
"""
_TOKENS: Final = select(AnyToken, f"{_OF_PEOPLE} ORDER BY token.id DESC LIMIT $2")
_TOKENS_OF: Final = select(AnyToken, f"{_OF_PEOPLE} AND token.account_id = $3 ORDER BY token.id DESC LIMIT $2")


async def tokens(db: Executor, before: int, limit: int, account_id: int | None) -> list[AnyToken]:
    """Tokens of people that are not revoked, newest first, with ids below ``before``; of one account, if given."""
    if account_id is None:
        return await _TOKENS.all(db, before, limit)
    return await _TOKENS_OF.all(db, before, limit, account_id)


_REVOKE: Final = command(
    revoked("UPDATE tokens token SET revoked_at = now() WHERE token.id = $1 AND token.revoked_at IS NULL", "$2")
)


async def revoke(db: Executor, token_id: int) -> bool:
    """Revoke a token of whatever kind, at once and for ever; False: there is no such token."""
    return await _REVOKE.run(db, token_id, events.by()) == 1


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is. What is more than COUNTED is estimated, from PostgreSQL's statistics: ``estimated``.

    ``stored``: bytes of all blobs; ``dead_objects``: objects that wait for their deletion, ``oldest_dead_object`` since
    when; ``oldest_review``: when the link was due that waits longest for the garbage collector; ``hook_deliveries``:
    those that are to be sent.
    """

    users: int
    administrators: int
    suspended: int
    organizations: int
    teams: int
    packages: int
    versions: int
    blobs: int
    stored: int
    tokens: int
    open_uploads: int
    dead_objects: int
    oldest_dead_object: datetime | None
    reviews: int
    oldest_review: datetime | None
    hook_deliveries: int
    schema: str
    estimated: bool


def _or_estimate(near: LiteralString, table: LiteralString) -> LiteralString:
    return f"CASE WHEN {near} < {COUNTED} THEN {near} ELSE greatest({near}, {table})::bigint END"


_COUNTS: Final = select(
    Counts,
    f"""
    WITH estimates AS MATERIALIZED (
        SELECT max(reltuples) FILTER (WHERE relname = 'accounts') AS accounts,
               max(reltuples) FILTER (WHERE relname = 'packages') AS packages,
               max(reltuples) FILTER (WHERE relname = 'manifests') AS manifests,
               max(reltuples) FILTER (WHERE relname = 'blobs') AS blobs,
               max(reltuples) FILTER (WHERE relname = 'tokens_personal') AS tokens
          FROM pg_class WHERE relnamespace = 'public'::regnamespace
           AND relname IN ('accounts', 'packages', 'manifests', 'blobs', 'tokens_personal')
    ), near AS MATERIALIZED (
        SELECT {counted("accounts WHERE kind = 'User' AND deleted_at IS NULL")} AS users,
               {counted("accounts WHERE site_admin AND deleted_at IS NULL")} AS administrators,
               {counted("accounts WHERE suspended_at IS NOT NULL AND deleted_at IS NULL")} AS suspended,
               {counted("accounts WHERE kind = 'Organization' AND deleted_at IS NULL")} AS organizations,
               {counted("teams")} AS teams,
               {counted("packages WHERE deleted_at IS NULL AND published_at IS NOT NULL")} AS packages,
               {counted("manifests")} AS versions,
               {counted("blobs")} AS blobs,
               {counted("tokens WHERE kind IN ('classic', 'fine_grained') AND revoked_at IS NULL")} AS tokens
    ), sampled AS MATERIALIZED (
        SELECT coalesce(sum(size), 0) AS size, count(*) AS count
          FROM (SELECT size FROM blobs LIMIT {COUNTED}) AS few
         WHERE (SELECT blobs FROM near) < {COUNTED}
         UNION ALL
        SELECT coalesce(sum(size), 0), count(*)
          FROM blobs TABLESAMPLE SYSTEM (
               (SELECT least(100, 100.0 * {COUNTED} / greatest(blobs, 1)) FROM estimates)) REPEATABLE (1)
         WHERE (SELECT blobs FROM near) >= {COUNTED}
    ), summed AS (
        SELECT sum(size) AS size, sum(count) AS count FROM sampled
    )
    SELECT {_or_estimate("near.users", "estimates.accounts - near.organizations")} AS users,
           near.administrators, near.suspended, near.organizations, near.teams,
           {_or_estimate("near.packages", "estimates.packages")} AS packages,
           {_or_estimate("near.versions", "estimates.manifests")} AS versions,
           {_or_estimate("near.blobs", "estimates.blobs")} AS blobs,
           CASE WHEN near.blobs < {COUNTED} THEN summed.size
                ELSE summed.size / greatest(summed.count, 1) * estimates.blobs END::bigint AS stored,
           {_or_estimate("near.tokens", "estimates.tokens")} AS tokens,
           {counted("uploads WHERE state = 'open' AND digest IS NULL")} AS open_uploads,
           {counted("dead_objects")} AS dead_objects,
           (SELECT min(not_before) FROM dead_objects) AS oldest_dead_object,
           {counted("link_reviews")} AS reviews,
           (SELECT min(due_at) FROM link_reviews) AS oldest_review,
           {counted(f"hook_deliveries WHERE {OPEN}")} AS hook_deliveries,
           (SELECT coalesce(max(name), '') FROM migrations) AS schema,
           greatest(near.users, near.packages, near.versions, near.blobs, near.tokens) >= {COUNTED} AS estimated
      FROM near, estimates, summed
    """,
)


async def counts(db: Executor) -> Counts:
    """Count everything, each as far as COUNTED."""
    return await _COUNTS.one(db)

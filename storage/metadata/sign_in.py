"""Passwords, one-time codes and identities at OpenID Connect providers, and failed attempts to sign in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class Person:
    """A user who may sign in, and the hash of the user's password, if there is one."""

    id: int
    login: str
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Known:
    account_id: int


_BY_LOGIN: Final = select(
    Person,
    """
    SELECT account.id, account.login, password.hash AS password_hash
      FROM accounts account LEFT JOIN passwords password ON password.account_id = account.id
     WHERE lower(account.login) = lower($1) AND account.kind = 'User' AND account.deleted_at IS NULL
       AND account.suspended_at IS NULL
    """,
)


async def by_login(db: Executor, login: str) -> Person | None:
    """Find the user with this login; a suspended user is not found."""
    return await _BY_LOGIN.maybe(db, login)


_BY_ID: Final = select(
    Person,
    """
    SELECT account.id, account.login, password.hash AS password_hash
      FROM accounts account LEFT JOIN passwords password ON password.account_id = account.id
     WHERE account.id = $1
    """,
)


async def by_id(db: Executor, account_id: int) -> Person:
    """Return the user with this id."""
    return await _BY_ID.one(db, account_id)


_LOCK: Final = select(Known, "SELECT id AS account_id FROM accounts WHERE id = $1 FOR NO KEY UPDATE")


async def lock(db: Executor, account_id: int) -> None:
    """Lock an account: no session begins and no password is set by others before the transaction ends."""
    await _LOCK.maybe(db, account_id)


_NONE: Final[LiteralString] = "NULL::bigint"
_SET_PASSWORD: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    sessions AS (DELETE FROM tokens WHERE account_id = $1 AND kind = 'session'),
    codes AS (DELETE FROM sign_in_codes WHERE account_id = $1),
    recorded AS ({events.record(events.event("'user.change_password'", "actor", package=_NONE, owner="$1::bigint"))})
    INSERT INTO passwords (account_id, hash) VALUES ($1, $2)
    ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, changed_at = now()
    """
)


async def set_password(db: Executor, account_id: int, hashed: str) -> None:
    """Set the password of an account, and end its sessions and its one-time code."""
    await _SET_PASSWORD.run(db, account_id, hashed, events.by())


_REHASH: Final = command("UPDATE passwords SET hash = $3 WHERE account_id = $1 AND hash = $2")


async def rehash(db: Executor, account_id: int, former: str, hashed: str) -> None:
    """Replace the hash of an unchanged password."""
    await _REHASH.run(db, account_id, former, hashed)


_ISSUE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$5")}),
    put AS (
    INSERT INTO sign_in_codes (account_id, hash, expires_at)
    SELECT account.id, $2, now() + make_interval(secs => $3) FROM accounts account
     WHERE account.id = $1 AND NOT ($4 AND EXISTS (SELECT 1 FROM passwords WHERE account_id = account.id))
    ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at
    RETURNING account_id)
    {events.note("'user.sign_in_code'", "put", owner="put.account_id")}
    """
)


async def issue_code(db: Executor, account_id: int, digest: bytes, seconds: float, *, first: bool) -> bool:
    """Store the hash of the account's one-time code, in place of a former one.

    ``first``: only where the account has no password yet; False: it has one.
    """
    return await _ISSUE.run(db, account_id, digest, seconds, first, events.by()) == 1


@dataclass(frozen=True, slots=True)
class Redeemed:
    account_id: int
    valid: bool


_REDEEM: Final = select(
    Redeemed,
    """
    DELETE FROM sign_in_codes code USING accounts account
     WHERE code.hash = $1 AND account.id = code.account_id
    RETURNING code.account_id, code.expires_at > now() AND account.suspended_at IS NULL
              AND account.deleted_at IS NULL AS valid
    """,
)


async def redeem_code(db: Executor, digest: bytes) -> int | None:
    """Use a one-time code up, and return its account; None: there is no such code, or it may not be used."""
    found = await _REDEEM.maybe(db, digest)
    return found.account_id if found is not None and found.valid else None


_FAILED: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    asked AS (SELECT 1),
    known AS (SELECT id, login FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL)
    {
        events.note(
            "'user.failed_login'",
            "asked LEFT JOIN known ON true",
            owner="known.id",
            data="jsonb_build_object('way', $2::text, 'login', known.login)",
        )
    }
    """
)


async def note_failure(db: Executor, login: str | None, way: str) -> None:
    """Record a sign-in that failed; of a login that nobody has nothing is kept, as it may be a mistyped password."""
    await _FAILED.run(db, login, way, events.by())


@dataclass(frozen=True, slots=True)
class Attempts:
    """The number of attempts under a key in the present window, which ends in ``seconds_left``."""

    count: int
    seconds_left: float


_COUNT: Final = select(
    Attempts,
    """
    INSERT INTO sign_in_attempts AS known (key, count, began_at)
    SELECT key, 1, now() FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (key, place) ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN known.began_at < now() - make_interval(secs => $2) THEN 1
                     ELSE least(known.count, 1000000) + 1 END,
        began_at = CASE WHEN known.began_at < now() - make_interval(secs => $2) THEN now() ELSE known.began_at END
    RETURNING count, extract(epoch FROM began_at + make_interval(secs => $2) - now())::float8 AS seconds_left
    """,
)


async def count_attempt(db: Executor, keys: Sequence[bytes], window_seconds: float) -> list[Attempts]:
    """Count an attempt under each of the keys, which are given in order."""
    return await _COUNT.all(db, list(keys), window_seconds)


_FORGIVE: Final = command("UPDATE sign_in_attempts SET count = count - 1 WHERE key = ANY ($1::bytea[]) AND count > 0")


async def forgive_attempt(db: Executor, keys: Sequence[bytes]) -> None:
    """Take an attempt that did not fail out of the counts."""
    await _FORGIVE.run(db, list(keys))


_FORGET_ATTEMPTS: Final = command(
    """
    DELETE FROM sign_in_attempts
     WHERE key = ANY (ARRAY(SELECT key FROM sign_in_attempts WHERE began_at < now() - interval '1 day'
                             ORDER BY began_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    """
)


async def forget_attempts(db: Executor, limit: int) -> int:
    """Delete counts that are older than every window; returns their number."""
    return await _FORGET_ATTEMPTS.run(db, limit)


@dataclass(frozen=True, slots=True)
class Identity:
    """A person's identity at an OpenID Connect provider."""

    issuer: str
    subject: str
    email: str | None
    created_at: datetime
    used_at: datetime | None


_IDENTITIES: Final = select(
    Identity,
    """
    SELECT issuer, subject, email, created_at, used_at FROM identities WHERE account_id = $1
     ORDER BY created_at, issuer, subject LIMIT 100
    """,
)


async def identities(db: Executor, account_id: int) -> list[Identity]:
    """List the identities of an account."""
    return await _IDENTITIES.all(db, account_id)


_IDENTIFY: Final = select(
    Known,
    "UPDATE identities SET used_at = now(), email = $3 WHERE issuer = $1 AND subject = $2 RETURNING account_id",
)


async def identify(db: Executor, issuer: str, subject: str, email: str | None) -> int | None:
    """Return the account of an identity, and record its use; None: nobody has it here."""
    found = await _IDENTIFY.maybe(db, issuer, subject, email)
    return None if found is None else found.account_id


def _identity(action: LiteralString, source: LiteralString) -> LiteralString:
    return events.note(
        f"'user.{action}'",
        source,
        owner=f"{source}.account_id",
        data=f"jsonb_build_object('issuer', {source}.issuer, 'subject', {source}.subject)",
    )


_CONNECT: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$5")}),
    made AS (
        INSERT INTO identities (issuer, subject, account_id, email, used_at) VALUES ($1, $2, $3, $4, now())
        RETURNING issuer, subject, account_id)
    {_identity("add_identity", "made")}
    """
)


async def connect(db: Executor, issuer: str, subject: str, account_id: int, email: str | None) -> None:
    """Give an account an identity. Raises AlreadyThere: some account has it."""
    await _CONNECT.run(db, issuer, subject, account_id, email, events.by())


_DISCONNECT: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    gone AS (
        DELETE FROM identities
         WHERE account_id = $1 AND issuer = $2 AND subject = $3
           AND (EXISTS (SELECT 1 FROM passwords WHERE account_id = $1)
                OR EXISTS (SELECT 1 FROM identities WHERE account_id = $1 AND (issuer, subject) <> ($2, $3)))
        RETURNING issuer, subject, account_id)
    {_identity("remove_identity", "gone")}
    """
)


async def disconnect(db: Executor, account_id: int, issuer: str, subject: str) -> bool:
    """Take an identity from an account; False: it has no such identity, or no other way to sign in."""
    return await _DISCONNECT.run(db, account_id, issuer, subject, events.by()) == 1

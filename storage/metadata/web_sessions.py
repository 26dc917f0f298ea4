"""Sessions of browsers: a token of kind «session», which no header can carry, and when and how the person signed in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, LiteralString, TypeVar

from storage.metadata import events
from storage.metadata.events import Actor
from storage.metadata.query import ALL, Executor, Query, command, select

Row = TypeVar("Row")

KIND: Final = "session"

#: Idle for longer, a session is over; so it is after 90 days whatever is done, of an administrator after 12 hours.
_IDLE: Final = "interval '14 days'"
_LIVES: Final = "CASE WHEN account.site_admin THEN interval '12 hours' ELSE interval '90 days' END"
#: So many sessions an account may have; the oldest end.
_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class WebSession:
    """A session that may be used now. ``id`` is that of its token, for statements; ``stale``: last seen a while ago."""

    id: int
    account_id: int
    login: str
    name: str | None
    site_admin: bool
    scopes: list[str]
    way: str  # password, code or oidc
    started_at: datetime
    proved_at: datetime
    expires_at: datetime
    stale: bool


_LIVE: Final = f"""
      FROM tokens token
      JOIN web_sessions session ON session.token_id = token.id
      JOIN accounts account ON account.id = token.account_id
     WHERE token.kind = 'session' AND token.revoked_at IS NULL AND token.expires_at > now()
       AND token.last_used_at > now() - {_IDLE}
       AND account.suspended_at IS NULL AND account.deleted_at IS NULL AND account.site_admin = session.site_admin
"""

_FIND: Final = select(
    WebSession,
    f"""
    SELECT token.id, token.account_id, account.login, account.name, account.site_admin, token.scopes, session.way,
           token.created_at AS started_at, session.proved_at, token.expires_at,
           token.last_used_at < now() - interval '5 minutes' AS stale
    {_LIVE} AND token.hash = $1
    """,
)
_FIELDS: Final = len(_FIND.columns)


async def find(db: Executor, digest: bytes) -> WebSession | None:
    """Find the usable session whose id has this SHA-256."""
    return await _FIND.maybe(db, digest)


@dataclass(frozen=True, slots=True, eq=False)
class WithSession(Generic[Row]):
    """A query of what a token's holder may see, asked with the SHA-256 of a session's id in place of the token.

    One statement then tells who the viewer is and what the viewer may, of one snapshot.
    """

    query: Query[Row]
    sql: LiteralString

    async def maybe(self, db: Executor, digest: bytes | None, *args: object) -> tuple[WebSession | None, Row | None]:
        """The usable session, and the first row that the query gives its holder, or a visitor without one."""
        record = await db.fetchrow(self.sql, digest, *args)
        if record is None:
            raise LookupError(f"no row from: {self.sql}")
        values = tuple(record)
        session = None if values[0] is None else WebSession(*values[:_FIELDS])
        return session, None if values[_FIELDS] is None else self.query.row(*values[_FIELDS + 1 :])


def with_session(query: Query[Row]) -> WithSession[Row]:
    """Declare a query, whose parameter ``$1`` is the viewer's token, once more as one of the viewer's session."""
    asked = query.sql.replace("$1", "(SELECT id FROM signed_in)")
    statement = WithSession(
        query,
        f"""
        WITH signed_in AS MATERIALIZED ({_FIND.sql})
        SELECT signed_in.*, page.*
          FROM (VALUES (1)) AS once
          LEFT JOIN signed_in ON true
          LEFT JOIN (SELECT true AS there, rows.* FROM ({asked}) AS rows) AS page ON true
        """,
    )
    ALL.append(statement)
    return statement


_SEEN: Final = command(
    """
    UPDATE tokens SET last_used_at = now()
     WHERE id = $1 AND kind = 'session' AND last_used_at < now() - interval '5 minutes'
    """
)


async def note_use(db: Executor, session_id: int) -> None:
    """Record that the session was seen, to five minutes."""
    await _SEEN.run(db, session_id)


@dataclass(frozen=True, slots=True)
class Begun:
    id: int


_BEGIN: Final = select(
    Begun,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$10")}),
    account AS MATERIALIZED (
        SELECT id, site_admin FROM accounts
         WHERE id = $1 AND kind = 'User' AND suspended_at IS NULL AND deleted_at IS NULL
           AND ($9::text IS NULL OR EXISTS (SELECT 1 FROM passwords WHERE account_id = $1 AND hash = $9))),
    former AS (
        DELETE FROM tokens WHERE hash = $8 AND kind = 'session'),
    excess AS (
        DELETE FROM tokens
         WHERE id = ANY (ARRAY(SELECT id FROM tokens WHERE account_id = $1 AND kind = 'session'
                                ORDER BY id DESC OFFSET {_MOST - 1}))),
    token AS (
        INSERT INTO tokens (account_id, kind, hash, last_eight, scopes, last_used_at, expires_at)
        SELECT account.id, 'session', $2, '', $3, now(), now() + {_LIVES} FROM account
        RETURNING id, account_id),
    recorded AS ({
        events.note(
            "'user.login'",
            "token",
            owner="token.account_id",
            data="jsonb_build_object('way', $4::text, 'session', token.id)",
        )
    })
    INSERT INTO web_sessions (token_id, way, site_admin, proved_at, address, user_agent)
    SELECT token.id, $4, account.site_admin, $5, $6, $7 FROM token CROSS JOIN account
    RETURNING token_id AS id
    """,
)


async def begin(
    db: Executor,
    account_id: int,
    digest: bytes,
    *,
    scopes: list[str],
    way: str,
    proved_at: datetime,
    address: str,
    user_agent: str,
    former: bytes | None,
    password_hash: str | None,
) -> bool:
    """Begin a session of the user, who is locked, and end the one whose id has the SHA-256 ``former``.

    False: the account is suspended or deleted, or its password has not the hash ``password_hash`` any more.
    """
    begun = await _BEGIN.maybe(
        db,
        account_id,
        digest,
        scopes,
        way,
        proved_at,
        address,
        user_agent,
        former,
        password_hash,
        events.by(Actor(account_id, None)),
    )
    return begun is not None


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as its person sees it."""

    id: int
    way: str
    started_at: datetime
    seen_at: datetime
    address: str
    user_agent: str


OF_ACCOUNT: Final = select(
    ListedSession,
    f"""
    SELECT token.id, session.way, token.created_at AS started_at, token.last_used_at AS seen_at, session.address,
           session.user_agent
    {_LIVE} AND token.account_id = $1
     ORDER BY token.id DESC LIMIT {_MOST}
    """,
)


async def of_account(db: Executor, account_id: int) -> list[ListedSession]:
    """List the account's usable sessions, newest first."""
    return await OF_ACCOUNT.all(db, account_id)


def _ended(condition: LiteralString) -> LiteralString:
    """Render the statement that ends sessions of the account $1, and records each, by the actor $3."""
    return f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    gone AS (DELETE FROM tokens WHERE account_id = $1 AND kind = 'session' AND {condition} RETURNING id, account_id)
    {events.note("'user.logout'", "gone", owner="gone.account_id", data="jsonb_build_object('session', gone.id)")}
    """


_END: Final = command(_ended("id = $2"))


async def end(db: Executor, account_id: int, session_id: int) -> bool:
    """End one of the account's sessions; False: there is none with this id."""
    return await _END.run(db, account_id, session_id, events.by()) == 1


_END_OTHERS: Final = command(_ended("id <> $2"))


async def end_others(db: Executor, account_id: int, kept_id: int) -> int:
    """End the account's sessions but for ``kept_id``; returns their number. No session has the id 0."""
    return await _END_OTHERS.run(db, account_id, kept_id, events.by())


_FORGET: Final = command(
    """
    DELETE FROM tokens
     WHERE id = ANY (ARRAY(SELECT id FROM tokens WHERE kind = 'session' AND expires_at < now()
                            ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    """
)


async def forget_expired(db: Executor, limit: int) -> int:
    """Delete expired sessions; returns their number."""
    return await _FORGET.run(db, limit)


_MAY_SIGN_IN: Final = select(
    Begun,
    """
    SELECT id FROM accounts
     WHERE id = $1 AND kind = 'User' AND suspended_at IS NULL AND deleted_at IS NULL FOR KEY SHARE
    """,
)


async def may_sign_in(db: Executor, account_id: int) -> bool:
    """Return whether the account is a user's, and neither suspended nor deleted."""
    return await _MAY_SIGN_IN.maybe(db, account_id) is not None

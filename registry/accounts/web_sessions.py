"""Sessions of browsers: 32 random bytes in a cookie, their SHA-256 in PostgreSQL, rights read with every request.

A session gets a new id at every sign-in and change of password. It ends after 14 idle days, after 90 days in any case
(of an administrator: 12 hours), and when its account is suspended or becomes, or is no more, an administrator.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Literal

from auth.tokens import SCOPES
from registry.errors import NotFound
from storage.errors import Unavailable
from storage.metadata import sign_in, web_sessions
from storage.metadata.database import Database, Transaction
from storage.metadata.query import Executor
from storage.metadata.tokens import StoredToken
from storage.metadata.web_sessions import WebSession

Way = Literal["password", "code", "oidc"]

#: A sign-in is recent for so long: what changes how one signs in, or gives rights away, asks for one.
RECENT: Final = timedelta(minutes=15)
_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ID_BYTES: Final = 32
_AGENT_MAX: Final = 255


class PlainSession:
    """The id of a session in clear text; only ``reveal()`` returns the text, for the cookie."""

    __slots__ = ("_id",)

    def __init__(self, session_id: str) -> None:
        self._id: Final = session_id

    def reveal(self) -> str:
        """The value of the cookie."""
        return self._id

    @property
    def digest(self) -> bytes:
        """The SHA-256 that is stored in place of the id."""
        return hashlib.sha256(self._id.encode()).digest()

    def __repr__(self) -> str:
        return "<PlainSession …>"


def parse(cookie: str | None) -> PlainSession | None:
    """Parse the value of a cookie; None: no session has such an id."""
    return PlainSession(cookie) if cookie is not None and _ID.fullmatch(cookie) else None


async def begin(
    db: Database,
    account_id: int,
    way: Way,
    *,
    proved_at: datetime,
    address: str,
    user_agent: str,
    former: PlainSession | None = None,
    password_hash: str | None = None,
    new_id: Callable[[int], str] = secrets.token_urlsafe,
) -> PlainSession | None:
    """Begin a session with an id of its own, and end the former one of this browser.

    None: the account may not sign in now, or its password is not the one with this hash any more.
    """
    session = PlainSession(new_id(_ID_BYTES))
    agent = user_agent[:_AGENT_MAX].replace("\0", "").encode("utf-8", "replace").decode()

    async def work(tx: Transaction) -> bool:
        await sign_in.lock(tx, account_id)
        return await web_sessions.begin(
            tx,
            account_id,
            session.digest,
            scopes=sorted(SCOPES),
            way=way,
            proved_at=proved_at,
            address=address,
            user_agent=agent,
            former=None if former is None else former.digest,
            password_hash=password_hash,
        )

    return session if await db.repeat(work) else None


async def note_use(db: Executor, session: WebSession) -> None:
    """Note, to five minutes, that a session was seen."""
    if session.stale:
        with suppress(Unavailable):  # PostgreSQL may still answer reads
            await web_sessions.note_use(db, session.id)


def is_recent(session: WebSession, now: datetime) -> bool:
    """Return whether the person proved not long ago to be there."""
    return now - session.proved_at < RECENT


async def end(db: Executor, account_id: int, session_id: int) -> None:
    """End one of the account's sessions, on every replica. Raises NotFound."""
    if not await web_sessions.end(db, account_id, session_id):
        raise NotFound


async def end_others(db: Executor, session: WebSession) -> int:
    """End the account's other sessions, on every replica; return their number."""
    return await web_sessions.end_others(db, session.account_id, session.id)


async def end_all(db: Executor, account_id: int) -> int:
    """End all sessions of an account, on every replica; return their number."""
    return await web_sessions.end_others(db, account_id, 0)


def holder(session: WebSession) -> StoredToken:
    """Return the session as the token it is, for rules that ask who calls; what it makes may outlive it."""
    return StoredToken(
        id=session.id,
        kind=web_sessions.KIND,
        account_id=session.account_id,
        login=session.login,
        account_kind="User",
        site_admin=session.site_admin,
        scopes=session.scopes,
        repository_id=None,
        expires_at=None,
        noted=True,
    )

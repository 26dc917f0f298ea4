"""Rows of the pages of an account: the account, and the viewer's role in it."""

from dataclasses import dataclass
from typing import Final

from storage.metadata import access_facts, accounts, organizations, web_sessions
from storage.metadata.accounts import Account
from storage.metadata.organizations import Belonging, Organization
from storage.metadata.query import Executor, select, together
from storage.metadata.web_sessions import ListedSession, WebSession, with_session


@dataclass(frozen=True, slots=True)
class SeenAccount(Account):
    """An account with the viewer's ``role``: admin, member or None; over an own account, admin."""

    role: str | None


_SEEN: Final = select(
    SeenAccount,
    f"""
    SELECT {accounts.COLUMNS},
           CASE WHEN holder.holder_id = owner.id OR (owner.kind = 'Organization' AND holder.admin) THEN 'admin'
                ELSE (SELECT role FROM memberships WHERE org_id = owner.id AND user_id = holder.holder_id) END AS role
      FROM accounts owner
      LEFT JOIN LATERAL (
            SELECT caller.id AS holder_id, caller.site_admin AS admin FROM {access_facts.HOLDER}
             WHERE token.id = $1 AND token.repository_id IS NULL
           ) AS holder ON true
     WHERE lower(login) = lower($2) AND deleted_at IS NULL
    """,
)
_IN_SESSION: Final = with_session(_SEEN)
_ORGANIZATION_IN_SESSION: Final = with_session(organizations.SEEN)
_STANDING: Final = together(organizations.BELONGINGS, web_sessions.OF_ACCOUNT)


async def seen(db: Executor, token_id: int | None, login: str) -> SeenAccount | None:
    """Find an account by login, case-insensitively, with the viewer's role."""
    return await _SEEN.maybe(db, token_id, login)


async def seen_in_session(
    db: Executor, digest: bytes | None, login: str
) -> tuple[WebSession | None, SeenAccount | None]:
    """Find the session whose id has this SHA-256, and an account with the role of the session's account."""
    return await _IN_SESSION.maybe(db, digest, login)


async def organization_in_session(
    db: Executor, digest: bytes | None, login: str
) -> tuple[WebSession | None, Organization | None]:
    """Find the session whose id has this SHA-256, and an organization with the role of the session's account."""
    return await _ORGANIZATION_IN_SESSION.maybe(db, digest, login)


async def standing(db: Executor, account_id: int, *, limit: int) -> tuple[list[Belonging], list[ListedSession]]:
    """Organizations of a user, and the user's sessions."""
    seats, sessions = await _STANDING.all(db, account_id, account_id, limit, 0)
    return seats, sessions

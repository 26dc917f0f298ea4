"""Accounts: users and organizations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata.query import Executor, select


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    kind: str  # User or Organization
    login: str
    name: str | None
    email: str | None
    site_admin: bool
    created_at: datetime
    updated_at: datetime


_INSERT: Final = select(
    Account,
    """
    INSERT INTO accounts (kind, login, email, site_admin) VALUES ($1, $2, $3, $4)
    RETURNING id, kind, login, name, email, site_admin, created_at, updated_at
    """,
)


async def insert(db: Executor, kind: str, login: str, *, email: str | None = None, site_admin: bool = False) -> Account:
    """A new account. Raises AlreadyThere when the login is taken, in whatever case."""
    return await _INSERT.one(db, kind, login, email, site_admin)


_BY_LOGIN: Final = select(
    Account,
    """
    SELECT id, kind, login, name, email, site_admin, created_at, updated_at
      FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL
    """,
)


async def by_login(db: Executor, login: str) -> Account | None:
    """The account of that login, whatever its case."""
    return await _BY_LOGIN.maybe(db, login)

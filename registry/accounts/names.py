"""Logins: their syntax, the account that has one, and the errors about them."""

import re
from typing import Final, Literal

from registry.errors import AccountError, AccountUnknown
from storage.metadata import accounts
from storage.metadata.accounts import Account
from storage.metadata.query import Executor

#: GitHub's rule for logins, and for those of managed users; a namespace of an image is its lower case.
_LOGIN: Final = re.compile(r"[a-zA-Z0-9]+(?:[-_][a-zA-Z0-9]+)*", re.ASCII)
_LOGIN_MAX: Final = 39
_RESERVED: Final = """
    v2 token tokens api app assets auth blob blobs catalog codespaces enterprises explore favicon healthz help
    internal login logout manifests metrics moorage new oidc org organizations orgs packages public readyz
    registry repos robot root search session settings signup static status system teams uploads user users
    webhooks
"""
#: Words that are, or may become, the first part of a path here.
RESERVED: Final = frozenset(_RESERVED.split())


class LoginInvalid(AccountError):
    """The login violates the syntax or is reserved: choose another."""


class LoginTaken(AccountError):
    """The login is taken by another account."""

    problem = "already_exists"


def is_login(text: str) -> bool:
    """Return whether the text is a login by its syntax, which saves a query for a name that no account can have."""
    return len(text) <= _LOGIN_MAX and _LOGIN.fullmatch(text) is not None


def checked_login(login: str) -> str:
    """Return ``login`` if a new account may have it. Raises LoginInvalid."""
    if not is_login(login):
        raise LoginInvalid(
            f"a login has 1 to {_LOGIN_MAX} letters and digits, with single hyphens or underscores between them; "
            f"got {login[:60]!r}"
        )
    if login.lower() in RESERVED:
        raise LoginInvalid(f"the login {login!r} is reserved: choose another")
    return login


async def find_kind(db: Executor, login: str, kind: Literal["User", "Organization"]) -> Account:
    """Return the user, or the organization, with this login. Raises AccountUnknown."""
    account = await accounts.by_login(db, login) if is_login(login) else None
    if account is None or account.kind != kind:
        raise AccountUnknown(f"no {kind.lower()} has the login {login[:60]!r}")
    return account

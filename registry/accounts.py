"""Accounts and their tokens, as the command line and the API make them."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from auth.tokens import PlainToken, TokenKind, hash_of, mint, parse_scopes
from storage.metadata import accounts, tokens
from storage.metadata.accounts import Account
from storage.metadata.database import AlreadyThere
from storage.metadata.query import Executor
from storage.metadata.tokens import CreatedToken

#: GitHub's rule for logins; a namespace of an image is its lower case.
_LOGIN: Final = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*", re.ASCII)
_LOGIN_MAX: Final = 39
#: Words that are, or may become, the first part of a path here.
RESERVED: Final = frozenset(
    "v2 token tokens admin api app assets auth blob blobs catalog codespaces enterprises explore favicon healthz help "
    "internal login logout manifests metrics moorage new oidc org organizations orgs packages public readyz registry "
    "repos robot root search session settings signup static status system teams uploads user users webhooks".split()
) - {"admin"}


class AccountError(Exception):
    """What is wrong with a request about accounts; the message is for its caller."""


class LoginInvalid(AccountError):
    """The login breaks the rule or is reserved."""


class LoginTaken(AccountError):
    """Somebody has the login."""


class AccountUnknown(AccountError):
    """Nobody has the login."""


def checked_login(login: str) -> str:
    """``login``, if an account may have it. Raises LoginInvalid."""
    if len(login) > _LOGIN_MAX or not _LOGIN.fullmatch(login):
        raise LoginInvalid(
            f"a login has 1 to {_LOGIN_MAX} letters and digits, with single hyphens between them; got {login[:60]!r}"
        )
    if login.lower() in RESERVED:
        raise LoginInvalid(f"the login {login!r} is reserved")
    return login


async def create_user(db: Executor, login: str, *, email: str | None = None, site_admin: bool = False) -> Account:
    """A new user. Raises LoginInvalid, LoginTaken, Unavailable."""
    try:
        return await accounts.insert(db, "User", checked_login(login), email=email, site_admin=site_admin)
    except AlreadyThere as error:
        raise LoginTaken(f"the login {login!r} is taken") from error


async def find(db: Executor, login: str) -> Account:
    """The account of that login. Raises AccountUnknown."""
    account = await accounts.by_login(db, login)
    if account is None:
        raise AccountUnknown(f"nobody has the login {login[:60]!r}")
    return account


async def create_token(
    db: Executor,
    login: str,
    scopes: Sequence[str],
    *,
    note: str = "",
    expires_at: datetime | None = None,
    new_token: Callable[[TokenKind], PlainToken] = mint,
) -> tuple[PlainToken, CreatedToken]:
    """A new access token for a user; its text is known only now. Raises AccountUnknown, UnknownTokenScope."""
    account = await find(db, login)
    if account.kind != "User":
        raise AccountUnknown(f"{login!r} is an organization; tokens belong to users")
    granted = sorted(parse_scopes(scopes))
    plain = new_token(TokenKind.CLASSIC)
    stored = await tokens.insert(
        db,
        account.id,
        hash_of(plain),
        last_eight=plain.reveal()[-8:],
        note=note,
        scopes=granted,
        expires_at=expires_at,
    )
    return plain, stored

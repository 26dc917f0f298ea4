"""Accounts and their tokens: the rules by which the command line and the API create, rename and delete them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from auth.errors import UnknownTokenScope
from auth.tokens import LATEST, PlainToken, TokenKind, hash_of, mint, parse_scopes
from registry.accounts.names import LoginTaken, checked_login, is_login
from registry.errors import AccountError, AccountUnknown
from storage.metadata import accounts, organizations, tokens
from storage.metadata.accounts import Account
from storage.metadata.database import AlreadyThere, Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.query import Executor
from storage.metadata.tokens import CreatedToken

#: The full name of a public package that was downloaded more often than this in one of its versions is nobody's again
#: once its account was renamed or deleted: somebody's deployment still asks for it.
RETIRED_ABOVE: Final = 5000


class LastAdministrator(AccountError):
    """The user is the registry's last administrator, and cannot be removed, demoted or suspended."""

    resource, field, problem = "User", "site_admin", "custom"


class OnlyOwner(AccountError):
    """The user is the only owner of an organization, and cannot be deleted."""

    resource, problem = "User", "custom"


class NameRetired(AccountError):
    """The new login has retired package names: no other account reuses the full name of a popular package."""

    problem = "custom"


class AuthorizationInvalid(AccountError):
    """The token for a user has unknown scopes, or is expired before it begins; ``field`` names the field at fault."""

    resource = "Authorization"

    def __init__(self, message: str, field: str = "scopes") -> None:
        super().__init__(message)
        self.field = field


async def create_user(db: Executor, login: str, *, email: str | None = None, site_admin: bool = False) -> Account:
    """Create a user. Raises LoginInvalid, LoginTaken, Unavailable."""
    try:
        return await accounts.insert(db, "User", checked_login(login), email=email, site_admin=site_admin)
    except AlreadyThere as error:
        raise LoginTaken(f"the login {login!r} is taken: choose another") from error


async def find(db: Executor, login: str) -> Account:
    """Return the account with this login. Raises AccountUnknown."""
    account = await accounts.by_login(db, login) if is_login(login) else None
    return _known(account, login)


async def create_token(
    db: Executor,
    login: str,
    scopes: Sequence[str],
    *,
    note: str = "",
    expires_at: datetime | None = None,
    now: datetime | None = None,
    new_token: Callable[[TokenKind], PlainToken] = mint,
) -> tuple[PlainToken, CreatedToken]:
    """Create an access token for a user and return its plain text once. Raises AccountUnknown, AuthorizationInvalid.

    ``now``: a time that ``expires_at`` has to be after.
    """
    if expires_at is not None and now is not None and not now < expires_at <= LATEST:
        raise AuthorizationInvalid("a token ends in the future", "expires_at")
    account = await find(db, login)
    if account.kind != "User":
        raise AccountUnknown(f"{login!r} is an organization; tokens belong to users")
    try:
        granted = sorted(parse_scopes(scopes))
    except UnknownTokenScope as error:
        raise AuthorizationInvalid(str(error)) from error
    plain = new_token(TokenKind.CLASSIC)
    stored = await tokens.insert(
        db,
        account.id,
        hash_of(plain),
        last_eight=plain.last_eight,
        note=note,
        scopes=granted,
        expires_at=expires_at,
    )
    return plain, stored


async def rename(db: Database, login: str, new: str, *, kind: str, retired_above: int = RETIRED_ABOVE) -> Account:
    """Rename the account; its packages move to the new login, and its tokens stay valid.

    Raises AccountUnknown, LoginInvalid, LoginTaken, NameRetired.
    """
    checked_login(new)

    async def work(tx: Transaction) -> Account:
        account = await _locked(tx, login, kind)
        if new.lower() != account.login.lower():
            if retired := await accounts.retired_under(tx, account.id, new):
                names = ", ".join(f"{new.lower()}/{name}" for name in retired)
                raise NameRetired(f"the names {names} are retired: choose another login")
            await accounts.retire_names(tx, account.id, retired_above)
        await accounts.rename(tx, account.id, new)
        return account

    try:
        return await db.repeat(work)
    except AlreadyThere as error:
        raise LoginTaken(f"the login {new!r} is taken: choose another") from error


async def delete(db: Database, login: str, *, kind: str, actor: Actor, retired_above: int = RETIRED_ABOVE) -> None:
    """Delete the account with its packages, repositories and tokens.

    Raises AccountUnknown, OnlyOwner, LastAdministrator.
    """

    async def work(tx: Transaction) -> None:
        account = await _locked(tx, login, kind)
        if account.kind == "User":
            await _spare_last_administrator(tx, account)
            await organizations.lock_owned_by(tx, account.id)
            if orphans := await organizations.only_owner_of(tx, account.id):
                raise OnlyOwner(
                    f"{account.login} is the only owner of {', '.join(orphans)}: name another owner or delete it first"
                )
        await accounts.retire_names(tx, account.id, retired_above)
        await accounts.forget(tx, account.id, actor)

    await db.repeat(work)


async def suspend(db: Database, login: str, *, suspended: bool) -> None:
    """Suspend or reinstate a user, from the next request on. Raises AccountUnknown, LastAdministrator."""

    async def work(tx: Transaction) -> None:
        account = await _locked(tx, login, "User")
        if suspended:
            await _spare_last_administrator(tx, account)
        await accounts.suspend(tx, account.id, suspended=suspended)

    await db.repeat(work)


async def promote(db: Database, login: str, *, site_admin: bool) -> None:
    """Grant or revoke a user's administrator role. Raises AccountUnknown, LastAdministrator."""

    async def work(tx: Transaction) -> None:
        account = await _locked(tx, login, "User")
        if not site_admin:
            await _spare_last_administrator(tx, account)
        await accounts.promote(tx, account.id, site_admin=site_admin)

    await db.repeat(work)


async def _locked(tx: Transaction, login: str, kind: str) -> Account:
    return _known(await accounts.lock(tx, login) if is_login(login) else None, login, kind)


def _known(account: Account | None, login: str, kind: str | None = None) -> Account:
    if account is None or kind not in {None, account.kind}:
        raise AccountUnknown(f"nobody has the login {login[:60]!r}")
    return account


async def _spare_last_administrator(tx: Transaction, account: Account) -> None:
    if account.site_admin and await accounts.lock_administrators(tx) == [account.id]:
        raise LastAdministrator(f"{account.login} is the last administrator of this registry: make another one first")

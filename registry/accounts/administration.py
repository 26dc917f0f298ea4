"""Administration: all accounts and all tokens of people, as site administrators and operators see them."""

from dataclasses import dataclass
from typing import Final, Literal

from registry.accounts.names import find_kind, is_login
from registry.errors import NotFound
from storage.metadata import accounts, administration, organizations, tokens
from storage.metadata.accounts import Account
from storage.metadata.administration import AnyToken
from storage.metadata.organizations import Belonging
from storage.metadata.query import Executor

Which = Literal["all", "users", "organizations", "suspended", "site_admin"]


#: More organizations or owners than these are not shown of one account.
_SHOWN: Final = 100
_ID_END: Final = 2**62


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A page of accounts. ``after``: asks for the next one; None: there is none."""

    accounts: list[Account]
    after: str | None


async def list_accounts(
    db: Executor, which: Which = "users", *, query: str = "", after: str = "", limit: int = 30
) -> AccountPage:
    """List accounts by id; with a ``query`` those whose login begins so, by login, whatever ``which`` is."""
    if query:
        if not is_login(query.rstrip("-_")):
            return AccountPage([], None)
        start = after.lower() if is_login(after) else ""
        found = await administration.named(db, query.lower(), start, limit + 1)
        return AccountPage(found[:limit], found[limit - 1].login if len(found) > limit else None)
    past = int(after) if after.isascii() and after.isdigit() and len(after) <= 18 else 0  # noqa: PLR2004 - digits
    match which:
        case "users":
            found = await administration.people(db, past, limit + 1)
        case "suspended":
            found = await administration.suspended(db, past, limit + 1)
        case "site_admin":
            found = await administration.administrators(db, past, limit + 1)
        case _:
            found = await accounts.listed(db, past, limit + 1, organizations_only=which == "organizations")
    return AccountPage(found[:limit], str(found[limit - 1].id) if len(found) > limit else None)


@dataclass(frozen=True, slots=True)
class ShownUser:
    """An account of a person, with its organizations and the number of its tokens."""

    account: Account
    organizations: list[Belonging]
    tokens: int


async def show_user(db: Executor, login: str) -> ShownUser:
    """Return all that is shown of a person's account. Raises AccountUnknown."""
    account = await find_kind(db, login, "User")
    seats, _ = await organizations.of_user(db, account.id, account.id, limit=_SHOWN, offset=0)
    return ShownUser(account, seats, await tokens.count(db, account.id))


@dataclass(frozen=True, slots=True)
class ShownOrganization:
    """An organization, with the logins of its owners and the number of its members, owners included."""

    account: Account
    owners: list[str]
    members: int


async def show_organization(db: Executor, login: str) -> ShownOrganization:
    """Return all that is shown of an organization. Raises AccountUnknown."""
    account = await find_kind(db, login, "Organization")
    owners, _ = await organizations.members(db, account.id, "admin", limit=_SHOWN, offset=0)
    _, members = await organizations.members(db, account.id, None, limit=0, offset=0)
    return ShownOrganization(account, [owner.login for owner in owners], members)


@dataclass(frozen=True, slots=True)
class TokenPage:
    """A page of tokens. ``before``: asks for the next one; None: there is none."""

    tokens: list[AnyToken]
    before: int | None


async def list_tokens(
    db: Executor, *, account: Account | None = None, before: int | None = None, limit: int = 30
) -> TokenPage:
    """List the tokens of people that are not revoked, newest first; of one account, if given."""
    found = await administration.tokens(db, before or _ID_END, limit + 1, None if account is None else account.id)
    return TokenPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


async def find_token(db: Executor, token_id: int) -> AnyToken:
    """Return a token of whomever that is not revoked. Raises NotFound."""
    found = await administration.tokens(db, token_id + 1, 1, None) if 0 < token_id < _ID_END else []
    if not found or found[0].id != token_id:
        raise NotFound
    return found[0]


async def revoke_token(db: Executor, token_id: int) -> None:
    """Revoke a token of whomever, from the next request on. Raises NotFound."""
    if not 0 < token_id < _ID_END or not await administration.revoke(db, token_id):
        raise NotFound

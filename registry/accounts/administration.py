"""The lists of site administrators: all accounts, and all tokens of people."""

from dataclasses import dataclass
from typing import Literal

from registry.accounts.names import is_login
from registry.errors import NotFound
from storage.metadata import accounts, administration
from storage.metadata.accounts import Account
from storage.metadata.administration import AnyToken
from storage.metadata.query import Executor

Which = Literal["all", "users", "organizations", "suspended", "site_admin"]


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
class TokenPage:
    """A page of tokens. ``before``: asks for the next one; None: there is none."""

    tokens: list[AnyToken]
    before: int | None


async def list_tokens(
    db: Executor, *, account: Account | None = None, before: int | None = None, limit: int = 30
) -> TokenPage:
    """List the tokens of people that are not revoked, newest first; of one account, if given."""
    found = await administration.tokens(db, before or 2**62, limit + 1, None if account is None else account.id)
    return TokenPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


async def find_token(db: Executor, token_id: int) -> AnyToken:
    """Return a token of whomever that is not revoked. Raises NotFound."""
    found = await administration.tokens(db, token_id + 1, 1, None)
    if not found or found[0].id != token_id:
        raise NotFound
    return found[0]


async def revoke_token(db: Executor, token_id: int) -> None:
    """Revoke a token of whomever, from the next request on. Raises NotFound."""
    if not await administration.revoke(db, token_id):
        raise NotFound

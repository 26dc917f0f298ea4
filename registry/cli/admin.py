"""The commands of `moorage admin`, for the operator. Imports stand in the commands: `--help` needs none."""
# ruff: noqa: PLC0415

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from registry.cli.output import Json, print_fields, print_json, print_rows

if TYPE_CHECKING:
    from registry.accounts.administration import Which
    from storage.metadata.accounts import Account
    from storage.metadata.administration import AnyToken
    from storage.metadata.database import Database

_PAGE: Final = 1000
_SPANS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

T = TypeVar("T")
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

app = typer.Typer(no_args_is_help=True, help="What only the operator does, straight on the database.")
users = typer.Typer(no_args_is_help=True, help="Accounts of people.")
orgs = typer.Typer(no_args_is_help=True, help="Organizations.")
tokens = typer.Typer(no_args_is_help=True, help="Personal access tokens.")
app.add_typer(users, name="user")
app.add_typer(orgs, name="org")
app.add_typer(tokens, name="token")


# People


@users.command("list")
def list_users(
    *,
    suspended: Annotated[bool, typer.Option("--suspended", help="Those alone.")] = False,
    administrators: Annotated[bool, typer.Option("--admins", help="Those alone.")] = False,
    json: Json = False,
) -> None:
    """List the accounts of people: login, id, and whether suspended or administrator."""
    _list_accounts("suspended" if suspended else "site_admin" if administrators else "users", json=json)


@users.command("show")
def show_user(login: str, *, json: Json = False) -> None:
    """Show an account: what is known of it, its organizations, and how many tokens it has."""
    from registry.accounts import administration

    found = with_database(lambda db: administration.show_user(db, login))
    if json:
        print_json(found)
        return
    seats = [f"{seat.login} ({'owner' if seat.role == 'admin' else seat.role})" for seat in found.organizations]
    print_fields({**_fields(found.account), "organizations": seats, "tokens": found.tokens})


@users.command("create")
def create_user(
    login: str,
    *,
    site_admin: Annotated[bool, typer.Option("--admin", help="A site administrator.")] = False,
    json: Json = False,
) -> None:
    """Make an account."""
    from registry.accounts import accounts

    account = with_database(lambda db: accounts.create_user(db, login, site_admin=site_admin))
    _created(account, json=json)


@users.command("rename")
def rename_user(login: str, new_login: str) -> None:
    """Give an account another login; its packages go with it."""
    _rename(login, new_login, "User")


@users.command("promote")
def promote_user(login: str) -> None:
    """Make an account a site administrator."""
    _promote(login, site_admin=True)
    typer.echo(f"{login} is a site administrator")


@users.command("demote")
def demote_user(login: str) -> None:
    """Make a site administrator an ordinary account."""
    _promote(login, site_admin=False)
    typer.echo(f"{login} is an ordinary user")


@users.command("suspend")
def suspend_user(login: str) -> None:
    """Refuse all tokens of an account from now on."""
    _suspend(login, suspended=True)
    typer.echo(f"{login} is suspended")


@users.command("unsuspend")
def unsuspend_user(login: str) -> None:
    """Let a suspended account work again, with its tokens."""
    _suspend(login, suspended=False)
    typer.echo(f"{login} is active")


@users.command("sign-in-link")
def sign_in_link(login: str) -> None:
    """Print what signs a user in to the pages once, within half an hour; there the user sets a password."""
    from registry.accounts import sign_in
    from registry.config import public_url_from_env

    url = public_url_from_env()
    code = with_database(lambda db: sign_in.issue_code(db, login))
    typer.echo(f"{url or ''}/login/code#{code.reveal()}")


@users.command("delete")
def delete_user(login: str, *, yes: Yes = False) -> None:
    """Delete an account, its packages and its tokens."""
    _delete(login, "User", yes=yes)


# Organizations


@orgs.command("list")
def list_organizations(*, json: Json = False) -> None:
    """List the organizations: login and id."""
    _list_accounts("organizations", json=json)


@orgs.command("show")
def show_organization(login: str, *, json: Json = False) -> None:
    """Show an organization: what is known of it, its owners, and how many members it has."""
    from registry.accounts import administration

    found = with_database(lambda db: administration.show_organization(db, login))
    if json:
        print_json(found)
        return
    print_fields({**_fields(found.account), "owners": found.owners, "members": found.members})


@orgs.command("create")
def create_organization(
    login: str, owner: Annotated[str, typer.Option(help="The login of its first owner.")], *, json: Json = False
) -> None:
    """Make an organization."""
    from registry.accounts import organizations

    _created(with_database(lambda db: organizations.create(db, login, owner)), json=json)


@orgs.command("rename")
def rename_organization(login: str, new_login: str) -> None:
    """Give an organization another login; its packages go with it."""
    _rename(login, new_login, "Organization")


@orgs.command("delete")
def delete_organization(login: str, *, yes: Yes = False) -> None:
    """Delete an organization and its packages."""
    _delete(login, "Organization", yes=yes)


# Tokens


@tokens.command("list")
def list_tokens(
    user: Annotated[str | None, typer.Option(help="The login of their owner.")] = None, *, json: Json = False
) -> None:
    """List the access tokens of people that are not revoked: id, owner, its last eight characters, scopes, note."""

    async def listed(db: "Database") -> None:
        found = _tokens(db, user)
        if json:
            print_json([one async for one in found])
            return
        async for one in found:
            print_rows([(one.id, one.login, f"…{one.last_eight}", one.scopes, one.note)])

    with_database(listed)


@tokens.command("show")
def show_token(token_id: int, *, json: Json = False) -> None:
    """Show an access token, but for its text, which nobody can."""
    from registry.accounts import administration

    one = _of_token(token_id, lambda db: administration.find_token(db, token_id))
    if json:
        print_json(one)
        return
    fields = ("id", "login", "kind", "note", "scopes", "created_at", "expires_at", "last_used_at")
    print_fields({name: getattr(one, name) for name in fields} | {"ends in": f"…{one.last_eight}"})


@tokens.command("create")
def create_token(
    user: Annotated[str, typer.Option(help="The login of its owner.")],
    scope: Annotated[list[str], typer.Option(help="May be given more than once.")],
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 30d, 12h, 90m, or 2030-01-01 (UTC); never, if not given.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Make a token and print it; it is never shown again."""
    from registry.accounts import accounts

    now = datetime.now(UTC)
    end = None if expires is None else _end(expires, now)
    token, stored = with_database(lambda db: accounts.create_token(db, user, scope, note=note, expires_at=end, now=now))
    if json:
        print_json({"id": stored.id, "token": token.reveal(), "expires_at": stored.expires_at})
        return
    typer.echo(token.reveal())


@tokens.command("revoke")
def revoke_token(token_id: int) -> None:
    """Revoke an access token, from now on and for ever."""
    from registry.accounts import administration

    _of_token(token_id, lambda db: administration.revoke_token(db, token_id))
    typer.echo(f"revoked {token_id}")


# How it is done


def _end(text: str, now: datetime) -> datetime:
    if (span := re.fullmatch(r"([0-9]{1,5})([mhd])", text)) is not None:
        return now + int(span[1]) * _SPANS[span[2]]
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"expected 30d, 12h, 90m, or a date as 2030-01-01, got {text!r}") from None
    return end if end.tzinfo is not None else end.replace(tzinfo=UTC)


def _fields(account: "Account") -> dict[str, object]:
    names = ("id", "login", "kind", "name", "email", "description", "site_admin", "created_at", "suspended_at")
    shown = {name: getattr(account, name) for name in names}
    return {name: value for name, value in shown.items() if value is not False}


def _created(account: "Account", *, json: bool) -> None:
    if json:
        print_json(account)
    else:
        typer.echo(f"created {account.login}")


def _rename(login: str, new_login: str, kind: str) -> None:
    from registry.accounts import accounts

    account = with_database(lambda db: accounts.rename(db, login, new_login, kind=kind))
    typer.echo(f"renamed {account.login} to {new_login}")


def _promote(login: str, *, site_admin: bool) -> None:
    from registry.accounts import accounts

    with_database(lambda db: accounts.promote(db, login, site_admin=site_admin))


def _suspend(login: str, *, suspended: bool) -> None:
    from registry.accounts import accounts

    with_database(lambda db: accounts.suspend(db, login, suspended=suspended))


def _delete(login: str, kind: str, *, yes: bool) -> None:
    from registry.accounts import accounts
    from storage.metadata.events import Actor

    if not yes:
        typer.confirm(f"Delete {login} and all packages there?", abort=True)
    with_database(lambda db: accounts.delete(db, login, kind=kind, actor=Actor(None, None)))
    typer.echo(f"deleted {login}")


def _list_accounts(which: "Which", *, json: bool) -> None:
    async def listed(db: "Database") -> None:
        found = _accounts(db, which)
        if json:
            print_json([one async for one in found])
            return
        async for one in found:
            told = ["suspended"] if one.suspended_at else []
            told += ["site_admin"] if one.site_admin else []
            print_rows([(one.login, one.id, *told)])

    with_database(listed)


async def _accounts(db: "Database", which: "Which") -> "AsyncIterator[Account]":
    from registry.accounts import administration

    after: str | None = ""
    while after is not None:
        page = await administration.list_accounts(db, which, after=after, limit=_PAGE)
        for one in page.accounts:
            yield one
        after = page.after


async def _tokens(db: "Database", user: str | None) -> "AsyncIterator[AnyToken]":
    from registry.accounts import accounts, administration

    account, before = None if user is None else await accounts.find(db, user), None
    while True:
        page = await administration.list_tokens(db, account=account, before=before, limit=_PAGE)
        for one in page.tokens:
            yield one
        if page.before is None:
            return
        before = page.before


def _of_token(token_id: int, work: "Callable[[Database], Awaitable[T]]") -> T:
    from registry.errors import NotFound

    try:
        return with_database(work)
    except NotFound:
        typer.echo(f"moorage: there is no token {token_id}", err=True)
        raise typer.Exit(1) from None


def with_database(work: "Callable[[Database], Awaitable[T]]") -> T:
    """Run ``work`` on the database of the environment's settings."""
    from registry.config import database_from_env
    from storage.metadata.database import open_database

    settings = database_from_env()

    async def run_it() -> T:
        async with open_database(settings) as db:
            return await work(db)

    return asyncio.run(run_it())

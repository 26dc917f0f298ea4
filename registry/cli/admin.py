"""The commands of `moorage admin`, for the operator. Imports stand in the commands: `--help` needs none."""
# ruff: noqa: PLC0415

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from registry.accounts.administration import Which
    from storage.metadata.database import Database

_PAGE = 1000

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="What only the operator does, straight on the database.")
users = typer.Typer(no_args_is_help=True, help="Accounts of people.")
orgs = typer.Typer(no_args_is_help=True, help="Organizations.")
tokens = typer.Typer(no_args_is_help=True, help="Personal access tokens.")
app.add_typer(users, name="user")
app.add_typer(orgs, name="org")
app.add_typer(tokens, name="token")


@users.command("create")
def create_user(login: str, *, site_admin: Annotated[bool, typer.Option("--admin")] = False) -> None:
    """Make an account."""
    from registry.accounts import accounts

    account = _with_database(lambda db: accounts.create_user(db, login, site_admin=site_admin))
    typer.echo(f"created {account.login}")


@users.command("list")
def list_users(
    *,
    suspended: Annotated[bool, typer.Option("--suspended", help="Those alone.")] = False,
    administrators: Annotated[bool, typer.Option("--admins", help="Those alone.")] = False,
) -> None:
    """List the accounts of people: login, id, and whether suspended or administrator."""
    _list_accounts("suspended" if suspended else "site_admin" if administrators else "users")


@users.command("promote")
def promote_user(
    login: str, *, end: Annotated[bool, typer.Option("--end", help="Make it an ordinary account again.")] = False
) -> None:
    """Make an account a site administrator."""
    from registry.accounts import accounts

    _with_database(lambda db: accounts.promote(db, login, site_admin=not end))
    typer.echo(f"{login} is {'an ordinary user' if end else 'a site administrator'}")


@users.command("rename")
def rename_user(login: str, new_login: str) -> None:
    """Give an account another login; its packages go with it."""
    from registry.accounts import accounts

    account = _with_database(lambda db: accounts.rename(db, login, new_login, kind="User"))
    typer.echo(f"renamed {account.login} to {new_login}")


@users.command("suspend")
def suspend_user(login: str, *, end: Annotated[bool, typer.Option("--end", help="Let it work again.")] = False) -> None:
    """Refuse all tokens of an account from now on."""
    from registry.accounts import accounts

    _with_database(lambda db: accounts.suspend(db, login, suspended=not end))
    typer.echo(f"{login} is {'active' if end else 'suspended'}")


@users.command("sign-in-link")
def sign_in_link(login: str) -> None:
    """Print what signs a user in to the pages once, within half an hour; there the user sets a password."""
    from registry.accounts import sign_in
    from registry.config import public_url_from_env

    url = public_url_from_env()
    code = _with_database(lambda db: sign_in.issue_code(db, login))
    typer.echo(f"{url or ''}/login/code#{code.reveal()}")


@users.command("delete")
def delete_user(
    login: str, *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask; its packages go with it.")] = False
) -> None:
    """Delete an account, its packages and its tokens."""
    from registry.accounts import accounts
    from storage.metadata.events import Actor

    if not yes:
        typer.confirm(f"Delete {login} and all packages there?", abort=True)
    _with_database(lambda db: accounts.delete(db, login, kind="User", actor=Actor(None, None)))
    typer.echo(f"deleted {login}")


@orgs.command("create")
def create_organization(login: str, owner: Annotated[str, typer.Option(help="The login of its first owner.")]) -> None:
    """Make an organization."""
    from registry.accounts import organizations

    made = _with_database(lambda db: organizations.create(db, login, owner))
    typer.echo(f"created {made.login}")


@orgs.command("list")
def list_organizations() -> None:
    """List the organizations: login and id."""
    _list_accounts("organizations")


@tokens.command("list")
def list_tokens(user: Annotated[str | None, typer.Option(help="The login of their owner.")] = None) -> None:
    """List the access tokens of people that are not revoked: id, owner, its last eight characters, scopes, note."""
    from registry.accounts import accounts, administration

    async def pages(db: "Database") -> None:
        account, before = None if user is None else await accounts.find(db, user), None
        while True:
            page = await administration.list_tokens(db, account=account, before=before, limit=_PAGE)
            for one in page.tokens:
                typer.echo(f"{one.id}\t{one.login}\t…{one.last_eight}\t{','.join(one.scopes)}\t{one.note}")
            before = page.before
            if before is None:
                return

    _with_database(pages)


@tokens.command("revoke")
def revoke_token(token_id: int) -> None:
    """Revoke an access token, from now on and for ever."""
    from registry.accounts import administration

    _with_database(lambda db: administration.revoke_token(db, token_id))
    typer.echo(f"revoked {token_id}")


@tokens.command("create")
def create_token(
    user: Annotated[str, typer.Option(help="The login of its owner.")],
    scope: Annotated[list[str], typer.Option(help="May be given more than once.")],
    note: str = "",
    days: Annotated[int | None, typer.Option(min=1, help="When it ends; never, if not given.")] = None,
) -> None:
    """Make a token and print it; it is never shown again."""
    from datetime import UTC, datetime, timedelta

    from registry.accounts import accounts

    end = None if days is None else datetime.now(UTC) + timedelta(days=days)
    token, _ = _with_database(lambda db: accounts.create_token(db, user, scope, note=note, expires_at=end))
    typer.echo(token.reveal())


def _list_accounts(which: "Which") -> None:
    from registry.accounts import administration

    async def pages(db: "Database") -> None:
        after: str | None = ""
        while after is not None:
            page = await administration.list_accounts(db, which, after=after, limit=_PAGE)
            for one in page.accounts:
                told = ["suspended"] if one.suspended_at else []
                told += ["site_admin"] if one.site_admin else []
                typer.echo("\t".join([one.login, str(one.id), *told]))
            after = page.after

    _with_database(pages)


def _with_database(work: "Callable[[Database], Awaitable[T]]") -> T:
    from registry.config import database_from_env
    from storage.metadata.database import open_database

    settings = database_from_env()

    async def run_it() -> T:
        async with open_database(settings) as db:
            return await work(db)

    return asyncio.run(run_it())

"""The command `moorage`, also `python -m registry`. Imports stand in the commands: `--help` needs none of them."""
# ruff: noqa: PLC0415

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import typer

if TYPE_CHECKING:
    from registry.config import Settings
    from storage.metadata.database import Database

T = TypeVar("T")

_EXIT_SETTINGS: Final = 2
#: How long requests may take to end after SIGTERM, beyond the drain that the settings ask for.
_GRACE_SECONDS: Final = 25.0

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="A container registry of your own."
)
admin = typer.Typer(no_args_is_help=True, help="What only the operator does, straight on the database.")
users = typer.Typer(no_args_is_help=True, help="Accounts of people.")
orgs = typer.Typer(no_args_is_help=True, help="Organizations.")
tokens = typer.Typer(no_args_is_help=True, help="Personal access tokens.")
app.add_typer(admin, name="admin")
admin.add_typer(users, name="user")
admin.add_typer(orgs, name="org")
admin.add_typer(tokens, name="token")


@app.command()
def serve() -> None:
    """Answer clients, with MOORAGE_WORKERS processes on MOORAGE_LISTEN."""
    from functools import partial

    from registry.app import preload, serve_worker
    from registry.process import logs
    from registry.process.supervisor import Signals, Supervisor, Task, listen

    logs.configure()
    settings = _settings()
    preload(settings)
    listeners = listen(settings.host, settings.port, settings.processes)
    tasks = [Task(f"server-{i}", partial(serve_worker, settings, i, s), s) for i, s in enumerate(listeners)]
    with Signals() as signals:
        status = Supervisor(tasks, signals).run(settings.drain_seconds + _GRACE_SECONDS)
    raise typer.Exit(status)


@app.command()
def worker() -> None:
    """Do the work that no client waits for: webhooks, clean-up."""
    from registry.app import run_worker

    run_worker(_settings())


@app.command()
def migrate() -> None:
    """Bring the schema of the database up to date. Safe to run at any time, by any number at once."""
    from storage.metadata.migrate import migrate as apply

    names = asyncio.run(apply(_settings().database.url))
    typer.echo("\n".join(f"applied {name}" for name in names) or "nothing to do")


@app.command()
def run(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    data: Annotated[Path, typer.Option(help="The directory of everything that is kept.")] = Path(".moorage"),
    workers: Annotated[int | None, typer.Option(min=1, help="Serving processes; one a core.")] = None,
    *,
    store: Annotated[Literal["s3", "local"], typer.Option(help="local: a directory instead of the S3 server.")] = "s3",
    follow_parent: Annotated[bool, typer.Option("--follow-parent", hidden=True)] = False,
) -> None:
    """Run everything here: the registry, and a PostgreSQL and an S3 server of its own."""
    started = time.monotonic()  # the imports are part of the wait
    from registry.cli import run
    from registry.process import logs
    from registry.process.supervisor import Signals

    logs.configure()
    if follow_parent:
        run.follow_parent()
    with Signals() as signals:
        one = run.Standalone(host, port, data.absolute(), workers or _cores(), store == "local", signals)
        status = one.run(started)
    raise typer.Exit(status)


@users.command("create")
def create_user(login: str, *, site_admin: Annotated[bool, typer.Option("--admin")] = False) -> None:
    """Make an account."""
    from registry.accounts import accounts

    account = _with_database(lambda db: accounts.create_user(db, login, site_admin=site_admin))
    typer.echo(f"created {account.login}")


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


@users.command("delete")
def delete_user(
    login: str, *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask; its packages go with it.")] = False
) -> None:
    """Delete an account, its packages and its tokens."""
    from registry.accounts import accounts

    if not yes:
        typer.confirm(f"Delete {login} and all packages there?", abort=True)
    _with_database(lambda db: accounts.delete(db, login, kind="User", deleted_by=None))
    typer.echo(f"deleted {login}")


@orgs.command("create")
def create_organization(login: str, owner: Annotated[str, typer.Option(help="The login of its first owner.")]) -> None:
    """Make an organization."""
    from registry.accounts import organizations

    made = _with_database(lambda db: organizations.create(db, login, owner))
    typer.echo(f"created {made.login}")


@tokens.command("create")
def create_token(
    user: Annotated[str, typer.Option(help="The login of its owner.")],
    scope: Annotated[list[str], typer.Option(help="May be given more than once.")],
    note: str = "",
) -> None:
    """Make a token and print it; it is never shown again."""
    from registry.accounts import accounts

    token, _ = _with_database(lambda db: accounts.create_token(db, user, scope, note=note))
    typer.echo(token.reveal())


def main() -> None:
    """Run the command line. What the operator can mend is told in a line each, without a traceback."""
    try:
        app()
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        status, lines = told
        typer.echo(lines, err=True)
        sys.exit(status)


def _told(error: Exception) -> tuple[int, str] | None:
    """Exit status and text for what the operator can mend; None for what only we can."""
    from auth.errors import AuthError
    from registry.accounts.names import AccountError
    from registry.config import SettingsInvalid
    from registry.process.supervisor import AddressInUse
    from storage.errors import StorageError

    match error:
        case SettingsInvalid():
            return _EXIT_SETTINGS, "\n".join(error.errors)
        case AccountError() | AddressInUse() | AuthError() | StorageError():
            return 1, f"moorage: {error}"
        case _:
            return None


def _settings() -> "Settings":
    from registry.config import Settings

    return Settings.from_env()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _with_database(work: "Callable[[Database], Awaitable[T]]") -> T:
    from storage.metadata.database import open_database

    settings = _settings()

    async def run_it() -> T:
        async with open_database(settings.database) as db:
            return await work(db)

    return asyncio.run(run_it())


if __name__ == "__main__":
    main()

"""The commands that keep a registry's data in order. Imports stand in the commands: `--help` needs none of them."""
# ruff: noqa: PLC0415

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from registry.cli.output import Json, print_json, print_rows

if TYPE_CHECKING:
    from registry.services import Services

T = TypeVar("T")

gc = typer.Typer(no_args_is_help=True, help="What a worker collects: look at it, or do it now.")


def migrate() -> None:
    """Bring the schema of the database up to date. Safe to run at any time, by any number at once."""
    from registry.config import database_from_env
    from storage.metadata.migrate import migrate as apply

    names = asyncio.run(apply(database_from_env().url, tell=partial(typer.echo, err=True)))
    typer.echo("\n".join(f"applied {name}" for name in names) or "nothing to do")


@gc.command("status")
def gc_status(*, json: Json = False) -> None:
    """Tell how much waits for the worker, how much of that is due, since when, and when each job last ran."""
    from registry.config import Settings
    from storage.metadata import job_runs
    from storage.metadata.database import open_database
    from storage.metadata.job_runs import JobRun
    from storage.metadata.queues import Queue, overdue_since, queues

    settings = Settings.from_env()

    async def look() -> tuple[list[Queue], list[JobRun]]:
        async with open_database(settings.database) as db:
            return await queues(db, settings.lifetimes.restore_seconds), await job_runs.listed(db)

    found, runs = asyncio.run(look())
    if json:
        print_json({"queues": found, "runs": runs})
        return
    ran = {run.job: run.ran_at for run in runs}
    print_rows(
        (one.what, one.items, f"{one.due} due", _at("the first at", one.first_due), one.job, _ran(ran.get(one.job)))
        for one in found
    )
    if overdue_since(found, datetime.now(UTC)) is not None:
        typer.echo("due for more than ten minutes: does a moorage worker run? moorage gc now does it once", err=True)


@gc.command("now")
def gc_now(*, json: Json = False) -> None:
    """Do what is due, once, also beside workers; print what each job has done."""
    from registry.jobs.runner import run_once
    from registry.jobs.schedule import COLLECTOR

    done = with_services(lambda services: run_once(services, COLLECTOR))
    if json:
        print_json(done)
    else:
        print_rows(done.items())


def purge(
    package: Annotated[str, typer.Argument(help="OWNER/IMAGE, which was deleted.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Purge a deleted package now, before its restore window is over. It cannot be restored then."""
    from registry.jobs.runner import run_once
    from registry.jobs.schedule import COLLECTOR
    from storage.names import InvalidName, PackageName

    try:
        name = PackageName.parse(package)
    except InvalidName as error:
        raise typer.BadParameter(str(error)) from None
    found = with_services(lambda services: services.packages.deleted(name))
    versions = sum(one.versions for one in found)
    if not yes:
        typer.confirm(f"Purge {name} with {versions} versions, for ever?", abort=True)

    async def work(services: "Services") -> None:
        for one in found:
            await services.packages.purge(one.id)
        await run_once(services, COLLECTOR)

    with_services(work)
    typer.echo(f"purged {name} with {versions} versions; bytes that nothing else needs leave the store in an hour")


def _at(what: str, moment: datetime | None) -> str:
    return "" if moment is None else f"{what} {moment:%Y-%m-%d %H:%M:%SZ}"


def _ran(moment: datetime | None) -> str:
    return _at("ran at", moment) or "never ran"


def with_services(work: "Callable[[Services], Awaitable[T]]") -> T:
    """Run ``work`` on the services of the environment's settings."""
    from registry.app import open_services
    from registry.config import Settings
    from registry.errors import RegistryError
    from storage.errors import StorageError

    settings = Settings.from_env()
    # Without a handler, Python prints its warnings: pages of a connection that is lost, which the error below tells.
    logging.getLogger("asyncpg").addHandler(logging.NullHandler())  # noqa: TID251 - asyncpg's own

    async def run_it() -> T:
        done: T
        failed: RegistryError | StorageError | None = None
        async with open_services(settings) as services:
            try:
                done = await work(services)
            except (RegistryError, StorageError) as error:
                failed = error  # raised in the block, it would come out in a group
        if failed is not None:
            raise failed
        return done

    return asyncio.run(run_it())

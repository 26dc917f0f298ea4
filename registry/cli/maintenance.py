"""The commands that keep a registry's data in order. Imports stand in the commands: `--help` needs none of them."""
# ruff: noqa: PLC0415

import asyncio
from functools import partial

import typer


def migrate() -> None:
    """Bring the schema of the database up to date. Safe to run at any time, by any number at once."""
    from registry.config import database_from_env
    from storage.metadata.migrate import migrate as apply

    names = asyncio.run(apply(database_from_env().url, tell=partial(typer.echo, err=True)))
    typer.echo("\n".join(f"applied {name}" for name in names) or "nothing to do")

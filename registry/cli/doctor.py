"""The command `moorage doctor`. Imports stand in the command: `--help` needs none of them."""
# ruff: noqa: PLC0415

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from registry.config import Settings
    from registry.doctor.report import Check


def doctor(
    url: Annotated[
        str | None, typer.Argument(help="Where clients reach the registry, if not at MOORAGE_PUBLIC_URL.")
    ] = None,
    *,
    token_file: Annotated[
        typer.FileText | None,
        typer.Option(help="A file with an access token (- is stdin): try a push, too."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report for programs.")] = False,
) -> None:
    """Check a deployment by its settings: what is right (✓), wrong (✗) or worth a look (!), and what mends it.

    Nothing is changed, but for objects and an upload of its own, which it removes. It exits with 1 where something is
    wrong.
    """
    import asyncio

    from registry.config import Settings, SettingsInvalid
    from registry.doctor.report import as_json, is_sound

    token = None if token_file is None else token_file.read().strip()
    try:
        settings: Settings | SettingsInvalid = Settings.from_env()
    except SettingsInvalid as error:
        settings = error
    checks = asyncio.run(_checks(settings, url, token))
    typer.echo(as_json(checks) if json else "\n".join(check.line() for check in checks))
    if not is_sound(checks):
        raise typer.Exit(1)


async def _checks(settings: "Settings | Exception", url: str | None, token: str | None) -> "list[Check]":
    import time
    import uuid

    from registry.app import open_stores
    from registry.config import Settings, SettingsInvalid, database_from_env
    from registry.doctor.deployment import examine
    from registry.doctor.postgres import check_postgres
    from registry.doctor.report import wrong

    if isinstance(settings, Settings):
        return await examine(settings, open_stores, uuid.uuid4().hex, url=url, token=token)
    errors = settings.errors if isinstance(settings, SettingsInvalid) else []
    checks = [
        wrong("settings", line, "set it as docs/reference/settings.md says, in the environment of moorage")
        for line in errors
    ]
    try:
        return [*checks, *await check_postgres(database_from_env(), None, time.time)]
    except SettingsInvalid:
        return checks

"""The commands of `moorage readonly`: a switch over all replicas, straight in the database."""
# ruff: noqa: PLC0415 - `--help` needs none of them

from typing import Annotated, Final

import typer

from registry.cli.admin import with_database
from registry.cli.output import Json, print_json

_REASON_MAX: Final = 200

app = typer.Typer(no_args_is_help=True, help="Refuse what would change anything, for a while; pulls go on.")


@app.command("on")
def switch_on(
    reason: Annotated[str, typer.Option(help="What clients and people are told, in one line.")],
) -> None:
    """Make the registry read-only, on every replica and from the next statement on. An upload under way may finish."""
    from storage.metadata import read_only

    if not 0 < len(reason.strip()) <= _REASON_MAX or not reason.isprintable():
        raise typer.BadParameter(f"expected one line of 1 to {_REASON_MAX} characters", param_hint="--reason")
    with_database(lambda db: read_only.switch_on(db, reason.strip()))
    typer.echo("read-only; moorage readonly off ends it", err=True)


@app.command("off")
def switch_off() -> None:
    """Let the registry be written to again."""
    from storage.metadata import read_only

    typer.echo("writable" if with_database(read_only.switch_off) else "writable, as it was", err=True)


@app.command("status")
def status(*, json: Json = False) -> None:
    """Tell whether the registry is read-only, since when, and why."""
    from storage.metadata import read_only

    found = with_database(read_only.state)
    if json:
        print_json(found)
    else:
        typer.echo("writable" if found is None else f"read-only since {found.since:%Y-%m-%d %H:%M} UTC: {found.reason}")

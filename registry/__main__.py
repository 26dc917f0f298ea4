"""The command `moorage`, also `python -m registry`: its commands are in registry.cli."""
# ruff: noqa: PLC0415 - what tells an error is imported when there is one: `--help` needs none of it

import sys
from typing import Annotated, Final

import typer

from registry.cli import admin, doctor, maintenance, serve

_EXIT_SETTINGS: Final = 2


def _print_version(asked: bool) -> None:
    if asked:
        from registry.version import VERSION

        typer.echo(f"moorage {VERSION}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="A container registry of your own."
)


@app.callback()
def options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


app.command()(serve.serve)
app.command()(serve.worker)
app.command()(maintenance.migrate)
app.command()(serve.run)
app.command()(doctor.doctor)
app.command()(maintenance.purge)
app.add_typer(maintenance.gc, name="gc")
app.add_typer(admin.app, name="admin")


def main() -> None:
    """Run the command line. An error the operator can fix is printed as one line, without a traceback."""
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
    """Return the exit status and message of an error that the operator can fix; None for a bug."""
    from auth.errors import AuthError
    from registry.config import SettingsInvalid
    from registry.errors import Refusal, RegistryError
    from registry.process.supervisor import AddressInUse
    from storage.errors import StorageError

    match error:
        case SettingsInvalid():
            return _EXIT_SETTINGS, "\n".join(error.errors)
        case Refusal():
            return 1, f"moorage: {error} {error.fix or ''}".rstrip()
        case RegistryError() | AddressInUse() | AuthError() | StorageError():
            return 1, f"moorage: {error}"
        case _:
            return None


if __name__ == "__main__":
    main()

"""The operator's commands as one Typer application: serve, worker, migrate, admin, gc, adopt and others"""
# ruff: noqa: PLC0415 - what tells an error is imported when there is one: `--help` needs none of it

import sys
from typing import Final

# structlog draws tracebacks with rich where that is installed, as it is with typer: 5 MiB that nobody looks at here.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]

import typer

from registry.cli import admin, adopt, audit, doctor, maintenance, readonly, serve

_EXIT_SETTINGS: Final = 2

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="A container registry of your own."
)
app.command()(serve.serve)
app.command()(serve.worker)
app.command()(maintenance.migrate)
app.command()(serve.run)
app.command()(doctor.doctor)
app.command()(maintenance.purge)
app.command()(adopt.adopt)
app.add_typer(maintenance.gc, name="gc")
app.add_typer(readonly.app, name="readonly")
admin.app.command()(audit.audit)
admin.app.command()(audit.verify_audit)
app.add_typer(admin.app, name="admin")


def main() -> None:
    """Run the command line. An error the operator can fix is printed as one line, without a traceback."""
    try:
        app(prog_name="moorage")
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

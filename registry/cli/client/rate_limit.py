"""Rate limits: the command ``rate-limit``."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any, Final

from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.output import Column

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def _window(one: dict[str, Any]) -> str:
    seconds = one["window_seconds"]
    length, unit = next((length, unit) for length, unit in _UNITS if seconds % length == 0)
    return f"{seconds // length}{unit}"


_COLUMNS: Final = (
    Column("NAME", lambda one: one["name"]),
    Column("LIMIT", lambda one: one["limit"], "number"),
    Column("IN", _window),
    Column("USED", lambda one: one["used"], "number"),
    Column("LEFT", lambda one: one["remaining"], "number"),
    Column("RESET", lambda one: datetime.fromtimestamp(one["reset"], UTC).isoformat(), "time"),
)


def _add(_parser: ArgumentParser) -> None:
    pass


def _run(context: Context) -> None:
    target = context.target()
    found = context.api_of(target).reply("GET", "/rate_limit").json()["policies"]
    if not found:
        context.note(f"{target.host} limits neither your pulls nor your requests of the API.")
    context.output.table(_COLUMNS, found, lambda one: str(one["name"]))


COMMANDS: Final = {"rate-limit": Command(_add, _run)}

"""The command ``config``: preferences, and which of their places won."""

import json
import os
import re
from argparse import ArgumentParser
from typing import Any, Final

from registry.cli.client import preferences, store
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, USAGE, CommandError
from registry.cli.client.output import Column

_COLUMNS: Final = (
    Column("KEY", lambda one: one["key"]),
    Column("VALUE", lambda one: one["value"]),
    Column("FROM", lambda one: one["origin"]),
)


def _add_list(parser: ArgumentParser) -> None:
    parser.add_argument("--origin", action="store_true", help="tell where each comes from")


def _list(context: Context) -> None:
    found = [_found(context, key) for key in preferences.KEYS]
    columns = _COLUMNS if context.options.origin else _COLUMNS[:2]
    context.output.table(columns, found, lambda one: str(one["key"]))


def _found(context: Context, key: str) -> dict[str, Any]:
    value, origin = context.preference(key)
    if not origin:
        hosts = list(store.read(context.env)) if key == "host" else []
        value, origin = (hosts[0], "the only sign-in") if len(hosts) == 1 else ("", "default")
    return {"key": key, "value": value, "origin": origin}


def _add_key(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", choices=preferences.KEYS, help=" or ".join(preferences.KEYS))


def _get(context: Context) -> None:
    found = _found(context, context.options.key)
    if not found["value"]:
        raise CommandError(f"no {found['key']} is set", status=NOT_FOUND)
    if context.output.fields is not None:
        context.output.json(found)
    else:
        context.output.line(found["value"])


def _add_set(parser: ArgumentParser) -> None:
    _add_key(parser)
    parser.add_argument("value", metavar="VALUE")


def _set(context: Context) -> None:
    key, value = context.options.key, context.options.value
    if key == "host":
        context.scheme_of(value)
    elif not value or "/" in value or not value.isprintable():
        raise CommandError(f"{value!r} is no {key}", status=USAGE)
    _write(context, key, value)


def _unset(context: Context) -> None:
    _write(context, context.options.key, "")


def _write(context: Context, key: str, value: str) -> None:
    """Change one line of the user's file, and leave the others as they are."""
    path = preferences.path_of(context.env)
    former = preferences.read(path).get(key, "")
    os.makedirs(store.folder(context.env), mode=0o700, exist_ok=True)  # noqa: PTH103
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = []
    kept = [one for one in lines if not re.match(rf"\s*['\"]?{key}['\"]?\s*=", one)]
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        # A basic string of TOML has the escapes of JSON.
        file.write("".join(f"{one}\n" for one in [*kept, *([f"{key} = {json.dumps(value)}"] if value else [])]))
    os.replace(f"{path}.new", os.path.realpath(path))  # noqa: PTH105
    undo = f"moorage config set {key} {former}" if former else f"moorage config unset {key}"
    context.changed(f"{key} is {value or 'not set any more'}", undo if value != former else "")
    found = context.preference(key)
    if value and found.value != value:
        context.note(f"{found.origin} goes before it, and says {found.value}.")


COMMANDS: Final = {
    "config list": Command(_add_list, _list),
    "config get": Command(_add_key, _get),
    "config set": Command(_add_set, _set),
    "config unset": Command(_add_key, _unset),
}

"""Output of commands: lines for people, or JSON for programs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: object) -> None:
    """Print a value as one JSON document."""
    import orjson  # noqa: PLC0415 - `--help` needs none

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_rows(rows: Iterable[Iterable[object]]) -> None:
    """Print rows, a line each, with tabs between the values; a terminal obeys nothing that is in a value."""
    for row in rows:
        typer.echo("\t".join(_inert(_shown(value)) for value in row))


def print_fields(fields: Mapping[str, object]) -> None:
    """Print the fields of one thing, a line each; those without a value are left out."""
    print_rows((name, value) for name, value in fields.items() if value not in (None, "", [], ()))


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%SZ}"
        case list() | tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _inert(text: str) -> str:
    """Escape what cannot be printed."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)

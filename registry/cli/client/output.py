"""Output: data on stdout, as a table for terminals and tab-separated for pipes; everything else on stderr."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TextIO

from registry.cli.client.errors import USAGE, CommandError

_DIGEST_SHOWN: Final = 19
_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_STEP: Final = 1000
_TEN: Final = 10
_AGES: Final = ((365 * 86400, "y"), (30 * 86400, "mo"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Column(NamedTuple):
    """A column of a table: how to find its value in an item, and its kind: text, size, time, digest, list, number."""

    title: str
    value: Callable[[Any], Any]
    kind: str = "text"


class Output:
    """The two streams of a command; ``fields`` are those of ``--json``, None without it; ``jq``: its expression."""

    def __init__(
        self, out: TextIO, err: TextIO, now: float, *, fields: Sequence[str] | None, quiet: bool, color: bool,
        jq: str = "",
    ) -> None:  # fmt: skip
        self.out = out
        self.err = err
        self.now = now
        self.fields = fields
        self.jq = jq
        self.quiet = quiet
        self.terminal = out.isatty()
        self._color = color

    def note(self, text: str) -> None:
        """Tell something that is no data, unless only names are wanted."""
        if not self.quiet:
            self.err.write(clean(text, keep="\n") + "\n")
            self.err.flush()

    def line(self, text: str) -> None:
        """Write a line of data."""
        self.out.write(clean(text) + "\n")

    def table(self, columns: Sequence[Column], items: Sequence[Any], name: Callable[[Any], str]) -> None:
        """Write items as a table, as JSON, or only their names."""
        if self.fields is not None:
            self.json(items)
        elif self.quiet:
            for item in items:
                self.line(name(item))
        elif not self.terminal:
            for item in items:
                self.out.write("\t".join(_plain(column, item) for column in columns) + "\n")
        elif items:
            self._aligned(columns, items)

    def _aligned(self, columns: Sequence[Column], items: Sequence[Any]) -> None:
        rows = [[_shown(column, item, self.now) for column in columns] for item in items]
        widths = [max(len(column.title), *(len(row[at]) for row in rows)) for at, column in enumerate(columns)]
        head = "  ".join(column.title.ljust(width) for column, width in zip(columns, widths, strict=True))
        self.out.write(self.styled(head.rstrip(), "dim") + "\n")
        for row in rows:
            cells = [
                cell.rjust(width) if column.kind in {"size", "number"} else cell.ljust(width)
                for column, cell, width in zip(columns, row, widths, strict=True)
            ]
            self.out.write("  ".join(cells).rstrip() + "\n")

    def facts(self, item: Any, columns: Sequence[Column]) -> None:
        """Write one item, a line for each fact that it has."""
        if self.fields is not None:
            self.json(item)
            return
        known = [column for column in columns if column.value(item) not in (None, "", [])]
        width = max((len(column.title) for column in known), default=0) + 1
        for column in known:
            if self.terminal:
                title = self.styled(f"{column.title}:".ljust(width), "dim")
                self.out.write(f"{title} {_shown(column, item, self.now)}\n")
            else:
                self.out.write(f"{column.title}\t{_plain(column, item)}\n")

    def json(self, found: Any) -> None:
        """Write what the API told as JSON, with the wanted fields only. Raises CommandError for an unknown field."""
        if self.fields:
            found = [self._picked(one) for one in found] if isinstance(found, list | tuple) else self._picked(found)
        indent = 2 if self.terminal and not self.jq else None
        text = json.dumps(found, indent=indent, ensure_ascii=not self.terminal)
        if self.jq:
            self.out.write(self._filtered(text))
            return
        if not text.isprintable():  # a terminal would obey what JSON need not escape
            text = "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
        self.out.write(text + "\n")

    def _filtered(self, text: str) -> str:
        """Filter JSON by the program ``jq``. Raises CommandError."""
        import subprocess

        try:
            command = ["jq", "-r", "-C" if self._color else "-M", self.jq]
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603
        except OSError as error:
            raise CommandError("there is no jq here", status=USAGE, why="--jq runs the program jq") from error
        if done.returncode:
            raise CommandError("jq refused", status=USAGE, why=done.stderr.strip().removeprefix("jq: "))
        return done.stdout

    def raw(self, body: bytes) -> None:
        """Write bytes as they are; on a terminal without what it would obey."""
        if self.terminal:
            for line in body.decode(errors="replace").splitlines():
                self.line(line)
            return
        self.out.flush()
        self.out.buffer.write(body)

    def _picked(self, item: dict[str, Any]) -> dict[str, Any]:
        fields = self.fields or ()
        unknown = [field for field in fields if field not in item]
        if unknown:
            raise CommandError(
                f"unknown field {unknown[0]!r}", status=USAGE, why="the fields are " + ", ".join(sorted(item))
            )
        return {field: item[field] for field in fields}

    def error(self, failure: CommandError) -> None:
        """Write an error, as an object with ``--json``."""
        if self.fields is not None:
            self.err.write(json.dumps({**failure.facts(), "exit": failure.status}) + "\n")
            return
        for name, text in failure.facts().items():
            label = self.styled("error:", "red") if name == "error" and self.err.isatty() else f"{name}:"
            self.err.write(f"{'' if name == 'error' else '  '}{label} {clean(text)}\n")

    def styled(self, text: str, style: str) -> str:
        """Return text in a colour, if colours are wanted."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._color else text


def clean(text: str, keep: str = "") -> str:
    """Replace characters that a terminal would obey, and those that would break a row."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in keep else " " if one in "\t\r\n" else "\N{REPLACEMENT CHARACTER}"
        for one in text
    )


def size(count: float) -> str:
    """Render bytes in decimal units."""
    at = 0
    while count >= _STEP and at < len(_UNITS) - 1:
        count, at = count / _STEP, at + 1
    return f"{count:.1f} {_UNITS[at]}" if at and count < _STEP / _TEN else f"{count:.0f} {_UNITS[at]}"


def short(digest: str) -> str:
    """Shorten a digest for people."""
    return digest[:_DIGEST_SHOWN]


def plural(count: int, noun: str) -> str:
    """Render a count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def age(text: str, now: float) -> str:
    """Render an ISO time as how long ago it was."""
    seconds = now - seconds_of(text)
    for length, unit in _AGES:
        if abs(seconds) >= length:
            return (
                f"{abs(seconds) // length:.0f}{unit} ago" if seconds > 0 else f"in {abs(seconds) // length:.0f}{unit}"
            )
    return "now"


def seconds_of(text: str) -> float:
    """Parse an ISO time to seconds since 1970."""
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def _plain(column: Column, item: Any) -> str:
    value = column.value(item)
    if value is None:
        return ""
    return clean(",".join(map(str, value)) if isinstance(value, list) else str(value))


def _shown(column: Column, item: Any, now: float) -> str:
    value = column.value(item)
    if value is None or value == []:
        return "-"
    match column.kind:
        case "size":
            return size(value)
        case "time":
            return age(value, now)
        case "digest":
            return short(str(value))
        case "number":
            return f"{value:,}"
        case _:
            return clean(" ".join(map(str, value)) if isinstance(value, list) else str(value))

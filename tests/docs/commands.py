"""`python -m tests.docs.commands`: writes docs/reference/commands.md of the parsers themselves; a test tells when it is stale.

Not of what `--help` prints, whose form is another in each release of Python.
"""

import argparse
from collections.abc import Iterable, Iterator
from typing import Any, Final

import typer.main

from registry.cli.client import errors
from registry.cli.client.commands import OPERATOR, TABLE, command_of, parser_of
from registry.cli.operator import app
from tests.docs.pages import DOCS

FILE: Final = DOCS / "reference" / "commands.md"
_HEAD: Final = """\
# Commands

Written by `make transcripts` from the parsers of the program. What they are for is shown in
[a tour of the commands](../howto/commands-tour.md).

A reference is `[HOST/]OWNER/NAME`, then `:TAG` or `@DIGEST` for a version. stdout is data: a table on a terminal, tabs and
whole values in a pipe. Messages are on stderr.

"""
_STATUS: Final = {
    0: "done",
    errors.FAILED: "failed",
    errors.USAGE: "wrong usage, or wrong settings",
    errors.NOT_FOUND: "not found, or not visible to you",
    errors.NOT_SIGNED_IN: "not signed in, or the token has expired",
    errors.DENIED: "denied",
    errors.REFUSED: "refused by a rule: a conflict, the last tagged version, a name that is taken",
    errors.UNREACHABLE: "unreachable, or timed out",
    errors.PARTIAL: "done in part",
    errors.INTERRUPTED: "interrupted",
}


def text() -> str:
    """The page."""
    return (
        _HEAD
        + "## For users\n\n"
        + "\n".join(_user(name) for name in TABLE)
        + "\n## Options of every command for users\n"
        + _table(_shared())
        + "\n## Exit statuses\n\n| status | meaning |\n|---|---|\n"
        + "".join(f"| {status} | {meaning} |\n" for status, meaning in _STATUS.items())
        + "\n## For the operator\n\nThey need the server, and read [the settings](settings.md) from the environment.\n\n"
        + "\n".join(_operator(name, command) for name, command in _operators())
    )


def _parser(name: str) -> argparse.ArgumentParser:
    return parser_of(name, command_of(name))


def _shared() -> Iterable[tuple[str, str]]:
    """The options that all commands have: those of the last group of any."""
    return [_option(action) for action in _parser("version")._action_groups[-1]._group_actions]


def _user(name: str) -> str:
    parser = _parser(name)
    shared = {id(action) for action in parser._action_groups[-1]._group_actions}
    own = [one for one in parser._actions if id(one) not in shared and one.help != argparse.SUPPRESS]
    positional = [one for one in own if not one.option_strings]
    options = [one for one in own if one.option_strings]
    usage = " ".join(["moorage", name, *map(_operand, positional), *(["[OPTIONS]"] if options else [])])
    told = [(f"`{_operand(one).strip('[].… ')}`", one.help or "") for one in positional if one.help]
    return f"### {name}\n\n    {usage}\n\n{_sentence(TABLE[name][1])}\n" + _table([*told, *map(_option, options)])


def _operand(action: argparse.Action) -> str:
    name = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper())
    match action.nargs:
        case "?":
            return f"[{name}]"
        case "*":
            return f"[{name} …]"
        case "+":
            return f"{name} …"
        case _:
            return str(name)


def _option(action: argparse.Action) -> tuple[str, str]:
    value = "" if action.nargs == 0 else f" {_operand(action)}"
    assert action.help or action.choices, f"{action.option_strings} has no help"
    about = action.help or f"one of {', '.join(map(str, action.choices or ()))}"
    return f"`{', '.join(action.option_strings)}{value}`", about


def _operators() -> Iterator[tuple[str, Any]]:
    root: Any = typer.main.get_command(app)
    for name in OPERATOR:
        yield from _tree(name, root.commands[name])


def _tree(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if below := getattr(command, "commands", None):
        for word, one in below.items():
            yield from _tree(f"{name} {word}", one)
    else:
        yield name, command


def _operator(name: str, command: Any) -> str:
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    options = [one for one in shown if one.param_type_name == "option"]
    operands = [one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments]
    usage = " ".join(["moorage", name, *operands, *(["[OPTIONS]"] if options else [])])
    told = [(f"`{one.name.upper()}`", getattr(one, "help", "") or "") for one in arguments if getattr(one, "help", "")]
    lacking = [one.name for one in options if not one.help]
    assert not lacking, f"moorage {name}: no help for {lacking}"
    rows = [(f"`{', '.join(one.opts)}{_value(one)}`", one.help) for one in options]
    return f"### {name}\n\n    {usage}\n\n{_sentence(' '.join(command.help.split()))}\n" + _table([*told, *rows])


def _value(option: Any) -> str:
    return "" if option.is_flag else f" {option.metavar or option.name.upper()}"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {name.replace('|', chr(92) + '|')} | {about.replace('|', chr(92) + '|')} |\n" for name, about in rows]
    return "".join(["\n| option | meaning |\n|---|---|\n", *lines]) if lines else ""


def _sentence(about: str) -> str:
    return about[:1].upper() + about[1:].rstrip(".") + "."


def main() -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text())


if __name__ == "__main__":
    main()

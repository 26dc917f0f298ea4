"""The command line: it runs a command, and prints what its failures are."""

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from registry.cli.client.commands import TABLE, Command, command_of, overview, parser_of, unknown
from registry.cli.client.context import Context
from registry.cli.client.errors import FAILED, INTERRUPTED, CommandError

_FIELDS: Final = re.compile(r"[a-z_]+(?:,[a-z_]+)*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    streams = (sys.stdin, sys.stdout, sys.stderr)
    try:
        status = run(arguments, os.environ, streams)
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is to be written at the end
        return FAILED
    if status == INTERRUPTED:
        os._exit(status)  # threads that wait for the network are not waited for
    return status


def run(arguments: Sequence[str], env: Mapping[str, str], streams: tuple[TextIO, TextIO, TextIO]) -> int:
    """Run a command with these streams and return its exit status."""
    as_json = any(one == "--json" or one.startswith("--json=") for one in arguments)
    context = Context(env, streams, Namespace(json="" if as_json else None))
    try:
        if not arguments or arguments[0] in {"-h", "--help", "help"}:
            streams[1].write(overview())
            return 0
        if arguments[0] == "__complete":
            from registry.cli.client.completion import complete

            context = Context(env, streams, Namespace(host="", insecure=False))
            streams[1].write("".join(f"{one}\n" for one in complete(context, arguments[1:])))
            return 0
        name, command, rest = _command(["version"] if arguments[0] == "--version" else arguments)
        options = _parsed(parser_of(name, command), rest)
        context = Context(env, streams, options)
        return command.run(context) or 0
    except CommandError as failure:
        context.output.error(failure)
        return failure.status
    except KeyboardInterrupt:
        context.output.error(CommandError("interrupted", status=INTERRUPTED))
        return INTERRUPTED


def _parsed(parser: ArgumentParser, words: Sequence[str]) -> Namespace:
    """Parse arguments; the word behind ``--json`` is its fields if it has a comma, or is nothing else."""
    at = words.index("--json") if "--json" in words else len(words)
    before, behind = words[:at], words[at + 1 :]
    fields = behind[0] if behind and _FIELDS.fullmatch(behind[0]) else ""
    joined = [*before, f"--json={fields}", *behind[1:]]
    if at == len(words) or "," in fields:
        return parser.parse_args(joined if fields else words)
    try:
        return parser.parse_args([*before, "--json=", *behind])
    except CommandError:
        if not fields:
            raise
        return parser.parse_args(joined)


def _command(arguments: Sequence[str]) -> tuple[str, Command, Sequence[str]]:
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if len(arguments) >= words and name in TABLE:
            return name, command_of(name), arguments[words:]
    raise unknown(arguments)

"""The command ``version``."""

from argparse import ArgumentParser
from typing import Final

from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.version import VERSION


def _add(_parser: ArgumentParser) -> None:
    pass


def _run(context: Context) -> None:
    if context.output.fields is not None:
        context.output.json({"version": VERSION})
    else:
        context.output.line(f"moorage {VERSION}")


COMMANDS: Final = {"version": Command(_add, _run)}

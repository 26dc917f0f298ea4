"""The command ``version``."""

from argparse import ArgumentParser
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from registry.cli.client.commands import Command
from registry.cli.client.context import Context


def _add(_parser: ArgumentParser) -> None:
    pass


def _run(context: Context) -> None:
    try:
        found = version("moorage")
    except PackageNotFoundError:
        found = "of a checkout that is not installed"
    if context.output.fields is not None:
        context.output.json({"version": found})
    else:
        context.output.line(f"moorage {found}")


COMMANDS: Final = {"version": Command(_add, _run)}

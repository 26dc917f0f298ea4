"""Words and steps that the commands of organizations, teams and repositories share."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from registry.cli.client.api import Api
from registry.cli.client.context import Context
from registry.cli.client.errors import DENIED, USAGE, CommandError


def pair_of(noun: str, form: str) -> Callable[[str], tuple[str, str]]:
    """Return what parses the name of a ``noun`` below an account, as ``form`` shows it. It raises CommandError."""

    def parse(text: str) -> tuple[str, str]:
        account, slash, name = text.partition("/")
        if not (account and slash and name) or "/" in name:
            raise CommandError(f"{text!r} is no {noun}", status=USAGE, why=f"expected {form}")
        return account, name

    return parse


def add_owner(parser: ArgumentParser) -> None:
    """Add the argument that names an account which one may own."""
    parser.add_argument("owner", metavar="OWNER", help="an organization, or yourself")


def path_of(org: str) -> str:
    """Return the path of an organization below the API."""
    return f"/orgs/{quote(org, safe='')}"


def settings_path(api: Api, owner: str, what: str) -> str:
    """Return the path of settings of an account, such as ``tag-rules``. Raises CommandError for another person's."""
    account = api.get(f"/users/{quote(owner, safe='')}")
    if account["type"] == "Organization":
        return f"{path_of(owner)}/{what}"
    if api.get("/user")["id"] != account["id"]:
        told = f"the {what.replace('-', ' ')} of {owner} are for that user alone"
        raise CommandError(told, status=DENIED, attempt="moorage whoami")
    return f"/user/{what}"


def repository_path(repository: tuple[str, str]) -> str:
    """Return the path of a repository, its owner and its name, below the API."""
    return f"/repos/{quote(repository[0], safe='')}/{quote(repository[1], safe='')}"


def would(context: Context) -> str:
    """Return what begins the line of a change that is not made."""
    return "would be done: " if context.options.dry_run else ""


def delete(context: Context, path: str, describe: Callable[[Api, dict[str, Any]], str]) -> None:
    """Delete what is at a path of the API for good, after a question, if it is still as ``describe`` was told."""
    api = context.api()
    told = api.reply("GET", path)
    what = describe(api, told.json())
    if context.options.dry_run:
        context.note(f"would be deleted: {what}")
        return
    context.confirm(f"Delete {what}? This cannot be undone.")
    api.reply("DELETE", path, etag=told.headers.get("ETag", ""))
    context.note(f"Deleted {what}.")

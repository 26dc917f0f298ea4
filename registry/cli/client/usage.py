"""The usage of accounts, and its limits: the commands ``usage`` and ``quota``."""

from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client.api import Api
from registry.cli.client.commands import Command, add_change
from registry.cli.client.context import Context
from registry.cli.client.errors import USAGE, CommandError
from registry.cli.client.nouns import would
from registry.cli.client.output import Column, size
from registry.sizes import parse_size

_TOP: Final = 20
_PACKAGES: Final = (
    Column("PACKAGE", lambda one: one["name"]),
    Column("SIZE", lambda one: one["bytes"], "size"),
    Column("VERSIONS", lambda one: one["version_count"], "number"),
    Column("DELETED", lambda one: one["deleted"] or None),
)
_ACCOUNTS: Final = (
    Column("ACCOUNT", lambda one: one["login"]),
    Column("USED", lambda one: one["used_bytes"], "size"),
    Column("QUOTA", lambda one: (one["quota"] or {}).get("bytes"), "size"),
    Column("PERCENT", lambda one: one["used_percent"], "number"),
)


def _add_usage(parser: ArgumentParser) -> None:
    parser.add_argument("owner", nargs="?", default="", metavar="OWNER", help="an account; yours, if none is named")
    parser.add_argument("--top", type=int, default=_TOP, metavar="N", help="so many of the largest packages (20)")
    parser.add_argument("--registry", action="store_true", help="the accounts that use most, for administrators")


def _usage(context: Context) -> None:
    options, api = context.options, context.api()
    if options.registry:
        found = api.get("/admin/usage", per_page=min(max(options.top, 1), 100))
        context.output.table(_ACCOUNTS, found, lambda one: str(one["login"]))
        return
    owner = options.owner or context.preference("owner").value
    told = api.get(f"{_path_of(api, owner)}/usage" if owner else "/user/packages/usage")
    if context.output.fields is not None:
        context.output.json(told)
        return
    context.output.table(_PACKAGES, told["packages"][: max(options.top, 0)], lambda one: str(one["name"]))
    context.note(_summary(owner or "You", told))


def _summary(owner: str, told: dict[str, Any]) -> str:
    used, quota = f"{owner}: {size(told['used_bytes'])} used", told["quota"]
    if quota is not None:
        kind = "more is refused" if quota["hard"] else "more is only warned of"
        percent = "" if told["used_percent"] is None else f" ({told['used_percent']:g} %)"
        used = f"{used} of {size(quota['bytes'])}{percent}; {kind}"
    counted = "" if told["counted_at"] else " Not all of it is counted yet."
    return f"{used}. What several packages have counts once.{counted}"


def _path_of(api: Api, owner: str) -> str:
    """Return the path of the packages of an account, by what it is."""
    kind = api.get(f"/users/{quote(owner, safe='')}")["type"]
    return f"/{'orgs' if kind == 'Organization' else 'users'}/{quote(owner, safe='')}/packages"


def bytes_of(text: str) -> int:
    """Parse an option that is a size. Raises CommandError."""
    count = parse_size(text)
    if count is None:
        raise CommandError(f"{text!r} is no size", status=USAGE, why="expected 500GB, 1.5TiB, or a number of bytes")
    return count


def _add_owner(parser: ArgumentParser) -> None:
    parser.add_argument("owner", metavar="OWNER")


def _add_set(parser: ArgumentParser) -> None:
    _add_owner(parser)
    parser.add_argument("bytes", metavar="SIZE", type=bytes_of, help="500GB, 1.5TiB, or a number of bytes")
    parser.add_argument("--soft", action="store_true", help="only warn of more, and refuse nothing")
    parser.add_argument("--warn", type=int, default=90, metavar="PERCENT", help="warn from here on (90)")
    add_change(parser)


def _set(context: Context) -> None:
    options, api = context.options, context.api()
    path = _path_of(api, options.owner)
    former = api.get(f"{path}/usage")["quota"]
    if not options.dry_run:
        body = {"bytes": options.bytes, "hard": not options.soft, "warn_percent": options.warn}
        made = api.reply("PUT", f"{path}/quota", body).json()
        if context.output.fields is not None:
            context.output.json(made)
    was = "" if former is None else f" (was {size(former['bytes'])})"
    told = f"{would(context)}{options.owner} may store {size(options.bytes)}{was}."
    context.changed(told, _undo(options.owner, former))


def _add_remove(parser: ArgumentParser) -> None:
    _add_owner(parser)
    add_change(parser)


def _remove(context: Context) -> None:
    options, api = context.options, context.api()
    path = _path_of(api, options.owner)
    former = api.get(f"{path}/usage")["quota"]
    if former is None:
        context.note(f"{options.owner} has no quota.")
        return
    if not options.dry_run:
        api.reply("DELETE", f"{path}/quota")
    context.changed(f"{would(context)}{options.owner} may store any amount.", _undo(options.owner, former))


def _undo(owner: str, former: dict[str, Any] | None) -> str:
    if former is None:
        return f"moorage quota remove {owner}"
    soft = "" if former["hard"] else " --soft"
    return f"moorage quota set {owner} {former['bytes']} --warn {former['warn_percent']}{soft}"


COMMANDS: Final = {
    "usage": Command(_add_usage, _usage),
    "quota set": Command(_add_set, _set),
    "quota remove": Command(_add_remove, _remove),
}

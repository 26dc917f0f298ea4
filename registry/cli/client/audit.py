"""The command ``audit``: the audit log of an organization, of oneself or of the registry."""

import json
from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client.commands import Command, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.output import Column

_THINGS: Final = ("user", "team", "token", "repository")
_NAMES: Final = ("login", "slug", "full_name", "note", "id")


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("owner", metavar="ORGANIZATION", nargs="?", default="", help="that you own; without: yourself")
    parser.add_argument("--registry", action="store_true", help="all of the registry, for site administrators")
    parser.add_argument("--phrase", default="", metavar="PHRASE", help="such as 'action:team actor:alice'")
    parser.add_argument("--since", default="", metavar="DATE", help="from this day on, as 2026-01-31")
    parser.add_argument("--oldest-first", action="store_true", help="in the order in which it happened")
    parser.add_argument("--json-lines", action="store_true", help="a line of JSON for each entry, as they come")
    add_limit(parser)


def _time(entry: dict[str, Any]) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(entry["@timestamp"] / 1000, UTC).isoformat(timespec="seconds")


def _about(entry: dict[str, Any]) -> str:
    data = entry["data"]
    things = [data[name] for name in ("package", "tag", "login") if name in data]
    for name in _THINGS:
        thing = data.get(name)
        if isinstance(thing, dict):
            things.append(next((str(thing[key]) for key in _NAMES if thing.get(key)), ""))
    return " ".join(dict.fromkeys(map(str, things)))


_ROWS: Final = (
    Column("WHEN", _time, "time"),
    Column("ACTION", lambda one: one["action"]),
    Column("BY", lambda one: one.get("actor") or one["actor_kind"]),
    Column("ACCOUNT", lambda one: one.get("org") or one.get("user")),
    Column("ABOUT", _about),
    Column("FROM", lambda one: one.get("actor_ip")),
)


def _audit(context: Context) -> None:
    options, phrase = context.options, context.options.phrase
    if options.since:
        phrase = f"{phrase} created:>={options.since}".strip()
    path = f"/orgs/{quote(options.owner, safe='')}/audit-log" if options.owner else "/user/audit-log"
    path = "/enterprises/moorage/audit-log" if options.registry else path
    limit = None if options.json_lines and options.all else limit_of(context)
    order = "asc" if options.oldest_first else None
    found = context.api().pages(path, limit, phrase=phrase or None, order=order)
    if options.json_lines:
        for entry in found:
            context.output.out.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return
    context.output.table(_ROWS, list(found), lambda one: one["_document_id"])


COMMANDS: Final = {"audit": Command(_add, _audit)}

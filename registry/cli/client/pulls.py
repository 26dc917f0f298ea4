"""The command ``pulls``: the pull log of a package."""

from argparse import ArgumentParser
from typing import Final

from registry.cli.client import references
from registry.cli.client.api import package_path
from registry.cli.client.commands import Command, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.durations import moment
from registry.cli.client.output import Column

_PULLS: Final = (
    Column("WHEN", lambda one: one["created_at"], "time"),
    Column("BY", lambda one: (one["actor"] or {}).get("login")),
    Column("TOKEN", lambda one: (one["actor"] or {}).get("token")),
    Column("FROM", lambda one: one["actor_ip"]),
    Column("TAG", lambda one: one["tag"]),
    Column("DIGEST", lambda one: one["digest"], "digest"),
    Column("COUNT", lambda one: one["count"], "number"),
    Column("CLIENT", lambda one: one["user_agent"]),
)


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", type=references.parse_package)
    parser.add_argument("--since", metavar="WHEN", help="24h, 7d, or a time in ISO 8601")
    add_limit(parser)


def _pulls(context: Context) -> None:
    from datetime import UTC, datetime

    options, since = context.options, None
    if options.since:
        since = datetime.fromtimestamp(moment(options.since, context.output.now), UTC).isoformat()
    path = package_path(options.package) + "/pulls"
    found = list(context.api(options.package).pages(path, limit_of(context), since=since))
    context.output.table(_PULLS, found, lambda one: str(one["id"]))
    if not found:
        context.note("No pulls. The registry records them where its operator has set MOORAGE_PULL_LOG.")


COMMANDS: Final = {"pulls": Command(_add, _pulls)}

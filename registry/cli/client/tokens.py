"""Access tokens: the commands ``tokens``, ``tokens new`` and ``tokens revoke``."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any, Final

from registry.cli.client.commands import Command, add_change, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.durations import seconds
from registry.cli.client.errors import NOT_FOUND, PARTIAL, USAGE, CommandError
from registry.cli.client.output import Column

_ACTIONS: Final = {"pull": "read", "push": "write", "delete": "delete"}


def may(token: dict[str, Any]) -> list[str]:
    """Tell what a token may: its scopes, or its actions by package."""
    if token["rules"] is None:
        return list(token["scopes"] or [])
    return [f"{'+'.join(rule['actions'])}:{rule['packages']}" for rule in token["rules"]]


_TOKENS: Final = (
    Column("ID", lambda one: one["id"]),
    Column("NAME", lambda one: one["note"]),
    Column("ENDS WITH", lambda one: one["token_last_eight"]),
    Column("MAY", may, "list"),
    Column("EXPIRES", lambda one: one["expires_at"], "time"),
    Column("LAST USED", lambda one: one["last_used_at"], "time"),
)


def _add_list(parser: ArgumentParser) -> None:
    add_limit(parser)


def _list(context: Context) -> None:
    found = list(context.api().pages("/user/tokens", limit_of(context)))
    context.output.table(_TOKENS, found, lambda one: str(one["id"]))


def _add_new(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what it is for")
    parser.add_argument(
        "--package", action="append", metavar="GLOB", help="packages that it is for: 'acme/*'; may be repeated"
    )
    parser.add_argument(
        "--can",
        default="pull",
        metavar="ACTIONS",
        help="what it may do there: pull, push, delete, with commas between (pull)",
    )
    parser.add_argument(
        "--scope", metavar="SCOPES", help="a classic token instead, for all that you may: read:packages,write:packages"
    )
    parser.add_argument("--expires", default="90d", metavar="AGE", help="when it ends by itself (90d)")


def _new(context: Context) -> None:
    options = context.options
    if bool(options.package) == bool(options.scope):
        raise CommandError("what may it do?", status=USAGE, why="either --package or --scope is needed")
    ends = datetime.fromtimestamp(int(context.output.now) + seconds(options.expires), UTC)
    body: dict[str, Any] = {"note": options.name, "expires_at": ends.isoformat()}
    if options.scope:
        body["scopes"] = options.scope.split(",")
    else:
        unknown = [one for one in options.can.split(",") if one not in _ACTIONS]
        if unknown:
            raise CommandError(f"{unknown[0]!r} is no action", status=USAGE, why="expected pull, push or delete")
        actions = [_ACTIONS[one] for one in options.can.split(",")]
        body["rules"] = [{"packages": glob, "actions": actions} for glob in options.package]
    made = context.api().reply("POST", "/user/tokens", body).json()
    if context.output.fields is not None:
        context.output.json(made)
    else:
        context.output.line(made["token"])
    context.changed(
        f"{made['note']!r} is shown this once; it ends {ends:%Y-%m-%d}.", f"moorage tokens revoke {made['id']}"
    )


def _add_revoke(parser: ArgumentParser) -> None:
    parser.add_argument("tokens", metavar="ID|NAME", nargs="+", help="as `moorage tokens` shows them")
    add_change(parser, asks=True)


def _revoke(context: Context) -> int | None:
    api, wanted = context.api(), context.options.tokens
    listed = list(api.pages("/user/tokens"))
    found = []
    for text in wanted:
        named = [one for one in listed if text in {str(one["id"]), one["note"], one["token_last_eight"]}]
        if len(named) != 1:
            raise CommandError(
                f"{len(named) or 'no'} tokens are called {text!r}", status=NOT_FOUND if not named else USAGE,
                attempt="moorage tokens",
            )  # fmt: skip
        found += named
    names = ", ".join(repr(one["note"] or one["token_last_eight"]) for one in found)
    if context.options.dry_run:
        context.note(f"would be revoked: {names}")
        return None
    context.confirm(f"Revoke {names}? This cannot be undone.")
    done = 0
    for one in found:
        try:
            api.reply("DELETE", f"/user/tokens/{one['id']}")
        except CommandError as error:
            if len(found) == 1:
                raise
            context.output.error(error)
            continue
        done += 1
        context.note(f"Revoked {one['note'] or one['token_last_eight']!r}, and the tokens that came from it.")
    return None if done == len(found) else PARTIAL


COMMANDS: Final = {
    "tokens": Command(_add_list, _list),
    "tokens list": Command(_add_list, _list),
    "tokens new": Command(_add_new, _new),
    "tokens revoke": Command(_add_revoke, _revoke),
}

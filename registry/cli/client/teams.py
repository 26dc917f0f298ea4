"""Teams of an organization: the commands ``team``."""

from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client.commands import Command, add_change, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.nouns import delete, pair_of, path_of, would
from registry.cli.client.output import Column, plural

_TEAMS: Final = (
    Column("TEAM", lambda one: one["slug"]),
    Column("NAME", lambda one: one["name"]),
    Column("DESCRIPTION", lambda one: one["description"]),
)
_TEAM: Final = (
    Column("team", lambda one: f"{one['organization']['login']}/{one['slug']}"),
    Column("name", lambda one: one["name"]),
    Column("description", lambda one: one["description"]),
    Column("members", lambda one: one["members"], "list"),
    Column("repositories", lambda one: one["repositories"], "list"),
    Column("created", lambda one: one["created_at"], "time"),
    Column("page", lambda one: one["html_url"]),
)


def _path(team: tuple[str, str]) -> str:
    return f"{path_of(team[0])}/teams/{quote(team[1], safe='')}"


def _add_team(parser: ArgumentParser) -> None:
    parser.add_argument("team", metavar="ORG/TEAM", type=pair_of("team", "ORG/TEAM"))


def _add_list(parser: ArgumentParser) -> None:
    parser.add_argument("org", metavar="ORG")
    add_limit(parser)


def _list(context: Context) -> None:
    org = context.options.org
    found = list(context.api().pages(f"{path_of(org)}/teams", limit_of(context)))
    context.output.table(_TEAMS, found, lambda one: f"{org}/{one['slug']}")
    if not found:
        context.note("No teams.")


def _show(context: Context) -> None:
    api, path = context.api(), _path(context.options.team)
    found = api.get(path)
    found["members"] = [one["login"] for one in api.pages(f"{path}/members")]
    found["repositories"] = [one["full_name"] for one in api.pages(f"{path}/repos")]
    if context.output.quiet:
        for login in found["members"]:
            context.output.line(login)
    else:
        context.output.facts(found, _TEAM)


def _add_create(parser: ArgumentParser) -> None:
    _add_team(parser)
    parser.add_argument("--description", default="", help="what it is for")
    parser.add_argument("--member", action="append", default=[], metavar="LOGIN", help="may be repeated")
    add_change(parser)


def _create(context: Context) -> None:
    (org, name), options = context.options.team, context.options
    slug = name
    if not options.dry_run:
        body = {"name": name, "description": options.description, "maintainers": options.member}
        made: dict[str, Any] = context.api().reply("POST", f"{path_of(org)}/teams", body).json()
        slug = made["slug"]
        if context.output.fields is not None:
            context.output.json(made)
    members = f" with {', '.join(options.member)}" if options.member else ""
    context.changed(f"{would(context)}{org}/{slug} is a team{members}", f"moorage team delete {org}/{slug}")


def _add_delete(parser: ArgumentParser) -> None:
    _add_team(parser)
    add_change(parser, asks=True)


def _delete(context: Context) -> None:
    team = context.options.team
    delete(context, _path(team), lambda _, told: _described(team, told["members_count"]))


def _described(team: tuple[str, str], members: int) -> str:
    return f"{'/'.join(team)} with {plural(members, 'member')} and all its roles"


def _add_member(parser: ArgumentParser) -> None:
    _add_team(parser)
    parser.add_argument("login", metavar="LOGIN")
    add_change(parser)


def _add(context: Context) -> None:
    _change(context, "PUT", "is", "remove", {"role": "member"})


def _remove(context: Context) -> None:
    _change(context, "DELETE", "is no longer", "add", None)


def _change(context: Context, method: str, now: str, undo: str, body: dict[str, str] | None) -> None:
    team, login = context.options.team, context.options.login
    name = "/".join(team)
    if not context.options.dry_run:
        context.api().reply(method, f"{_path(team)}/memberships/{quote(login, safe='')}", body)
    context.changed(f"{would(context)}{login} {now} in {name}", f"moorage team {undo} {name} {login}")


COMMANDS: Final = {
    "team list": Command(_add_list, _list),
    "team show": Command(_add_team, _show),
    "team create": Command(_add_create, _create),
    "team add": Command(_add_member, _add),
    "team remove": Command(_add_member, _remove),
    "team delete": Command(_add_delete, _delete),
}

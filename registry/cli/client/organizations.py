"""Organizations and their members: the commands ``org``."""

from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client.api import Api
from registry.cli.client.commands import Command, add_change, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, CommandError
from registry.cli.client.nouns import delete, path_of, would
from registry.cli.client.output import Column, plural

_ORGANIZATIONS: Final = (
    Column("ORGANIZATION", lambda one: one["login"]),
    Column("DESCRIPTION", lambda one: one["description"]),
)
_PEOPLE: Final = (Column("LOGIN", lambda one: one["login"]),)
_ORGANIZATION: Final = (
    Column("organization", lambda one: one["login"]),
    Column("name", lambda one: one["name"]),
    Column("description", lambda one: one["description"]),
    Column("owners", lambda one: one["owners"], "list"),
    Column("members", lambda one: one["members"], "list"),
    Column("packages inherit access", lambda one: one.get("packages_inherit_access")),
    Column("single sign-on", lambda one: one.get("packages_sso_required")),
    Column("public packages", lambda one: one.get("members_can_create_public_packages")),
    Column("private packages", lambda one: one.get("members_can_create_private_packages")),
    Column("internal packages", lambda one: one.get("members_can_create_internal_packages")),
    Column("created", lambda one: one["created_at"], "time"),
    Column("page", lambda one: one["html_url"]),
)


def _list(context: Context) -> None:
    found = list(context.api().pages("/user/orgs", limit_of(context)))
    context.output.table(_ORGANIZATIONS, found, lambda one: str(one["login"]))
    if not found:
        context.note("No organizations.")


def _add_org(parser: ArgumentParser) -> None:
    parser.add_argument("org", metavar="ORG")


def _show(context: Context) -> None:
    api, path = context.api(), path_of(context.options.org)
    found = api.get(path)
    for name, role in (("owners", "admin"), ("members", "member")):
        found[name] = [one["login"] for one in api.pages(f"{path}/members", role=role)]
    if context.output.quiet:
        context.output.line(found["login"])
    else:
        context.output.facts(found, _ORGANIZATION)


def _add_members(parser: ArgumentParser) -> None:
    _add_org(parser)
    parser.add_argument("--role", choices=("admin", "member"), help="owners only, or those who are none")
    add_limit(parser)


def _members(context: Context) -> None:
    options = context.options
    found = context.api().pages(f"{path_of(options.org)}/members", limit_of(context), role=options.role)
    context.output.table(_PEOPLE, list(found), lambda one: str(one["login"]))


def _add_create(parser: ArgumentParser) -> None:
    _add_org(parser)
    parser.add_argument("--name", help="the name that people read")
    add_change(parser)


def _create(context: Context) -> None:
    org = context.options.org
    if not context.options.dry_run:
        made = context.api().reply("POST", "/orgs", {"login": org, "profile_name": context.options.name}).json()
        if context.output.fields is not None:
            context.output.json(made)
    context.changed(f"{would(context)}{org} is an organization, and you own it.", f"moorage org delete {org}")


def _add_delete(parser: ArgumentParser) -> None:
    _add_org(parser)
    add_change(parser, asks=True)


def _delete(context: Context) -> None:
    org = context.options.org

    def described(api: Api, _told: dict[str, Any]) -> str:
        count = sum(1 for _ in api.pages(f"{path_of(org)}/packages", package_type="container"))
        return f"{org} with {plural(count, 'package')}, its teams and its repositories"

    delete(context, path_of(org), described)


def _add_member(parser: ArgumentParser) -> None:
    _add_org(parser)
    parser.add_argument("login", metavar="LOGIN")
    add_change(parser)


def _add_add(parser: ArgumentParser) -> None:
    _add_member(parser)
    parser.add_argument("--role", choices=("member", "admin"), default="member", help="admin: an owner (member)")


def _add(context: Context) -> None:
    org, login, role = context.options.org, context.options.login, context.options.role
    former = _role(context)
    if not context.options.dry_run:
        made = context.api().reply("PUT", _membership(context), {"role": role}).json()
        if context.output.fields is not None:
            context.output.json(made)
    was = f" (was {former})" if former else ""
    undo = f"moorage org add {org} {login} --role {former}" if former else f"moorage org remove {org} {login}"
    context.changed(f"{would(context)}{login}: {role} of {org}{was}", undo)


def _remove(context: Context) -> None:
    org, login = context.options.org, context.options.login
    former = _role(context)
    if not context.options.dry_run:
        context.api().reply("DELETE", _membership(context))
    undo = f"moorage org add {org} {login} --role {former}" if former else ""
    context.changed(f"{would(context)}{login}: no member of {org} any more; its teams and roles there end", undo)


def _membership(context: Context) -> str:
    return f"{path_of(context.options.org)}/memberships/{quote(context.options.login, safe='')}"


def _role(context: Context) -> str:
    """Return the role that a person has now; empty for none. Raises CommandError."""
    try:
        found: dict[str, Any] = context.api().get(_membership(context))
    except CommandError as error:
        if error.status == NOT_FOUND:
            return ""
        raise
    return str(found["role"])


COMMANDS: Final = {
    "org list": Command(add_limit, _list),
    "org show": Command(_add_org, _show),
    "org members": Command(_add_members, _members),
    "org create": Command(_add_create, _create),
    "org add": Command(_add_add, _add),
    "org remove": Command(_add_member, _remove),
    "org delete": Command(_add_delete, _delete),
}

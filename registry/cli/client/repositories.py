"""Source repositories, to which packages are linked: the commands ``repo``."""

from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client.commands import Command, add_change, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, CommandError
from registry.cli.client.nouns import pair_of, path_of, repository_path, would
from registry.cli.client.output import Column

#: Roles, and what the API calls them, as GitHub does.
_PERMISSIONS: Final = {"read": "pull", "write": "push", "admin": "admin"}

_REPOSITORIES: Final = (
    Column("REPOSITORY", lambda one: one["full_name"]),
    Column("VISIBILITY", lambda one: one["visibility"]),
    Column("UPDATED", lambda one: one["updated_at"], "time"),
    Column("DESCRIPTION", lambda one: one["description"]),
)
_REPOSITORY: Final = (
    Column("repository", lambda one: one["full_name"]),
    Column("visibility", lambda one: one["visibility"]),
    Column("description", lambda one: one["description"]),
    Column("homepage", lambda one: one["homepage"]),
    Column("created", lambda one: one["created_at"], "time"),
    Column("updated", lambda one: one["updated_at"], "time"),
)
_PEOPLE: Final = (
    Column("LOGIN", lambda one: one["login"]),
    Column("ROLE", lambda one: one["role_name"]),
)


def _add_repository(parser: ArgumentParser) -> None:
    parser.add_argument("repository", metavar="OWNER/REPO", type=pair_of("repository", "OWNER/REPO"))


def _add_list(parser: ArgumentParser) -> None:
    parser.add_argument("owner", nargs="?", default="", metavar="OWNER", help="an account; yours, if none is named")
    parser.add_argument("--visibility", choices=("public", "internal", "private"))
    add_limit(parser)


def _list(context: Context) -> None:
    owner = context.options.owner or context.preference("owner").value
    path = f"/users/{quote(owner, safe='')}/repos" if owner else "/user/repos"
    found = list(context.api().pages(path, limit_of(context), visibility=context.options.visibility))
    context.output.table(_REPOSITORIES, found, lambda one: str(one["full_name"]))
    if not found:
        context.note("No repositories.")


def _show(context: Context) -> None:
    found = context.api().get(repository_path(context.options.repository))
    if context.output.quiet:
        context.output.line(found["full_name"])
    else:
        context.output.facts(found, _REPOSITORY)


def _add_members(parser: ArgumentParser) -> None:
    _add_repository(parser)
    add_limit(parser)


def _members(context: Context) -> None:
    path = f"{repository_path(context.options.repository)}/collaborators"
    found = list(context.api().pages(path, limit_of(context)))
    context.output.table(_PEOPLE, found, lambda one: str(one["login"]))


def _add_create(parser: ArgumentParser) -> None:
    _add_repository(parser)
    parser.add_argument("--visibility", choices=("public", "internal", "private"), default="private", help="(private)")
    parser.add_argument("--description", default="", help="what it is for")
    add_change(parser)


def _create(context: Context) -> None:
    (owner, name), options, api = context.options.repository, context.options, context.api()
    mine = api.get("/user")["login"].lower() == owner.lower()
    if not options.dry_run:
        body = {"name": name, "visibility": options.visibility, "description": options.description}
        made = api.reply("POST", "/user/repos" if mine else f"{path_of(owner)}/repos", body).json()
        if context.output.fields is not None:
            context.output.json(made)
    context.changed(
        f"{would(context)}{owner}/{name} is a {options.visibility} repository.", f"moorage repo delete {owner}/{name}"
    )


def _add_delete(parser: ArgumentParser) -> None:
    _add_repository(parser)
    add_change(parser, asks=True)


def _delete(context: Context) -> None:
    path, api = repository_path(context.options.repository), context.api()
    told = api.reply("GET", path)
    what = told.json()["full_name"]
    if context.options.dry_run:
        context.note(f"would be deleted: {what}; its packages would stay")
        return
    context.confirm(f"Delete {what} with all its roles? Its packages stay. This cannot be undone.")
    api.reply("DELETE", path, etag=told.headers.get("ETag", ""))
    context.note(f"Deleted {what}; its packages stay, linked to no repository.")


def _add_who(parser: ArgumentParser) -> None:
    _add_repository(parser)
    parser.add_argument("who", metavar="WHO", help="a login; with --team a team of the owner: its slug")
    parser.add_argument("--team", action="store_true", help="WHO is a team of the owner")
    add_change(parser)


def _add_add(parser: ArgumentParser) -> None:
    _add_who(parser)
    parser.add_argument("role", metavar="ROLE", choices=tuple(_PERMISSIONS), help="read, write or admin")


def _add(context: Context) -> None:
    role, former = context.options.role, _role(context)
    if not context.options.dry_run:
        context.api().reply("PUT", _grant(context), {"permission": _PERMISSIONS[role]})
    _told(context, role, former, f"moorage repo remove {_words(context)}")


def _remove(context: Context) -> None:
    former = _role(context)
    if not context.options.dry_run:
        context.api().reply("DELETE", _grant(context))
    _told(context, "no role", former, "")


def _told(context: Context, now: str, former: str, undo: str) -> None:
    name = "/".join(context.options.repository)
    if former:
        undo = f"moorage repo add {_words(context, former)}"
    was = f" (was {former})" if former else ""
    context.changed(f"{would(context)}{context.options.who}: {now} on {name}{was}", undo)


def _words(context: Context, role: str = "") -> str:
    options = context.options
    words = [
        "/".join(options.repository),
        options.who,
        *([role] if role else []),
        *(["--team"] if options.team else []),
    ]
    return " ".join(words)


def _grant(context: Context) -> str:
    options = context.options
    who = quote(options.who.rpartition("/")[2], safe="")
    if options.team:
        return f"{path_of(options.repository[0])}/teams/{who}{repository_path(options.repository)}"
    return f"{repository_path(options.repository)}/collaborators/{who}"


def _role(context: Context) -> str:
    """Return the role that somebody was given before; empty for none. Raises CommandError."""
    options, api = context.options, context.api()
    try:
        if options.team:
            reply = api.send("GET", _grant(context), {"Accept": "application/vnd.github.v3.repository+json"}, None)
            permissions: dict[str, Any] = reply.json()["permissions"]
            return next((role for role in ("admin", "write", "read") if permissions.get(_PERMISSIONS[role])), "")
        people = api.pages(f"{repository_path(options.repository)}/collaborators")
        return next((str(one["role_name"]) for one in people if one["login"].lower() == options.who.lower()), "")
    except CommandError as error:
        if error.status == NOT_FOUND:
            return ""
        raise


COMMANDS: Final = {
    "repo list": Command(_add_list, _list),
    "repo show": Command(_add_repository, _show),
    "repo members": Command(_add_members, _members),
    "repo create": Command(_add_create, _create),
    "repo add": Command(_add_add, _add),
    "repo remove": Command(_add_who, _remove),
    "repo delete": Command(_add_delete, _delete),
}

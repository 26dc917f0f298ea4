"""Access: the commands ``access``, ``visibility``, ``link`` and ``unlink``."""

from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client import references
from registry.cli.client.api import package_path
from registry.cli.client.commands import Command, add_change
from registry.cli.client.context import Context
from registry.cli.client.errors import USAGE, CommandError
from registry.cli.client.output import Column, plural

_ROLES: Final = ("read", "write", "admin")
_VISIBILITIES: Final = ("public", "internal", "private")
_AUDIENCES: Final = {"workflow": "actions", "workspace": "codespaces"}


def _add_package(parser: ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", type=references.parse_package)


def _add_access(parser: ArgumentParser) -> None:
    _add_package(parser)
    parser.add_argument("--why", metavar="LOGIN", help="tell the role of a person, and every reason of it")


_ROWS: Final = (
    Column("WHO", lambda one: one["who"]),
    Column("ROLE", lambda one: one["role"]),
    Column("WHY", lambda one: one["why"]),
)
_REASONS: Final = (
    Column("ROLE", lambda one: one["role"]),
    Column("WHY", lambda one: one["kind"].replace("_", " ")),
    Column("BY", lambda one: one["name"]),
    Column("REPOSITORY", lambda one: one["repository"]),
)


def _access(context: Context) -> None:
    package, why = context.options.package, context.options.why
    path = package_path(package) + "/access"
    api = context.api(package)
    if why:
        found = api.get(f"{path}/{quote(why, safe='')}")
        if context.output.fields is not None:
            context.output.json(found)
            return
        context.output.table(_REASONS, found["reasons"], lambda one: one["kind"])
        sso = "; single sign-on is still to be authorized" if found["sso_required"] else ""
        context.note(f"{found['user']['login']}: {found['permission']} on {package.path}{sso}")
        return
    found = api.get(path)
    if context.output.fields is not None:
        context.output.json(found)
        return
    context.output.table(_ROWS, _rows(found), lambda one: one["who"])
    source = found.get("repository") if found["inherit_access"] else None
    inherited = f"; roles are those over {source['full_name']}" if source else ""
    context.note(f"{package.path} is {found['visibility']}{inherited}. Its owner needs no role.")


def _rows(found: dict[str, Any]) -> list[dict[str, str]]:
    def row(who: str, one: dict[str, Any], why: str) -> dict[str, str]:
        return {"who": who, "role": one["role"], "why": "inherited from the repository" if one["inherited"] else why}

    return [
        *(row(one["login"], one, "direct") for one in found["users"]),
        *(row(one["slug"], one, "team") for one in found["teams"]),
        *(
            row(one["full_name"], one, "workflow" if one["audience"] == "actions" else "workspace")
            for one in found["repositories"]
        ),
    ]


def _add_who(parser: ArgumentParser) -> None:
    _add_package(parser)
    parser.add_argument("who", metavar="WHO", help="a login; or with an option below a team or a repository")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--team", action="store_true", help="WHO is a team of the owner: its slug")
    kinds.add_argument("--workflow", action="store_true", help="WHO is OWNER/REPO, whose workflows get the role")
    kinds.add_argument("--workspace", action="store_true", help="WHO is OWNER/REPO, whose workspaces get the role")
    add_change(parser)


def _add_grant(parser: ArgumentParser) -> None:
    _add_who(parser)
    parser.add_argument("role", metavar="ROLE", choices=_ROLES, help="read, write or admin")


class _Grantee:
    """A person, team or repository of the arguments, and the role that it has now."""

    def __init__(self, context: Context, access: dict[str, Any]) -> None:
        options = context.options
        self.who, self.option, self.audience = options.who, "", ""
        if options.team:
            self.who, self.option = options.who.rpartition("/")[2], " --team"
            self.path, rows, key = f"teams/{quote(self.who, safe='')}", access["teams"], "slug"
        elif options.workflow or options.workspace:
            kind = "workflow" if options.workflow else "workspace"
            if options.who.count("/") != 1:
                raise CommandError(f"{options.who!r} is no repository", status=USAGE, why="expected OWNER/REPO")
            self.option, self.audience = f" --{kind}", _AUDIENCES[kind]
            rows = [one for one in access["repositories"] if one["audience"] == self.audience]
            self.path, key = f"repositories/{quote(self.who)}", "full_name"
        else:
            self.path, rows, key = f"users/{quote(self.who, safe='')}", access["users"], "login"
        found = (one["role"] for one in rows if one[key].lower() == self.who.lower() and not one["inherited"])
        self.role = next(found, "")


def _grant(context: Context) -> None:
    package, role = context.options.package, context.options.role
    api, path = context.api(package), package_path(package) + "/access"
    told = api.reply("GET", path)
    grantee = _Grantee(context, told.json())
    if not context.options.dry_run:
        body = {"role": role, **({"audience": grantee.audience} if grantee.audience else {})}
        api.reply("PUT", f"{path}/{grantee.path}", body, told.headers.get("ETag", ""))
    _told(context, grantee, f"{role} on {package.path}")


def _revoke(context: Context) -> None:
    package = context.options.package
    api, path = context.api(package), package_path(package) + "/access"
    told = api.reply("GET", path)
    grantee = _Grantee(context, told.json())
    if not context.options.dry_run:
        audience = grantee.audience or None
        api.reply("DELETE", f"{path}/{grantee.path}", etag=told.headers.get("ETag", ""), audience=audience)
    _told(context, grantee, f"no role on {package.path} any more")


def _told(context: Context, grantee: _Grantee, now: str) -> None:
    package = context.options.package.path
    former = f" (was {grantee.role})" if grantee.role else ""
    undo = (
        f"moorage access grant {package} {grantee.who} {grantee.role}{grantee.option}"
        if grantee.role
        else f"moorage access revoke {package} {grantee.who}{grantee.option}"
        if "no role" not in now
        else ""
    )
    would = "would be done: " if context.options.dry_run else ""
    context.changed(f"{would}{grantee.who}: {now}{former}", undo)


def _add_visibility(parser: ArgumentParser) -> None:
    _add_package(parser)
    parser.add_argument("visibility", nargs="?", choices=_VISIBILITIES, metavar="public|internal|private")
    add_change(parser, asks=True)


def _visibility(context: Context) -> None:
    package, wanted = context.options.package, context.options.visibility
    api, path = context.api(package), package_path(package)
    told = api.reply("GET", path)
    found = told.json()
    if wanted is None:
        if context.output.fields is not None:
            context.output.json({"visibility": found["visibility"]})
        else:
            context.output.line(found["visibility"])
        return
    if found["visibility"] == wanted:
        context.note(f"{package.path} is {wanted} already.")
        return
    count = plural(found["version_count"], "version")
    means = f"anybody may pull {count}" if wanted == "public" else f"only who has access may pull its {count}"
    if not context.options.dry_run:
        if wanted == "public":
            context.confirm(f"Make {package.path} public? Then {means}.")
        found = {
            **api.reply("PATCH", path, {"visibility": wanted}, told.headers.get("ETag", "")).json(),
            "former": found["visibility"],
        }
        if context.output.fields is not None:
            context.output.json(found)
    former = found.get("former", found["visibility"])
    would = "would be" if context.options.dry_run else "is"
    context.changed(f"{package.path} {would} {wanted} now: {means}.", f"moorage visibility {package.path} {former}")


def _add_link(parser: ArgumentParser) -> None:
    _add_package(parser)
    parser.add_argument("repository", metavar="OWNER/REPO")
    parser.add_argument(
        "--inherit",
        action="store_true",
        help="people get the roles that they have over it, in place of those over the package",
    )
    add_change(parser, asks=True)


def _link(context: Context) -> None:
    options, package = context.options, context.options.package
    api, path = context.api(package), package_path(package)
    if options.inherit:
        roles = api.get(f"{path}/access")
        lost = [one["login"] for one in roles["users"] if not one["inherited"]]
        lost += [one["slug"] for one in roles["teams"] if not one["inherited"]]
        if lost:
            context.note(f"The roles over {package.path} of {', '.join(lost)} end.")
            if not options.dry_run:
                context.confirm(f"Let the roles over {options.repository} take their place?")
    if not options.dry_run:
        body = {"repository": options.repository, "inherit_access": options.inherit}
        found = api.reply("PUT", f"{path}/repository", body).json()
        if context.output.fields is not None:
            context.output.json(found)
    would = "would be linked" if options.dry_run else "is linked"
    context.changed(f"{package.path} {would} to {options.repository}.", f"moorage unlink {package.path}")


def _add_unlink(parser: ArgumentParser) -> None:
    _add_package(parser)
    add_change(parser)


def _unlink(context: Context) -> None:
    package = context.options.package
    api, path = context.api(package), package_path(package)
    linked = (api.get(path).get("repository") or {}).get("full_name")
    if not context.options.dry_run:
        api.reply("DELETE", f"{path}/repository")
    would = "would be" if context.options.dry_run else "is"
    undo = f"moorage link {package.path} {linked}" if linked else ""
    context.changed(f"{package.path} {would} linked to no repository.", undo)


COMMANDS: Final = {
    "access": Command(_add_access, _access),
    "access grant": Command(_add_grant, _grant),
    "access revoke": Command(_add_who, _revoke),
    "visibility": Command(_add_visibility, _visibility),
    "link": Command(_add_link, _link),
    "unlink": Command(_add_unlink, _unlink),
}

"""Tag rules, which keep tags of an account's packages as they are: the commands ``tag-rule``."""

from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote

from registry.cli.client.api import Api
from registry.cli.client.commands import Command, add_change
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, USAGE, CommandError
from registry.cli.client.nouns import add_owner, settings_path, would
from registry.cli.client.output import Column

_CHANGES: Final = ("move", "delete", "create")
_RULES: Final = (
    Column("RULE", lambda one: one["name"]),
    Column("PACKAGES", lambda one: one["package"]),
    Column("TAGS", lambda one: one["tags"], "list"),
    Column("EXCEPT", lambda one: one["except"], "list"),
    Column("FORBIDS", lambda one: one["forbid"], "list"),
    Column("UNLESS", lambda one: one["unless_role"]),
    Column("ENABLED", lambda one: "yes" if one["enabled"] else "no"),
)


def _one(api: Api, owner: str, rule: str) -> str:
    return f"{settings_path(api, owner, 'tag-rules')}/{quote(rule, safe='')}"


def _list(context: Context) -> None:
    api, owner = context.api(), context.options.owner
    found = api.get(settings_path(api, owner, "tag-rules"))
    context.output.table(_RULES, found, lambda one: one["name"])
    if not found:
        context.note(f"No tag rules. To keep releases: moorage tag-rule add {owner} releases 'v[0-9]*.[0-9]*.[0-9]*'")


def _add_rule(parser: ArgumentParser) -> None:
    add_owner(parser)
    parser.add_argument("rule", metavar="RULE", help="its name")


def _add_add(parser: ArgumentParser) -> None:
    _add_rule(parser)
    parser.add_argument("tags", metavar="GLOB", nargs="+", help="tags that match: 'v*.*.*'")
    parser.add_argument("--except", dest="excepts", action="append", default=[], metavar="GLOB", help="but these tags")
    parser.add_argument("--package", default="*", metavar="GLOB", help="in packages that match, without OWNER/ (*)")
    parser.add_argument(
        "--forbid", default="move,delete", metavar="CHANGES", help="of move,delete,create (move,delete)"
    )
    parser.add_argument("--unless", choices=("admin",), help="whoever has this role over the package is not bound")
    add_change(parser)


def _add(context: Context) -> None:
    options, api = context.options, context.api()
    forbid = options.forbid.split(",")
    if not set(forbid) <= set(_CHANGES):
        raise CommandError(f"--forbid {options.forbid} is no list of changes", status=USAGE,
                           why=f"expected one or more of {','.join(_CHANGES)}")  # fmt: skip
    body = {"package": options.package, "tags": options.tags, "except": options.excepts, "forbid": forbid,
            "unless_role": options.unless}  # fmt: skip
    path = _one(api, options.owner, options.rule)
    former = next((one for one in api.get(path.rpartition("/")[0]) if one["name"] == options.rule), None)
    if not options.dry_run:
        made: dict[str, Any] = api.reply("PUT", path, body).json()
        if context.output.fields is not None:
            context.output.json(made)
    kept = f"{', '.join(options.tags)} of {options.owner}/{options.package}"
    context.changed(
        f"{would(context)}{options.rule} forbids to {' and to '.join(forbid)} {kept}",
        f"moorage tag-rule remove {options.owner} {options.rule}" if former is None else _again(options.owner, former),
    )


def _add_changed(parser: ArgumentParser) -> None:
    _add_rule(parser)
    add_change(parser)


def _enable(context: Context) -> None:
    _switch(context, on=True)


def _disable(context: Context) -> None:
    _switch(context, on=False)


def _switch(context: Context, *, on: bool) -> None:
    options, api = context.options, context.api()
    path = _one(api, options.owner, options.rule)
    _known(api, path, options.owner)
    if not options.dry_run:
        api.reply("PATCH", path, {"enabled": on})
    undo = f"moorage tag-rule {'disable' if on else 'enable'} {options.owner} {options.rule}"
    context.changed(f"{would(context)}{options.rule} is {'enabled' if on else 'disabled'}", undo)


def _remove(context: Context) -> None:
    options, api = context.options, context.api()
    path = _one(api, options.owner, options.rule)
    former = _known(api, path, options.owner)
    if not options.dry_run:
        api.reply("DELETE", path)
    context.changed(f"{would(context)}{options.rule} is removed", _again(options.owner, former))


def _again(owner: str, former: dict[str, Any]) -> str:
    """Return the command that makes a rule as it was."""
    words = ["moorage tag-rule add", owner, former["name"], *(f"'{glob}'" for glob in former["tags"])]
    words += [f"--except '{glob}'" for glob in former["except"]]
    words += [f"--package '{former['package']}'", f"--forbid {','.join(former['forbid'])}"]
    words += [f"--unless {former['unless_role']}"] if former["unless_role"] else []
    return " ".join(words)


def _known(api: Api, path: str, owner: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = api.get(path)
    except CommandError as error:
        if error.status == NOT_FOUND:
            raise CommandError(
                f"there is no tag rule {path.rpartition('/')[2]} of {owner}", status=NOT_FOUND,
                attempt=f"moorage tag-rule list {owner}",
            ) from error  # fmt: skip
        raise
    return found


COMMANDS: Final = {
    "tag-rule list": Command(add_owner, _list),
    "tag-rule add": Command(_add_add, _add),
    "tag-rule enable": Command(_add_changed, _enable),
    "tag-rule disable": Command(_add_changed, _disable),
    "tag-rule remove": Command(_add_changed, _remove),
}

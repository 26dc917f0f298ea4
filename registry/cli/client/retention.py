"""The commands ``retention``: policies, plans with their decisions, and policies of other registries in our words."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from registry.cli.client import references
from registry.cli.client.api import Api, package_path
from registry.cli.client.commands import Command, add_change, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, REFUSED, USAGE, CommandError
from registry.cli.client.nouns import add_owner, path_of, would
from registry.cli.client.output import Column, plural
from registry.cli.client.versions import id_of

_WAIT_SECONDS: Final = 0.5
#: A package of half a million tags takes less.
_PATIENCE_SECONDS: Final = 120.0
_FIELDS: Final = ("rules", "packages", "guards")
#: What a policy that was read says of itself, and options say of one that is set.
_ASIDE: Final = frozenset({"id", "name", "schedule", "enabled", "next_at", "created_at", "updated_at"})
_BUSY: Final = frozenset({"queued", "applying", "undoing"})
_FORMS: Final = ("ecr", "gitlab", "harbor", "gar")

_POLICIES: Final = (
    Column("POLICY", lambda one: one["name"]),
    Column("PACKAGES", lambda one: one["packages"], "list"),
    Column("RULES", lambda one: len(one["rules"]), "number"),
    Column("RUN", lambda one: one["schedule"] if one["enabled"] else "not enabled"),
    Column("NEXT", lambda one: one["next_at"] if one["enabled"] else None, "time"),
)
_PLANS: Final = (
    Column("PLAN", lambda one: one["id"], "number"),
    Column("STATE", lambda one: one["state"].replace("_", " ")),
    Column("PACKAGES", lambda one: one["packages"], "number"),
    Column("TAGS", lambda one: one["untag"], "number"),
    Column("VERSIONS", lambda one: one["delete"], "number"),
    Column("MADE", lambda one: one["created_at"], "time"),
)


def _because(one: dict[str, Any]) -> str:
    return "; ".join(
        f"rule {reason['rule']}: {reason['text']}" if "rule" in reason else reason["text"] for reason in one["because"]
    )


def _outcome(one: dict[str, Any]) -> str:
    return f"{one['outcome']}: {one['told']}" if one["told"] else one["outcome"] or ""


_DECISIONS: Final = (
    Column("DECISION", lambda one: one["decision"]),
    Column("PACKAGE", lambda one: one["package"]),
    Column("TAGS", lambda one: [one["tag"]] if one["tag"] else one["tags"], "list"),
    Column("DIGEST", lambda one: one["digest"], "digest"),
    Column("BECAUSE", _because),
    Column("OUTCOME", _outcome),
)


def _of_owner(api: Api, owner: str) -> str:
    """Return the path of an organization's retention, or of one's own."""
    own = str(api.get("/user")["login"])
    return f"{'/user' if owner.lower() == own.lower() else path_of(owner)}/retention"


def _policies(context: Context) -> None:
    api = context.api()
    found = api.get(f"{_of_owner(api, context.options.owner)}/policies")
    context.output.table(_POLICIES, found, lambda one: str(one["name"]))
    if not found:
        context.note("No policies.")


def _named(api: Api, path: str, name: str) -> dict[str, Any] | None:
    found = api.get(f"{path}/policies")
    return next((one for one in found if one["name"].lower() == name.lower()), None)


def _loaded(file: str) -> Any:
    try:
        return json.loads(Path(file).read_bytes())
    except OSError as error:
        raise CommandError(f"{file} cannot be read", status=USAGE, why=error.strerror or "") from error
    except ValueError as error:
        raise CommandError(f"{file} is no JSON", status=USAGE, why=str(error)) from error


def _read(file: str) -> dict[str, Any]:
    """Return the packages, rules and guards of the policy in a file, and what the registry shall refuse."""
    document = _loaded(file)
    if not isinstance(document, dict):
        raise CommandError(f"{file} is no policy", status=USAGE, why="expected an object with rules and packages")
    return {name: value for name, value in document.items() if name not in _ASIDE}


def _add_set(parser: ArgumentParser) -> None:
    add_owner(parser)
    parser.add_argument("name", metavar="NAME", help="of the policy")
    parser.add_argument("file", metavar="FILE", help="JSON with packages, rules and guards")
    parser.add_argument("--enable", action="store_true", help="have it run by itself from now on")
    parser.add_argument("--schedule", choices=("hourly", "daily", "weekly"), default="daily", help="how often (daily)")
    add_change(parser)


def _set(context: Context) -> None:
    options, api = context.options, context.api()
    path = _of_owner(api, options.owner)
    body = {**_read(options.file), "name": options.name, "enabled": options.enable, "schedule": options.schedule}
    before = _named(api, path, options.name)
    if not options.dry_run:
        where = f"{path}/policies/{before['id']}" if before else f"{path}/policies"
        api.reply("PUT" if before else "POST", where, body)
    runs = f"runs {options.schedule}" if options.enable else "runs only when somebody makes a plan of it"
    text = f"{would(context)}{options.name} of {options.owner} {runs}"
    context.changed(text, f"moorage retention unset {options.owner} {options.name}")


def _add_unset(parser: ArgumentParser) -> None:
    add_owner(parser)
    parser.add_argument("name", metavar="NAME", help="of the policy")
    add_change(parser, asks=True)


def _unset(context: Context) -> None:
    options, api = context.options, context.api()
    path = _of_owner(api, options.owner)
    found = _named(api, path, options.name)
    if found is None:
        raise CommandError(f"{options.owner} has no policy {options.name}", status=NOT_FOUND)
    if not options.dry_run:
        context.confirm(f"Delete the policy {options.name} of {options.owner}?")
        api.reply("DELETE", f"{path}/policies/{found['id']}")
    context.note(f"{would(context)}{options.name} is deleted; what it has deleted stays so.")


def _add_plan(parser: ArgumentParser) -> None:
    parser.add_argument("target", metavar="OWNER[/PACKAGE]", help="whose packages, or which one")
    parser.add_argument("--policy", required=True, metavar="FILE|NAME", help="JSON, or the name of a policy")


def _plan(context: Context) -> None:
    options, api = context.options, context.api()
    owner, _, package = options.target.partition("/")
    path = _of_owner(api, owner)
    asked: dict[str, Any]
    if Path(options.policy).is_file():
        asked = {"policy": _read(options.policy)}
    else:
        found = _named(api, path, options.policy)
        if found is None:
            raise CommandError(f"there is no file and no policy {options.policy}", status=NOT_FOUND)
        asked = {"policy": {name: found[name] for name in _FIELDS}} if package else {"policy_id": found["id"]}
    if package:
        asked["policy"]["packages"] = [package]
    plan = _settled(api, path, api.reply("POST", f"{path}/plans", asked).json()["id"])
    _show_decisions(context, api, path, plan, owner)


def _settled(api: Api, path: str, plan_id: int) -> dict[str, Any]:
    """Wait until a worker has done what a plan waits for, and return the plan."""
    seen, until = None, 0.0
    while True:
        plan: dict[str, Any] = api.get(f"{path}/plans/{plan_id}")
        if plan["state"] not in _BUSY:
            return plan
        progress = plan["state"], plan["packages"]
        if progress != seen:
            seen, until = progress, time.monotonic() + _PATIENCE_SECONDS
        if plan["state"] == "queued" and time.monotonic() > until:
            raise CommandError(f"nobody goes on with plan {plan_id}", why="is a worker running?")
        time.sleep(_WAIT_SECONDS)


def _show_decisions(context: Context, api: Api, path: str, plan: dict[str, Any], owner: str) -> None:
    found = list(api.pages(f"{path}/plans/{plan['id']}/decisions"))
    context.output.table(_DECISIONS, found, lambda one: one["tag"] or str(one["digest"]))
    state = plan["state"].replace("_", " ")
    context.note(
        f"Plan {plan['id']} is {state}: {plural(plan['untag'], 'tag')} and {plural(plan['delete'], 'version')} "
        f"of {plural(plan['packages'], 'package')}."
    )
    if plan["guarded"]:
        context.note(f"In {plural(plan['guarded'], 'package')} more would go than the guards allow.")
    if plan["state"] in {"planned", "needs_approval"} and (plan["untag"] or plan["delete"]):
        context.note(f"Apply it: moorage retention apply {owner} {plan['id']}")


def _add_plans(parser: ArgumentParser) -> None:
    add_owner(parser)
    add_limit(parser)


def _plans(context: Context) -> None:
    api = context.api()
    found = list(api.pages(f"{_of_owner(api, context.options.owner)}/plans", limit_of(context)))
    context.output.table(_PLANS, found, lambda one: str(one["id"]))
    if not found:
        context.note("No plans.")


def _add_number(parser: ArgumentParser) -> None:
    add_owner(parser)
    parser.add_argument("plan", metavar="PLAN", type=int, help="its number")


def _show(context: Context) -> None:
    api, options = context.api(), context.options
    path = _of_owner(api, options.owner)
    _show_decisions(context, api, path, api.get(f"{path}/plans/{options.plan}"), options.owner)


def _add_turn(parser: ArgumentParser) -> None:
    _add_number(parser)
    add_change(parser, asks=True)


def _apply(context: Context) -> None:
    api, options = context.api(), context.options
    path = _of_owner(api, options.owner)
    plan = api.get(f"{path}/plans/{options.plan}")
    what = f"{plural(plan['untag'], 'tag')} and {plural(plan['delete'], 'version')}"
    if options.dry_run:
        context.note(f"would be deleted: {what}")
        return
    context.confirm(f"Delete {what} of {plural(plan['packages'], 'package')}?")
    api.reply("POST", f"{path}/plans/{options.plan}/apply")
    _settled(api, path, options.plan)
    _tell(context, api, path, "delete", f"moorage retention undo {options.owner} {options.plan}")


def _undo(context: Context) -> None:
    api, options = context.api(), context.options
    path = _of_owner(api, options.owner)
    if options.dry_run:
        context.note(f"would be undone: plan {options.plan}")
        return
    api.reply("POST", f"{path}/plans/{options.plan}/undo")
    _settled(api, path, options.plan)
    _tell(context, api, path, "undo", "")


def _tell(context: Context, api: Api, path: str, verb: str, undo: str) -> None:
    good, word = {"delete": ("done", "Applied"), "undo": ("undone", "Undone")}[verb]
    found = [one for one in api.pages(f"{path}/plans/{context.options.plan}/decisions") if one["outcome"]]
    left = [one for one in found if one["outcome"] not in {"done", "undone"}]
    if left:
        context.output.table(_DECISIONS, left, lambda one: one["tag"] or str(one["digest"]))
    count = sum(one["outcome"] == good for one in found)
    more = f", left out {len(left)}" if left else ""
    context.changed(f"{word}: {plural(count, 'decision')} carried out{more}.", undo)


def _add_explain(parser: ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REFERENCE", type=references.parse_version)


def _explain(context: Context) -> None:
    reference = context.options.reference
    api = context.api(reference)
    found = api.get(f"{package_path(reference)}/versions/{id_of(api, reference)}/retention")
    rows = [{**one, "policy": told["policy"], "plan": told["plan_id"]} for told in found for one in told["decisions"]]
    context.output.table((Column("POLICY", lambda one: one["policy"]), *_DECISIONS), rows, lambda one: one["decision"])
    if not found:
        context.note("No policy has been planned. Make a plan: moorage retention plan OWNER --policy NAME")
    for told in found:
        if not told["decisions"]:
            context.note(f"{told['policy']}: no rule deletes it (plan {told['plan_id']}).")


def _add_convert(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the policy of the other registry, JSON")
    parser.add_argument("--from", dest="form", required=True, choices=_FORMS, help="where it comes from")


def _convert(context: Context) -> None:
    from registry.cli.client.policies import CONVERTERS, Unsayable

    document = _loaded(context.options.file)
    try:
        policy, notes = CONVERTERS[context.options.form](document)
    except Unsayable as error:
        raise CommandError("this policy cannot be said in ours", status=REFUSED, why=str(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CommandError(
            f"this is no policy of {context.options.form}", status=USAGE, why=f"{type(error).__name__}: {error}"
        ) from error
    context.output.out.write(json.dumps(policy, indent=2) + "\n")
    for note in notes:
        context.note(note)


COMMANDS: Final = {
    "retention policies": Command(add_owner, _policies),
    "retention set": Command(_add_set, _set),
    "retention unset": Command(_add_unset, _unset),
    "retention plan": Command(_add_plan, _plan),
    "retention plans": Command(_add_plans, _plans),
    "retention show": Command(_add_number, _show),
    "retention apply": Command(_add_turn, _apply),
    "retention undo": Command(_add_turn, _undo),
    "retention explain": Command(_add_explain, _explain),
    "retention convert": Command(_add_convert, _convert),
}

"""Webhooks of an organization or a repository: the commands ``hook``."""

from argparse import ArgumentParser
from typing import Any, Final

from registry.cli.client.commands import Command, add_change, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.nouns import delete, path_of, repository_path, would
from registry.cli.client.output import Column


def _state(hook: dict[str, Any]) -> str:
    if not hook["active"]:
        return "off"
    return str(hook["disabled_reason"] or hook["last_response"]["status"])


def _lines(headers: dict[str, str] | None) -> list[str]:
    return [f"{name}: {value}" for name, value in (headers or {}).items()]


_HOOKS: Final = (
    Column("ID", lambda one: one["id"]),
    Column("URL", lambda one: one["config"]["url"]),
    Column("EVENTS", lambda one: one["events"], "list"),
    Column("STATE", _state),
)
_HOOK: Final = (
    Column("id", lambda one: one["id"]),
    Column("url", lambda one: one["config"]["url"]),
    Column("events", lambda one: one["events"], "list"),
    Column("format", lambda one: one["format"]),
    Column("signed", lambda one: "yes" if "secret" in one["config"] else "no"),
    Column("state", _state),
    Column("last answer", lambda one: one["last_response"]["message"]),
    Column("created", lambda one: one["created_at"], "time"),
)
_DELIVERIES: Final = (
    Column("ID", lambda one: one["id"]),
    Column("WHEN", lambda one: one["delivered_at"], "time"),
    Column("EVENT", lambda one: one["event"]),
    Column("ACTION", lambda one: one["action"]),
    Column("STATE", lambda one: one["state"]),
    Column("ATTEMPTS", lambda one: one["attempts"], "number"),
    Column("ANSWER", lambda one: one["status"]),
)
_DELIVERY: Final = (
    *(Column(one.title.lower(), one.value, one.kind) for one in _DELIVERIES),
    Column("guid", lambda one: one["guid"]),
    Column("url", lambda one: one["url"]),
    Column("sent", lambda one: _lines(one["request"]["headers"])),
    Column("answered", lambda one: _lines(one["response"]["headers"])),
    Column("body", lambda one: one["response"]["payload"]),
)


def _path(context: Context) -> str:
    """Return the path of the hooks below the API: of an organization, or of OWNER/REPOSITORY."""
    owner, slash, repository = context.options.whose.partition("/")
    place = repository_path((owner, repository)) if slash else path_of(owner)
    return f"{place}/hooks"


def _hook_path(context: Context) -> str:
    return f"{_path(context)}/{context.options.hook}"


def _add_whose(parser: ArgumentParser) -> None:
    parser.add_argument("whose", metavar="WHOSE", help="an organization, or OWNER/REPOSITORY")


def _add_hook(parser: ArgumentParser) -> None:
    _add_whose(parser)
    parser.add_argument("hook", metavar="HOOK", type=int, help="its id")


def _add_delivery(parser: ArgumentParser) -> None:
    _add_hook(parser)
    parser.add_argument("delivery", metavar="DELIVERY", type=int, help="its id")


def _list(context: Context) -> None:
    found = list(context.api().pages(_path(context), None))
    context.output.table(_HOOKS, found, lambda one: str(one["id"]))
    if not found:
        context.note("No webhooks.")


def _show(context: Context) -> None:
    context.output.facts(context.api().get(_hook_path(context)), _HOOK)


def _add_create(parser: ArgumentParser) -> None:
    _add_whose(parser)
    parser.add_argument("--url", required=True, metavar="URL", help="where it leads, by https")
    events = "package (if there is none), registry_package, moorage.package or *; may be repeated"
    parser.add_argument("--event", action="append", default=[], metavar="EVENT", help=events)
    parser.add_argument("--secret-stdin", action="store_true", help="read the secret that signs from standard input")
    parser.add_argument("--content-type", choices=("json", "form"), default="json", help="of the body (json)")
    parser.add_argument("--format", choices=("github", "distribution", "cloudevents"), default="github",
                        help="of the body (github)")  # fmt: skip
    parser.add_argument("--children", action="store_true", help="tell of each image of an index too")
    add_change(parser)


def _create(context: Context) -> None:
    options, hook = context.options, "HOOK"
    secret = context.input.readline().strip() if options.secret_stdin else ""
    config = {"url": options.url, "content_type": options.content_type, **({"secret": secret} if secret else {})}
    events = options.event or ["package"]
    body = {"config": config, "events": events, "format": options.format, "children": options.children}
    if not options.dry_run:
        made: dict[str, Any] = context.api().reply("POST", _path(context), body).json()
        hook = str(made["id"])
        if context.output.fields is not None:
            context.output.json(made)
        elif context.output.quiet:
            context.output.line(hook)
    told = f"{would(context)}{options.url} is told of {', '.join(events)} of {options.whose}"
    context.changed(told, f"moorage hook delete {options.whose} {hook}")


def _add_delete(parser: ArgumentParser) -> None:
    _add_hook(parser)
    add_change(parser, asks=True)


def _delete(context: Context) -> None:
    delete(context, _hook_path(context), lambda _, told: f"webhook {told['id']} to {told['config']['url']}")


def _ping(context: Context) -> None:
    context.api().reply("POST", f"{_hook_path(context)}/pings")
    context.note(f"A ping is on its way; moorage hook deliveries {context.options.whose} {context.options.hook} tells.")


def _add_deliveries(parser: ArgumentParser) -> None:
    _add_hook(parser)
    parser.add_argument("--failed", action="store_true", help="those alone that are given up")
    add_limit(parser)


def _deliveries(context: Context) -> None:
    status = "failure" if context.options.failed else None
    found = list(context.api().pages(f"{_hook_path(context)}/deliveries", limit_of(context), status=status))
    context.output.table(_DELIVERIES, found, lambda one: str(one["id"]))
    if not found:
        context.note("No deliveries.")


def _delivery(context: Context) -> None:
    path = f"{_hook_path(context)}/deliveries/{context.options.delivery}"
    context.output.facts(context.api().get(path), _DELIVERY)


def _redeliver(context: Context) -> None:
    context.api().reply("POST", f"{_hook_path(context)}/deliveries/{context.options.delivery}/attempts")
    context.note(f"Delivery {context.options.delivery} is sent once more, under the same GUID.")


COMMANDS: Final = {
    "hook list": Command(_add_whose, _list),
    "hook show": Command(_add_hook, _show),
    "hook create": Command(_add_create, _create),
    "hook delete": Command(_add_delete, _delete),
    "hook ping": Command(_add_hook, _ping),
    "hook deliveries": Command(_add_deliveries, _deliveries),
    "hook delivery": Command(_add_delivery, _delivery),
    "hook redeliver": Command(_add_delivery, _redeliver),
}

"""Mirrors, organizations whose packages come from another registry: the commands ``mirror``."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from registry.cli.client.api import Api
from registry.cli.client.commands import Command, add_change
from registry.cli.client.context import Context
from registry.cli.client.errors import DENIED, NOT_FOUND, USAGE, CommandError
from registry.cli.client.nouns import path_of, would
from registry.cli.client.output import Column
from registry.cli.client.usage import bytes_of

_CLIENTS: Final = ("containerd", "podman", "docker")
_MIRROR: Final = (
    Column("upstream", lambda one: one["url"]),
    Column("names", lambda one: one["aliases"], "list"),
    Column("hosts", lambda one: one["hosts"], "list"),
    Column("user", lambda one: one["username"]),
    Column("tokens from", lambda one: one["realm_hosts"], "list"),
    Column("allowed", lambda one: one["allow"], "list"),
    Column("denied", lambda one: one["deny"], "list"),
    Column("fetch by", lambda one: one["fetch_by"]),
    Column("tags asked for after", lambda one: f"{one['tag_seconds']} s"),
    Column(
        "served without upstream",
        lambda one: "always" if one["stale_seconds"] is None else f"for {one['stale_seconds']} s",
    ),
    Column("deleted when idle for", lambda one: f"{one['idle_days']} days" if one["idle_days"] else "never"),
    Column("at most", lambda one: one["max_bytes"], "size"),
    Column("paused", lambda one: "yes" if one["paused"] else "no"),
)
_STATUS: Final = (
    Column("answered", lambda one: one["answered_at"], "time"),
    Column("failed", lambda one: one["failed_at"], "time"),
    Column("failure", lambda one: one["failure"]),
    Column("failing", lambda one: one["failing"], "number"),
    Column("fetching", lambda one: one["fetching"], "number"),
)


def _add_org(parser: ArgumentParser) -> None:
    parser.add_argument("org", metavar="ORG", help="the organization that is the mirror")


def _path(context: Context) -> str:
    return f"{path_of(context.options.org)}/mirror"


def _known(context: Context, api: Api) -> dict[str, Any]:
    found = _former(context, api)
    if found is None:
        org = context.options.org
        raise CommandError(f"{org} is no mirror", status=NOT_FOUND, attempt=f"moorage mirror add {org} docker.io")
    return found


def _former(context: Context, api: Api) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = api.get(_path(context))
    except CommandError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    return found


def _add_add(parser: ArgumentParser) -> None:
    _add_org(parser)
    parser.add_argument("upstream", metavar="UPSTREAM", help="docker.io, ghcr.io, or a URL")
    parser.add_argument("--alias", dest="aliases", action="append", metavar="NAME",
                        help="what clients call it in ns=, for an administrator to give (UPSTREAM)")  # fmt: skip
    parser.add_argument("--as-host", dest="hosts", action="append", metavar="NAME",
                        help="a host of ours that stands for it, for docker; an administrator gives it")  # fmt: skip
    parser.add_argument("--username", metavar="NAME", help="with which the upstream is asked")
    parser.add_argument("--password-stdin", action="store_true", help="read its password from standard input")
    parser.add_argument("--allow", action="append", metavar="GLOB", help="fetch images that match, without ORG/ (all)")
    parser.add_argument("--deny", action="append", metavar="GLOB", help="but none that match")
    parser.add_argument("--fetch-by", choices=("read", "write", "anonymous"),
                        help="who may have an image fetched that is not here yet (read)")  # fmt: skip
    parser.add_argument("--tag-seconds", type=int, metavar="N", help="serve tags so long without asking (300)")
    parser.add_argument("--stale-seconds", type=int, metavar="N", help="and so long without an answer (always)")
    parser.add_argument(
        "--idle-days", type=int, metavar="N", help="delete what nobody pulled for so long (30; 0: never)"
    )
    parser.add_argument(
        "--max-bytes", type=bytes_of, metavar="SIZE", help="delete what was idle for longest above this"
    )
    pause = parser.add_mutually_exclusive_group()
    pause.add_argument("--paused", action="store_true", default=None, help="do not ask the upstream for now")
    pause.add_argument("--resume", dest="paused", action="store_false", default=None, help="ask it again")
    add_change(parser)


_OPTIONS: Final = (
    "aliases", "hosts", "username", "allow", "deny", "fetch_by", "tag_seconds", "stale_seconds", "idle_days",
    "max_bytes", "paused",
)  # fmt: skip


def _add(context: Context) -> None:
    options, api = context.options, context.api()
    former = _former(context, api)
    given = {name: getattr(options, name) for name in _OPTIONS if getattr(options, name) is not None}
    kept = {name: value for name, value in (former or {}).items() if name != "realm_hosts"}
    body = {**kept, **given, "url": options.upstream}
    if options.password_stdin:
        body["password"] = context.input.readline().rstrip("\r\n")
    if not options.dry_run:
        made = _put(context, api, body, named=former is not None or options.aliases is not None)
        if context.output.fields is not None:
            context.output.json(made)
    undo = f"moorage mirror remove {options.org}" if former is None else ""
    context.changed(f"{would(context)}{options.org} is a mirror of {options.upstream}", undo)


def _put(context: Context, api: Api, body: dict[str, Any], *, named: bool) -> Any:
    """Set the mirror; one that is new has the name of its upstream, if the caller may give names."""
    name = urlsplit(body["url"]).netloc if "://" in body["url"] else body["url"]
    if not named:
        try:
            return api.reply("PUT", _path(context), {**body, "aliases": [name]}).json()
        except CommandError as error:
            if error.status != DENIED:
                raise
    made = api.reply("PUT", _path(context), body).json()
    if not named:
        org = context.options.org
        context.note(f"It has no name for ns= yet; an administrator gives it: moorage mirror add {org} {name}")
    return made


def _show(context: Context) -> None:
    context.output.facts(_known(context, context.api()), _MIRROR)


def _status(context: Context) -> None:
    api = context.api()
    _known(context, api)
    context.output.facts(api.get(f"{_path(context)}/status"), _STATUS)


def _add_remove(parser: ArgumentParser) -> None:
    _add_org(parser)
    add_change(parser)


def _remove(context: Context) -> None:
    options, api = context.options, context.api()
    former = _known(context, api)
    if not options.dry_run:
        api.reply("DELETE", _path(context))
    context.changed(
        f"{would(context)}{options.org} mirrors nothing any more; its packages stay",
        f"moorage mirror add {options.org} {former['url']}",
    )


def _add_config(parser: ArgumentParser) -> None:
    parser.add_argument("client", choices=_CLIENTS)
    _add_org(parser)


def _config(context: Context) -> None:
    options, target = context.options, context.target()
    found = _known(context, context.api_of(target))
    if options.client == "docker":
        lines = _docker(options.org, target.scheme, found)
    elif options.client == "podman":
        lines = _podman(options.org, target.scheme, target.host, found)
    else:
        lines = _containerd(options.org, target.scheme, target.host, found)
    for line in lines:
        context.output.line(line)


def _named(org: str, field: str, option: str, found: dict[str, Any]) -> list[str]:
    names: list[str] = found[field]
    if names:
        return names
    attempt = f"moorage mirror add {org} {found['url']} {option}"
    raise CommandError(f"{org} has no name that this client asks for", status=USAGE,
                       why="an administrator of the registry gives one", attempt=attempt)  # fmt: skip


def _containerd(org: str, scheme: str, host: str, found: dict[str, Any]) -> Iterator[str]:
    for number, name in enumerate(_named(org, "aliases", "--alias NAME", found)):
        if number:
            yield ""
        yield f"# /etc/containerd/certs.d/{name}/hosts.toml"
        yield f'server = "{found["url"]}"'
        yield ""
        yield f'[host."{scheme}://{host}"]'
        yield '  capabilities = ["pull", "resolve"]'
        if found["fetch_by"] != "anonymous":
            yield "  # [base64 of USER:TOKEN, a token with read:packages; the file is then for root alone]"
            yield f'  # [host."{scheme}://{host}".header]'
            yield '  #   authorization = "Basic …"'


def _podman(org: str, scheme: str, host: str, found: dict[str, Any]) -> Iterator[str]:
    name = found["aliases"][0] if found["aliases"] else urlsplit(found["url"]).netloc
    yield f"# /etc/containers/registries.conf.d/{name.replace(':', '_')}.conf"
    if found["fetch_by"] != "anonymous":
        yield f"# Sign in to the mirror: podman login {host}"
    yield "[[registry]]"
    yield f'prefix = "{name}"'
    yield f'location = "{name}"'
    yield ""
    yield "[[registry.mirror]]"
    yield f'location = "{host}/{org.lower()}"'
    if scheme == "http":
        yield "insecure = true"


def _docker(org: str, scheme: str, found: dict[str, Any]) -> Iterator[str]:
    hosts = _named(org, "hosts", "--as-host NAME", found)
    if found["fetch_by"] != "anonymous":
        raise CommandError(
            "docker asks its mirrors as nobody", status=USAGE, why=f"{org} fetches images for those who signed in",
            attempt=f"moorage mirror add {org} {found['url']} --fetch-by anonymous",
        )  # fmt: skip
    document: dict[str, Any] = {"registry-mirrors": [f"{scheme}://{name}" for name in hosts]}
    if scheme == "http":
        document["insecure-registries"] = hosts
    yield from json.dumps(document, indent=2).split("\n")


COMMANDS: Final = {
    "mirror add": Command(_add_add, _add),
    "mirror show": Command(_add_org, _show),
    "mirror status": Command(_add_org, _status),
    "mirror remove": Command(_add_remove, _remove),
    "mirror config": Command(_add_config, _config),
}

"""Tags: the commands ``tags``, ``tag``, ``untag``, and those of their history."""

import re
from argparse import ArgumentParser
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, Final

from registry.cli.client import references
from registry.cli.client.api import Api, package_path
from registry.cli.client.commands import Command, add_change, add_limit, limit_of
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, PARTIAL, REFUSED, USAGE, CommandError
from registry.cli.client.output import Column, short
from registry.cli.client.references import Reference
from registry.cli.client.versions import digest_of, tag_path

_GLOB: Final = "*?["
_VERSION: Final = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)(.*)")
_PIECES: Final = re.compile(r"[0-9]+|[^0-9.-]+")

_TAGS: Final = (
    Column("TAG", lambda one: one["name"]),
    Column("DIGEST", lambda one: one["digest"], "digest"),
    Column("PLATFORMS", lambda one: one["platforms"], "list"),
    Column("SIZE", lambda one: one["size"], "size"),
    Column("UPDATED", lambda one: one["updated_at"], "time"),
    Column("BY", lambda one: (one["pushed_by"] or {}).get("login")),
    Column("DOWNLOADS", lambda one: one["downloads"], "number"),
)


def _add_tags(parser: ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", type=references.parse_package)
    parser.add_argument("--match", metavar="GLOB", help="tags that match: 'v1.*'")
    parser.add_argument("--sort", choices=("newest", "name", "version"), default="newest")
    add_limit(parser)


def _tags(context: Context) -> None:
    options, limit = context.options, limit_of(context)
    glob = options.match or ""
    prefix = glob[: min((at for at in map(glob.find, _GLOB) if at >= 0), default=len(glob))]
    by_version = options.sort == "version"
    found = context.api(options.package).pages(
        package_path(options.package) + "/tags", None if glob or by_version else limit,
        q=prefix or None, sort="name" if options.sort == "name" else None,
    )  # fmt: skip
    found = (one for one in found if not glob or fnmatchcase(one["name"], glob))
    if by_version:
        found = iter(sorted(found, key=lambda one: _version_of(one["name"]), reverse=True))
    shown = list(islice(found, limit))
    context.output.table(_TAGS, shown, lambda one: one["name"])
    if not shown:
        context.note("No tags.")


def _version_of(tag: str) -> tuple[Any, ...]:
    """Return what orders a tag among versions, as Semantic Versioning does; what is no version comes first."""
    found = _VERSION.fullmatch(tag)
    if found is None:
        return (0,)
    more = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in _PIECES.findall(found[2]))
    return (1, tuple(map(int, found[1].split("."))), not found[2].startswith("-"), more)


def _add_tag(parser: ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="REFERENCE", type=references.parse_version, help="PACKAGE:TAG or PACKAGE@DIGEST"
    )
    parser.add_argument("tags", metavar="TAG", nargs="+", help="the tags that are to point there")
    parser.add_argument("--force", action="store_true", help="move tags that point elsewhere")
    add_change(parser)


def _tag(context: Context) -> int | None:
    source, options = context.options.source, context.options
    api = context.api(source)
    digest = digest_of(api, source)
    formers = {tag: _former(api, source, tag) for tag in options.tags}
    moved = [tag for tag, (former, _) in formers.items() if former and former != digest]
    if moved and not options.force:
        raise CommandError(
            f"{moved[0]} points at {short(formers[moved[0]][0])}", status=REFUSED,
            why="a tag is moved only with --force", attempt=f"moorage tag {source} {' '.join(options.tags)} --force",
        )  # fmt: skip
    done = []
    for tag, (former, etag) in formers.items():
        if former == digest:
            context.note(f"{tag}: points there already")
            continue
        if not options.dry_run:
            reply = api.reply("PUT", tag_path(source, tag), {"digest": digest}, etag)
            done.append(reply.json())
        undo = f"moorage tag {source.path}@{former} {tag} --force" if former else f"moorage untag {source.path}:{tag}"
        context.changed(f"{_would(context)}{tag}: {f'{short(former)} → ' if former else ''}{short(digest)}", undo)
    if context.output.fields is not None:
        context.output.json(done)
    return None


def _former(api: Api, source: Reference, tag: str) -> tuple[str, str]:
    """Return where a tag points, with its entity tag; empty where there is none."""
    try:
        reply = api.reply("GET", tag_path(source, tag))
    except CommandError as error:
        if error.status == NOT_FOUND:
            return "", ""
        raise
    return reply.json()["digest"], reply.headers.get("ETag", "")


def _add_untag(parser: ArgumentParser) -> None:
    parser.add_argument("references", metavar="PACKAGE:TAG", nargs="+", type=references.parse_version)
    add_change(parser)


def _untag(context: Context) -> int | None:
    failed, given = 0, context.options.references
    for reference in given:
        if reference.digest:
            raise CommandError(f"{reference} is no tag", status=USAGE, attempt=f"moorage delete {reference}")
    for reference in given:
        try:
            api = context.api(reference)
            digest, etag = _known(api, reference)
            if not context.options.dry_run:
                api.reply("DELETE", tag_path(reference, reference.tag), etag=etag)
        except CommandError as error:
            if len(given) == 1:
                raise
            failed += 1
            context.output.error(error)
            continue
        undo = f"moorage tag {reference.path}@{digest} {reference.tag}"
        context.changed(f"{_would(context)}{reference} taken away from {short(digest)}", undo)
    return None if not failed else PARTIAL if failed < len(given) else 1


def _known(api: Api, reference: Reference) -> tuple[str, str]:
    digest, etag = _former(api, reference, reference.tag)
    if not digest:
        raise CommandError(f"there is no tag {reference}", status=NOT_FOUND, attempt=f"moorage tags {reference.path}")
    return digest, etag


def _would(context: Context) -> str:
    return "would be done: " if context.options.dry_run else ""


_EVENTS: Final = (
    Column("WHEN", lambda one: one["created_at"], "time"),
    Column("WHAT", lambda one: one["action"]),
    Column("TAG", lambda one: one["tag"]),
    Column("FROM", lambda one: one["before"], "digest"),
    Column("TO", lambda one: one["digest"], "digest"),
    Column("BY", lambda one: (one["actor"] or {}).get("login")),
)


def _add_history(parser: ArgumentParser) -> None:
    parser.add_argument("reference", metavar="PACKAGE:TAG", type=references.parse_version)
    add_limit(parser)


def _history(context: Context) -> None:
    reference = context.options.reference
    path = f"{tag_path(reference, reference.tag)}/history"
    _show_events(context, list(context.api(reference).pages(path, limit_of(context))))


def _add_rollback(parser: ArgumentParser) -> None:
    parser.add_argument("reference", metavar="PACKAGE:TAG", type=references.parse_version)
    parser.add_argument(
        "--to", default="previous", metavar="DIGEST", help="a version that the tag had (the one before)"
    )
    parser.add_argument("--force", action="store_true", help="set tag rules aside, as an owner of the account")
    add_change(parser)


def _rollback(context: Context) -> None:
    reference, options = context.options.reference, context.options
    if reference.digest:
        raise CommandError(f"{reference} is no tag", status=USAGE, why="expected PACKAGE:TAG")
    api = context.api(reference)
    former, etag = _former(api, reference, reference.tag)
    if options.dry_run:
        context.note(f"would be done: {reference}: {short(former) if former else 'none'} → {short(options.to)}")
        return
    body = {"to": options.to, "force": options.force}
    now = api.reply("POST", f"{tag_path(reference, reference.tag)}/rollback", body, etag).json()
    if context.output.fields is not None:
        context.output.json(now)
    undo = f"moorage tags rollback {reference} --to {former}" if former else f"moorage untag {reference}"
    context.changed(f"{reference}: {f'{short(former)} → ' if former else ''}{short(now['digest'])}", undo)


def _add_activity(parser: ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", type=references.parse_package)
    add_limit(parser)


def _activity(context: Context) -> None:
    package = context.options.package
    found = context.api(package).pages(package_path(package) + "/activity", limit_of(context))
    _show_events(context, list(found))


def _show_events(context: Context, found: list[dict[str, Any]]) -> None:
    context.output.table(_EVENTS, found, lambda one: str(one["id"]))


COMMANDS: Final = {
    "tags": Command(_add_tags, _tags),
    "tags history": Command(_add_history, _history),
    "tags rollback": Command(_add_rollback, _rollback),
    "tag": Command(_add_tag, _tag),
    "untag": Command(_add_untag, _untag),
    "activity": Command(_add_activity, _activity),
}

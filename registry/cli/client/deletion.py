"""Deletion: the commands ``delete`` and ``restore``. What goes is shown before it goes."""

import math
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from registry.cli.client import references
from registry.cli.client.api import Api, package_path
from registry.cli.client.commands import Command, add_change
from registry.cli.client.context import Context
from registry.cli.client.durations import moment
from registry.cli.client.errors import NOT_FOUND, PARTIAL, REFUSED, USAGE, CommandError
from registry.cli.client.output import Column, plural, seconds_of, size
from registry.cli.client.packages import add_selection
from registry.cli.client.references import Reference
from registry.cli.client.versions import id_of

_AT_ONCE: Final = 100
_ROOTS: Final = 50

_GOING: Final = (
    Column("DIGEST", lambda one: one["name"], "digest"),
    Column("TAGS", lambda one: one["tags"], "list"),
    Column("WHAT", lambda one: one["kind"] if one["asked_for"] else f"{one['kind']} (goes with it)"),
    Column("PLATFORMS", lambda one: one["platforms"], "list"),
    Column("SIZE", lambda one: one["size"], "size"),
    Column("DOWNLOADS", lambda one: one["downloads"], "number"),
)


class _Preview(NamedTuple):
    ids: list[int]
    shown: dict[str, Any]
    etag: str


def _add_delete(parser: ArgumentParser) -> None:
    parser.add_argument("references", metavar="REFERENCE", nargs="+", type=references.parse)
    add_selection(parser)
    parser.add_argument("--keep", type=int, default=None, metavar="N", help="of the selected, leave the newest N")
    add_change(parser, asks=True)


def _delete(context: Context) -> int | None:
    options, given = context.options, context.options.references
    selects = options.untagged or options.match or options.older_than or options.keep is not None
    packages = {(one.host, one.path) for one in given}
    if len(packages) != 1 or (len(given) > 1 and not all(one.version for one in given)):
        raise CommandError("one package at a time", status=USAGE, attempt="moorage delete PACKAGE:TAG PACKAGE:TAG")
    package = given[0]._replace(tag="", digest="")
    api = context.api(package)
    if selects and package != given[0]:
        raise CommandError("--untagged, --match, --older-than and --keep select versions of a package", status=USAGE)
    if not selects and package == given[0]:
        _delete_package(context, api, package)
        return None
    if selects:
        found = _selected(context, api, package)
        ids = found[: max(0, len(found) - (options.keep or 0))]
    else:
        ids = list(dict.fromkeys(id_of(api, one) for one in given))
    if not ids:
        context.note("Nothing to delete.")
        return None
    return _delete_versions(context, api, package, ids)


def _selected(context: Context, api: Api, package: Reference) -> list[int]:
    """Return the ids of the versions that the options select, the oldest first."""
    options = context.options
    before = options.older_than and datetime.fromtimestamp(options.older_than(context.output.now), UTC).isoformat()
    tagged = "false" if options.untagged else None
    path = f"{package_path(package)}/selection"
    return [int(one["id"]) for one in api.pages(path, tagged=tagged, match=options.match, pushed_before=before)]


def _delete_package(context: Context, api: Api, package: Reference) -> None:
    path = package_path(package)
    told = api.reply("GET", f"{path}/deletion")
    shown = told.json()
    context.note(f"{package.path}: {_whole(shown)}")
    _check(shown)
    if context.options.dry_run:
        context.note("Nothing was done (--dry-run).")
        return
    context.confirm(f"Delete {package.path} with all of it?")
    api.reply("DELETE", path, etag=told.headers.get("ETag", ""))
    context.changed(
        f"Deleted {package.path}. It can be restored for {shown['restorable_days']:g} days.",
        f"moorage restore {package.path}",
    )


def _whole(shown: dict[str, Any]) -> str:
    return f"{plural(shown['version_count'], 'version')}, {plural(shown['tag_count'], 'tag')}"


def _preview(api: Api, package: Reference, ids: Sequence[int]) -> _Preview:
    """Show what goes with versions. Parts that nothing else holds go too: alone they would be of no use."""
    path, wanted = f"{package_path(package)}/deletion", list(ids)
    while True:
        told = api.reply("GET", path, versions=",".join(map(str, wanted)))
        shown = told.json()
        more = [one["id"] for one in shown["stays"] if one["id"] not in wanted]
        if not more or len(wanted) + len(more) > _AT_ONCE:
            return _Preview(wanted, shown, told.headers.get("ETag", ""))
        wanted += more


def _check(shown: dict[str, Any]) -> None:
    refused = shown["refused"]
    if refused:
        what, why = refused["message"].partition("\n")[0], str(refused.get("fix") or "")
        raise CommandError(what, status=REFUSED, why="" if why in what else why)


def _delete_versions(context: Context, api: Api, package: Reference, ids: list[int]) -> int | None:
    previews = [_preview(api, package, ids[at : at + _ROOTS]) for at in range(0, len(ids), _ROOTS)]
    rows = [one for preview in previews for one in preview.shown["versions"]]
    asked = {number for preview in previews for number in preview.ids} & set(ids)
    for row in rows:
        row["asked_for"] = row["id"] in asked
    rows.sort(key=lambda row: not row["asked_for"])
    context.output.table(_GOING, rows, lambda one: str(one["name"]))
    recent = sum(one.shown["downloads_last_30_days"] for one in previews)
    won = sum(one.shown["bytes"] or 0 for one in previews)
    context.note(f"{_count(rows)}; {size(won)} come free later; {plural(recent, 'download')} in the last 30 days")
    if len(previews) == 1:
        _check(previews[0].shown)
    if context.options.dry_run:
        context.note("Nothing was done (--dry-run).")
        return None
    context.confirm(f"Delete {'it' if len(rows) == 1 else 'them'}?")
    since, gone, failed = "", 0, 0
    try:
        for preview in previews:
            try:
                _check(preview.shown)
                asked_at = time.monotonic()
                reply = api.reply("POST", f"{package_path(package)}/deletion", {"versions": preview.ids}, preview.etag)
            except CommandError as error:
                if len(previews) == 1:
                    raise
                failed += 1
                context.output.error(error)
                continue
            gone += len(preview.shown["versions"])
            # The server's clock, at the latest when it was asked: they were deleted then or later.
            took = timedelta(seconds=math.ceil(time.monotonic() - asked_at))
            since = since or (parsedate_to_datetime(reply.headers["Date"]) - took).isoformat()
    finally:  # who interrupts is told what is gone, too
        if gone:
            days = previews[0].shown["restorable_days"]
            one = f"@{rows[0]['name']}" if len(ids) == 1 else f" --since {since}"
            undo = f"moorage restore {package.path}{one}"
            context.changed(f"Deleted {_count(rows[:gone])}. Restorable for {days:g} days.", undo)
    return None if not failed else PARTIAL if gone else REFUSED


def _count(rows: Sequence[dict[str, Any]]) -> str:
    along = sum(not row["asked_for"] for row in rows)
    asked = len(rows) - along
    with_them = f" and {along} with {'it' if asked == 1 else 'them'} (parts, signatures)" if along else ""
    return plural(asked, "version") + with_them


def _add_restore(parser: ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REFERENCE", type=references.parse)
    parser.add_argument("--since", metavar="WHEN", help="versions deleted since: 5m, 2d, or a time in ISO 8601")
    add_change(parser)


def _restore(context: Context) -> int | None:
    reference, options = context.options.reference, context.options
    api, path = context.api(reference), package_path(context.options.reference)
    if not reference.version and not options.since:
        shown = api.get(f"{path}/restore")
        _check(shown)
        if not options.dry_run:
            api.reply("POST", f"{path}/restore")
        would = "would be restored" if options.dry_run else "is restored"
        context.changed(
            f"{reference.path} {would}: {_whole(shown)}.",
            f"moorage delete {reference.path}",
        )
        return None
    if reference.version:
        ids = [id_of(api, reference, "deleted")]
    else:
        since = moment(options.since, context.output.now)
        listed = api.pages(f"{path}/versions", state="deleted")
        ids = [int(one["id"]) for one in listed if seconds_of(one["deleted_at"]) >= since]
    return _restore_versions(context, api, reference, ids)


def _restore_versions(context: Context, api: Api, package: Reference, ids: list[int]) -> int | None:
    path, back, failed = f"{package_path(package)}/versions", set[int](), 0
    for number in ids:
        if number in back:
            continue  # it came back with another
        try:
            shown = api.get(f"{path}/{number}/restore")
            if not context.options.dry_run:
                api.reply("POST", f"{path}/{number}/restore")
        except CommandError as error:
            if len(ids) == 1:
                raise
            if error.status != NOT_FOUND:
                failed += 1
                context.output.error(error)
            continue
        back |= {int(one["id"]) for one in shown["versions"]}
        _tell_restored(context, shown["versions"])
    if not ids:
        raise CommandError("nothing was deleted since then", status=NOT_FOUND)
    return None if not failed else PARTIAL if back else REFUSED


def _tell_restored(context: Context, versions: Sequence[dict[str, Any]]) -> None:
    for one in versions:
        taken = f" (not {', '.join(one['tags_taken'])}: another version has them)" if one["tags_taken"] else ""
        tags = f" with {', '.join(one['tags'])}" if one["tags"] else ""
        would = "would be restored: " if context.options.dry_run else "restored "
        context.note(f"{would}{one['name']}{tags}{taken}")


COMMANDS: Final = {"delete": Command(_add_delete, _delete), "restore": Command(_add_restore, _restore)}

"""Deletion of all versions that match the filter of the list, batch by batch, each with what goes shown before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.errors import NotDeletable, NotFound, PreconditionFailed
from registry.http.numbers import number_of
from registry.http.web import deletions
from registry.http.web.call import PageCall, queried
from registry.http.web.confirming import Question, ask
from registry.http.web.package import Head, actor_of, managed, opening
from registry.http.web.refusals import told
from registry.http.web.routes import Route
from registry.http.web.sessions import now_of
from registry.http.web.text import machine
from registry.packages.deletion_rules import LastTaggedVersion, LastVersion
from registry.packages.kept_tags import TagProtected
from registry.packages.selections import Batch, filter_of
from storage.metadata.selections import Filter

_MATCH_MAX: Final = 128
_DAYS_MAX: Final = 36500
_TAGGED: Final = {"tagged": True, "untagged": False}


def asked(read: Callable[[str], str], now: datetime) -> Filter:
    """Return the filter that a query or a form has: ``show``, ``match``, and ``older``: days, or a time in ISO 8601."""
    return filter_of(
        tagged=_TAGGED.get(read("show")),
        match=read("match").strip()[:_MATCH_MAX],
        pushed_before=_pushed_before(read("older").strip(), now),
    )


def _pushed_before(text: str, now: datetime) -> datetime | None:
    days = number_of(text)
    if days is not None:
        return now - timedelta(days=min(days, _DAYS_MAX))
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo is not None and found < now else None
    except (ValueError, OverflowError):  # in UTC it may be before the year 1
        return None


def _path(head: Head) -> str:
    return f"{head.path}/-/versions/delete/matching"


def _query(wanted: Filter, read: Callable[[str], str]) -> dict[str, str]:
    """Return the parameters of the filter, in which the age is a moment: the same versions match later, too."""
    before = "" if wanted.pushed_before is None else machine(wanted.pushed_before)
    return {"show": read("show"), "match": read("match").strip()[:_MATCH_MAX], "older": before}


async def page(call: PageCall) -> web.Response:
    """Show what the deletion of the next versions that match takes along."""
    head, _ = await managed(call, Action.DELETE)
    return await _page(call, head, call.query)


async def _page(call: PageCall, head: Head, read: Callable[[str], str], *, stale: bool = False) -> web.Response:
    wanted = asked(read, now_of(call.services))
    given = _query(wanted, read)
    after = number_of(read("after")) or 0
    batch = await call.services.versions.batch(head.package_id, wanted, after)
    found = batch.preview
    if found is None:
        if batch.after is None:
            words = call.say("No version that could be deleted matches.")
            if after:
                words = call.say("No more versions match.")
            return call.redirect(_list(head, given), words, "info")
        return call.redirect(queried(_path(head), **given, after=str(batch.after)))
    question = Question(
        call.say("Delete all versions that match"),
        (),
        call.say("Delete %(count)s", count=deletions.counted(call, len(found.deletion.versions))),
        _list(head, given),
        hidden=(("seen", found.deletion.etag), ("after", str(after)), *given.items()),
    )
    return ask(
        call,
        question,
        template="delete_matching.html",
        head=head,
        preview=found,
        named=set(batch.matched),
        tags=sorted({tag for one in found.deletion.versions for tag in one.tags}),
        until=deletions.until(call),
        refused=None if found.deletion.refused is None else told(call, found.deletion.refused),
        last=isinstance(found.deletion.refused, LastVersion | LastTaggedVersion),
        stale=stale,
        changes=[call.say("Other versions match now than before.")],
        batch=batch,
        wanted=given,
        before=wanted.pushed_before,
        api=f"{head.api}/selection",
        command=_command(head, given),
    )


def _list(head: Head, given: dict[str, str]) -> str:
    return queried(f"{head.path}/-/versions", **given)


async def delete(call: PageCall) -> web.Response:
    """Delete the next versions that match, all or none, if these are what was shown; lead on to the next."""
    head, facts = await managed(call, Action.DELETE)
    wanted = asked(call.text, now_of(call.services))
    given = _query(wanted, call.text)
    batch = await call.services.versions.batch(head.package_id, wanted, number_of(call.text("after")) or 0)
    if not batch.ids:
        return call.redirect(_list(head, given), call.say("No more versions match."), "info")
    check = deletions.condition(call.text("seen"))
    try:
        await call.services.versions.delete(head.package_id, batch.ids, actor_of(call, head, facts), check=check)
    except (PreconditionFailed, NotDeletable, TagProtected, NotFound):
        return await _page(call, head, call.text, stale=True)
    return _done(call, head, given, batch)


#: The command has no options for less than all of a filter; it says which.
def _command(head: Head, given: dict[str, str]) -> str:
    parts = [f"moorage delete {head.name}"]
    if given["show"] == "untagged":
        parts.append("--untagged")
    if given["match"]:
        parts.append(f"--match '{given['match']}'")
    if given["older"]:
        parts.append(f"--older-than {given['older']}")
    return " ".join(parts)


def _done(call: PageCall, head: Head, given: dict[str, str], batch: Batch) -> web.Response:
    said = " ".join(
        (
            call.say(
                "Deleted with all that belongs to them: %(count)s.", count=deletions.counted(call, len(batch.ids))
            ),
            call.say("To be restored until %(day)s.", day=deletions.until(call)),
        )
    )
    undo = deletions.undo_of(head, batch.ids)
    if batch.after is None:
        return call.redirect(_list(head, given), said, undo=undo)
    return call.redirect(queried(_path(head), **given, after=str(batch.after)), said, undo=undo)


_ADDRESS: Final = "/{owner}/{image}/-/versions/delete/matching"
ROUTES: Final = (Route("GET", _ADDRESS, page, opening=opening), Route("POST", _ADDRESS, delete))

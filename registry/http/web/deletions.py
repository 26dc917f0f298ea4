"""Deletions: of a package, of versions, and of tags, each with what goes along shown before.

A form carries the entity tag of what was shown. If something else would go now, nothing goes, and the page tells what
changed meanwhile.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.errors import Invalid, NotDeletable, NotFound, PreconditionFailed
from registry.http.numbers import number_of
from registry.http.web.call import PageCall
from registry.http.web.confirming import Question, ask, wrong_name
from registry.http.web.flash import Undo
from registry.http.web.package import Head, actor_of, managed, opening
from registry.http.web.reading import named
from registry.http.web.refusals import told
from registry.http.web.restores import deleted_package
from registry.http.web.routes import Route
from registry.http.web.sessions import now_of
from registry.http.web.signed_in import is_recent, to_sign_in
from registry.http.web.text import day, short
from registry.packages.conditions import DeletionCheck
from registry.packages.deletion_rules import LastTaggedVersion, LastVersion
from registry.packages.deletions import PackageDeletion, Preview
from registry.packages.kept_tags import TagProtected
from storage.metadata.database import Transaction
from storage.names import Digest, InvalidName, TagName

#: As many as the API takes at once.
_VERSIONS_MAX: Final = 100
_TAG_MAX: Final = 128
#: Of what a form remembers of its preview.
_REMEMBERED: Final = 8000


def condition(seen: str) -> DeletionCheck:
    """Return the check that what goes now is what was shown. The check raises PreconditionFailed."""

    async def check(_tx: Transaction, preview: str) -> None:
        if preview != seen:
            raise PreconditionFailed(preview)

    return check


def until(call: PageCall) -> str:
    """Return the day until which a deletion of now can be undone."""
    days = call.services.settings.lifetimes.restore_days
    return day(now_of(call.services) + timedelta(days=days), call.viewer.language)


def _package_question(call: PageCall, head: Head, planned: PackageDeletion) -> Question:
    here, visibility = planned.leaving, planned.leaving.visibility
    lines = [
        call.say("Versions that go: %(count)s", count=f"{here.versions:,}"),
        call.say("Tags that go: %(count)s", count=f"{here.tags:,}"),
        call.say("Downloads of its most downloaded version: %(count)s", count=f"{here.most:,}"),
        call.say("Every pull of it fails from then on."),
        call.say("It can be restored until %(day)s, unless another package takes its name.", day=until(call)),
    ]
    if visibility == "public":
        lines.insert(0, call.say("The package is public: others may depend on it."))
    return Question(
        call.say("Delete the package"),
        lines,
        call.say("Delete %(name)s", name=head.name),
        f"{head.path}/-/settings",
        str(head.name),
        hidden=(("seen", planned.etag), ("was", f"{here.versions} {here.tags}")),
    )


async def package_page(call: PageCall) -> web.Response:
    """Show what the deletion of a package takes along."""
    head, _ = await managed(call, Action.DELETE)
    if not is_recent(call):
        return to_sign_in(call, call.path)
    return await _package_page(call, head)


async def _package_page(call: PageCall, head: Head, *, stale: bool = False) -> web.Response:
    planned = await call.services.packages.plan(call.services.db, head.package_id)
    question = _package_question(call, head, planned)
    wrong = wrong_name(call, question) if call.fields and not stale else None
    changes = []
    if stale:
        versions, _, tags = call.text("was", 100).partition(" ")
        changes = [
            call.say("Versions: %(before)s then, %(now)s now", before=versions, now=planned.leaving.versions),
            call.say("Tags: %(before)s then, %(now)s now", before=tags, now=planned.leaving.tags),
        ]
    refused = None if planned.refused is None else told(call, planned.refused)
    return ask(
        call, question, wrong, template="delete_package.html", refused=refused, stale=stale, changes=changes, head=head
    )


async def delete_package(call: PageCall) -> web.Response:
    """Delete a package, if what goes is what was shown."""
    try:
        head, facts = await managed(call, Action.DELETE)
    except NotFound:
        await deleted_package(call, "")
        name = named(call)
        return call.redirect(
            f"/{name.owner}/-/deleted", call.say("The package is deleted already: %(name)s", name=name), "info"
        )
    if not is_recent(call):
        return to_sign_in(call, call.path)
    if call.text("typed") != str(head.name):
        return await _package_page(call, head)
    try:
        actor = actor_of(call, head, facts)
        await call.services.packages.delete(head.package_id, actor, condition(call.text("seen")))
    except (PreconditionFailed, NotDeletable, TagProtected):
        return await _package_page(call, head, stale=True)
    said = call.say(
        "The package is deleted: %(name)s. It can be restored until %(day)s.", name=head.name, day=until(call)
    )
    undo = Undo(f"{head.path}/-/restore", (("package", str(head.package_id)),))
    return call.redirect(f"/{head.name.owner}", said, undo=undo)


def _chosen(texts: Sequence[str]) -> list[int]:
    """Return the ids of versions that a form names. Raises NotFound for what is no id, Invalid for too many."""
    numbers = [number_of(text) for text in texts]
    if None in numbers:
        raise NotFound
    ids = [number for number in dict.fromkeys(numbers) if number is not None]
    if len(ids) > _VERSIONS_MAX:
        raise Invalid(f"Choose at most {_VERSIONS_MAX} versions.")
    return ids


def _back(head: Head) -> str:
    return f"{head.path}/-/versions"


async def versions_page(call: PageCall) -> web.Response:
    """Show what the deletion of the chosen versions takes along."""
    head, _ = await managed(call, Action.DELETE)
    ids = _chosen(call.http.query.getall("version", []))
    if not ids:
        return call.redirect(_back(head), call.say("Choose the versions to delete first."), "warn")
    return await _versions_page(call, head, ids)


async def _versions_page(call: PageCall, head: Head, ids: Sequence[int], *, stale: bool = False) -> web.Response:
    found = await call.services.versions.preview(head.package_id, ids)
    deletion = found.deletion
    tags = sorted({tag for one in deletion.versions for tag in one.tags})
    was = " ".join([str(len(deletion.versions)), *tags])
    question = Question(
        call.say("Delete the version") if len(ids) == 1 else call.say("Delete versions"),
        (),
        call.say("Delete %(count)s", count=counted(call, len(deletion.versions))),
        _back(head),
        hidden=(
            ("seen", deletion.etag),
            ("was", was[:_REMEMBERED].rpartition(" ")[0] if len(was) > _REMEMBERED else was),
            *(("version", str(one)) for one in ids),
        ),
    )
    return ask(
        call,
        question,
        template="delete_versions.html",
        head=head,
        preview=found,
        named={one.root for one in deletion.leaving},
        tags=tags,
        until=until(call),
        refused=None if deletion.refused is None else told(call, deletion.refused),
        last=isinstance(deletion.refused, LastVersion | LastTaggedVersion),
        stale=stale,
        changes=_changes(call, found) if stale else [],
    )


def counted(call: PageCall, count: int) -> str:
    """Return a number of versions in words."""
    return call.say("one version") if count == 1 else call.say("%(count)s versions", count=f"{count:,}")


def _changes(call: PageCall, found: Preview) -> list[str]:
    """Return what changed since the form was made, a line each."""
    count, *before = call.text("was", _REMEMBERED).split(" ")
    now = {tag for one in found.deletion.versions for tag in one.tags}
    lines = []
    if more := sorted(now - set(before))[:20]:
        lines.append(call.say("Tags that go now, too: %(tags)s", tags=", ".join(more)))
    if less := sorted(set(before) - now)[:20]:
        lines.append(call.say("Tags that do not go any more: %(tags)s", tags=", ".join(less)))
    if count != str(len(found.deletion.versions)):
        lines.append(call.say("Versions: %(before)s then, %(now)s now", before=count, now=len(found.deletion.versions)))
    return lines or [call.say("Other versions go along now than before.")]


async def delete_versions(call: PageCall) -> web.Response:
    """Delete versions, all or none, if what goes is what was shown."""
    head, facts = await managed(call, Action.DELETE)
    ids = _chosen(call.fields.all("version"))
    if not ids:
        raise NotFound
    try:
        await call.services.versions.delete(
            head.package_id, ids, actor_of(call, head, facts), check=condition(call.text("seen"))
        )
    except (PreconditionFailed, NotDeletable, TagProtected):
        return await _versions_page(call, head, ids, stale=True)
    except NotFound:
        return call.redirect(_back(head), call.say("Not all of these versions are here any more."), "info")
    said = call.say("Deleted with all that belongs to them: %(count)s.", count=counted(call, len(ids)))
    said = f"{said} {call.say('To be restored until %(day)s.', day=until(call))}"
    return call.redirect(_back(head), said, undo=undo_of(head, ids))


def undo_of(head: Head, ids: Sequence[int]) -> Undo:
    """Return the form that restores versions."""
    return Undo(f"{head.path}/-/restore", tuple(("version", str(one)) for one in ids))


def _tag(call: PageCall) -> TagName:
    try:
        return TagName.parse(call.text("tag", _TAG_MAX))
    except InvalidName as error:
        raise NotFound from error


async def remove_tag(call: PageCall) -> web.Response:
    """Take a tag away; its version stays."""
    head, facts = await managed(call, Action.DELETE)
    name = _tag(call)
    try:
        former = await call.services.tags.get(head.package_id, name, detailed=False)
        await call.services.tags.delete(head.package_id, name, actor_of(call, head, facts))
    except NotFound:
        said = call.say("There is no such tag any more: %(tag)s", tag=name)
        return call.redirect(f"{head.path}/-/tags", said, "info")
    undo = Undo(f"{head.path}/-/tag", (("tag", name), ("digest", former.digest)))
    said = call.say("The tag is removed: %(tag)s. Its version stays.", tag=name)
    return call.redirect(f"{head.path}@{former.digest}", said, undo=undo)


async def put_tag(call: PageCall) -> web.Response:
    """Point a tag at a version of the package."""
    head, facts = await managed(call, Action.PUSH)
    name = _tag(call)
    try:
        digest = Digest.parse(call.text("digest"))
    except InvalidName as error:
        raise NotFound from error
    try:
        await call.services.tags.put(head.package_id, name, digest, actor_of(call, head, facts))
    except Invalid as error:
        raise NotFound from error
    said = call.say("The tag points at the version now: %(tag)s → %(digest)s", tag=name, digest=short(digest))
    return call.redirect(f"{head.path}:{name}", said)


_PACKAGE: Final = "/{owner}/{image}/-"
ROUTES: Final = (
    Route("GET", f"{_PACKAGE}/delete", package_page, opening=opening),
    Route("POST", f"{_PACKAGE}/delete", delete_package),
    Route("GET", f"{_PACKAGE}/versions/delete", versions_page, opening=opening),
    Route("POST", f"{_PACKAGE}/versions/delete", delete_versions),
    Route("POST", f"{_PACKAGE}/untag", remove_tag),
    Route("POST", f"{_PACKAGE}/tag", put_tag),
)

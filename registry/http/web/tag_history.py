"""The history of a tag: who moved it when and where to, and a button that rolls it back."""

from typing import Final

from aiohttp import web

from auth.identity import Action
from auth.permissions import may
from registry.errors import Invalid, NotFound
from registry.http.numbers import number_of
from registry.http.web.call import PageCall
from registry.http.web.package import actor_of, managed, opening
from registry.http.web.routes import Route
from registry.http.web.text import short
from registry.packages import tag_history as rules
from storage.names import Digest, InvalidName, TagName

_ROWS: Final = 50
_TAG_MAX: Final = 200


def _tag(text: str) -> TagName:
    """Parse a tag. Raises NotFound."""
    try:
        return TagName.parse(text)
    except InvalidName as error:
        raise NotFound from error


async def history(call: PageCall) -> web.Response:
    """Show where a tag pointed; also of a tag that is gone."""
    head, facts = await managed(call, Action.PULL)
    name, text = _tag(call.param("tag")), call.query("after")
    after = number_of(text)
    found = await call.services.activity.history(head.package_id, name, detailed=False, after=after, limit=_ROWS)
    identity = call.viewer.identity
    states = ("live", "deleted") if may(identity, Action.RESTORE, head.name, facts) else ("live",)
    allowed = may(identity, Action.PUSH, head.name, facts)
    return call.page(
        "tag_history.html",
        title=[call.say("History of the tag"), f"{head.name}:{name}"],
        api=f"{head.api}/tags/{name}/history",
        command=f"moorage tags history {head.name}:{name}",
        head=head,
        tag=name,
        events=found.events,
        after=text if after is not None else "",
        more=None if found.after is None else str(found.after),
        back=states if allowed else (),
        now=found.events[0].digest if found.events and after is None else None,
    )


async def roll_back(call: PageCall) -> web.Response:
    """Point a tag at a version that it had before; a deleted version is restored first."""
    head, facts = await managed(call, Action.PUSH)
    name = _tag(call.text("tag", _TAG_MAX))
    try:
        digest = Digest.parse(call.text("digest"))
    except InvalidName as error:
        raise NotFound from error
    path = f"{head.path}/-/tags/{name}"
    try:
        await rules.roll_back(
            call.services.db,
            head.package_id,
            name,
            digest,
            actor_of(call, head, facts),
            call.services.settings.lifetimes,
            may_restore=may(call.viewer.identity, Action.RESTORE, head.name, facts),
        )
    except Invalid:
        return call.redirect(path, call.say("This version can no longer be restored."), "bad")
    said = call.say("The tag points at the version now: %(tag)s → %(digest)s", tag=name, digest=short(digest))
    return call.redirect(path, said)


_PACKAGE: Final = "/{owner}/{image}/-"
ROUTES: Final = (
    Route("GET", f"{_PACKAGE}/tags/{{tag}}", history, opening=opening),
    Route("POST", f"{_PACKAGE}/rollback", roll_back),
)

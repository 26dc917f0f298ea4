"""The versions of a package, the newest first: images and artifacts, without what belongs to them."""

from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.http.numbers import number_of
from registry.http.web import artifacts
from registry.http.web.call import PageCall, queried
from registry.http.web.package import managed, opening
from registry.http.web.routes import Route
from registry.http.web.selections import asked
from registry.http.web.sessions import now_of
from storage.metadata import package_pages
from storage.metadata.query import LAST

_ROWS: Final = 50


async def versions(call: PageCall) -> web.Response:
    """List the versions of a package."""
    head, _ = await managed(call, Action.PULL)
    which, after = call.query("show"), call.query("after")
    if which not in package_pages.VERSION_FILTERS:
        which = ""
    before = number_of(after)
    wanted = asked(call.query, now_of(call.services))
    rows, below = await package_pages.versions(
        call.services.db, head.package_id, which, wanted, before=LAST if before is None else before, limit=_ROWS
    )
    return call.page(
        "versions.html",
        title=[call.say("Versions"), str(head.name)],
        api=f"{head.api}/versions",
        command=f"moorage versions {head.name}",
        match=call.query("match"),
        older=call.query("older"),
        to=queried,
        head=head,
        rows=[(row, artifacts.kind_of(row.media_type, row.artifact_type, row.kind)) for row in rows],
        which=which,
        after=after,
        more=None if below is None else str(below),
    )


ROUTES: Final = (Route("GET", "/{owner}/{image}/-/versions", versions, opening=opening),)

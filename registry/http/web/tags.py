"""The tags of a package: the newest first, by name, or those that begin with a text."""

import shlex
from collections import defaultdict
from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.http.web import artifacts
from registry.http.web.call import PageCall, queried
from registry.http.web.package import managed, opening
from registry.http.web.routes import Route
from registry.packages.tags import SORTS
from storage.metadata import package_pages

_ROWS: Final = 100


async def tags(call: PageCall) -> web.Response:
    """List the tags of a package."""
    head, _ = await managed(call, Action.PULL)
    query, sort, after = call.query("q").strip(), call.query("sort"), call.query("after")
    page = await call.services.tags.page(
        head.package_id,
        detailed=False,
        prefix=query,
        sort=None if query or sort not in SORTS else sort,
        after=after or None,
        limit=_ROWS,
    )
    names, signed = defaultdict(list), defaultdict(list)
    for tag in page.tags:
        names[tag.digest].append(tag.name)
    for one in await package_pages.referrers(call.services.db, head.package_id, list(names)):
        signed[one.subject].append(one.artifact_type or "")
    return call.page(
        "tags.html",
        title=[call.say("Tags"), str(head.name)],
        api=queried(f"{head.api}/tags", q=query),
        command=f"moorage tags {head.name}{' --match ' + shlex.quote(query + '*') if query else ''}",
        head=head,
        found=page,
        query=query,
        sort=sort if sort in SORTS else "updated",
        after=after,
        names=names,
        signed={digest: artifacts.kinds(types) for digest, types in signed.items()},
    )


ROUTES: Final = (Route("GET", "/{owner}/{image}/-/tags", tags, opening=opening),)

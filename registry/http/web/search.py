"""Explore and search: the packages that the viewer may see, all of them or by the beginnings of their names."""

import shlex
from typing import Final, cast
from urllib.parse import quote

from aiohttp import web

from registry.http.web.call import PageCall
from registry.http.web.routes import Route
from registry.packages import search as rule

_ROWS: Final = 30


async def explore(call: PageCall) -> web.Response:
    """List packages; ``q`` begins an owner or a component of a name."""
    query, sort, after = call.query("q").strip(), call.query("sort"), call.query("after")
    if sort not in rule.SORTS:
        sort = "newest"
    found = await rule.search(
        call.services.db,
        call.viewer.token_id,
        query,
        sort=cast("rule.Sort", sort),
        after=after or None,
        limit=_ROWS,
    )
    return call.page(
        "explore.html",
        title=[query, call.say("Search")] if query else [call.say("Explore")],
        api=f"/search/packages{'?q=' + quote(query) if query else ''}",
        command=f"moorage packages --search {shlex.quote(query)}",
        search=query,
        sort=sort,
        after=after,
        found=found,
    )


ROUTES: Final = (Route("GET", "/explore", explore), Route("GET", "/search", explore))

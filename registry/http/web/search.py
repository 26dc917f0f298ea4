"""Explore and search: the packages that the viewer may see, all of them or by the beginnings of their names."""

import shlex
from typing import Final, cast

from aiohttp import web

from registry.http.web.call import PageCall, queried
from registry.http.web.routes import Route
from registry.packages import search as rule

_ROWS: Final = 30


async def searched(call: PageCall, limit: int) -> tuple[str, rule.Sort, str, rule.Found]:
    """Search as the query of a page asks for it: ``q`` begins an owner or a component of a name.

    Returns ``q``, ``sort``, ``after`` and what was found.
    """
    query, sort, after = call.query("q").strip(), call.query("sort"), call.query("after")
    order = cast("rule.Sort", sort if sort in rule.SORTS else "newest")
    found = await rule.search(
        call.services.db, call.viewer.token_id, query, sort=order, after=after or None, limit=limit
    )
    return query, order, after, found


async def explore(call: PageCall) -> web.Response:
    """List the packages that were searched for."""
    query, sort, after, found = await searched(call, _ROWS)
    return call.page(
        "explore.html",
        title=[query, call.say("Search")] if query else [call.say("Explore")],
        api=queried("/search/packages", q=query),
        command=f"moorage packages --search {shlex.quote(query)}",
        search=query,
        sort=sort,
        after=after,
        found=found,
    )


ROUTES: Final = (Route("GET", "/explore", explore), Route("GET", "/search", explore))

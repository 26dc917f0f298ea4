"""Search by API, in the shape of GitHub's: how many there are, and a page of them."""

from typing import Any, Final, cast

from aiohttp import web

from registry.http.api.call import ApiCall, answer
from registry.http.api.families import one_of
from registry.http.api.packages import package
from registry.http.api.paging import after_link, after_of
from registry.http.api.routes import Access, Route
from registry.http.api.schemas import packages as schemas
from registry.packages import search as rule
from storage.metadata.search import FoundPackage


async def search_packages(call: ApiCall) -> web.Response:
    """Find packages: public ones, and those that the viewer may see; ``q`` begins an owner or a component of a name.

    The newest first, or by name. At most 1,000 of them are counted, and of a search with ``q`` shown.
    """
    query = call.http.query
    sort = cast("rule.Sort", one_of(call, "sort", rule.SORTS) or "newest")
    after, size = after_of(call)
    found = await rule.search(
        call.services.db,
        call.token_id,
        query.get("q", ""),
        sort=sort,
        after=after,
        limit=size,
        counted=True,
    )
    body = {
        "total_count": found.total,
        "incomplete_results": not found.complete,
        "items": [_item(call, one) for one in found.packages],
    }
    return answer(body, headers=after_link(call, size, found.after))


def _item(call: ApiCall, found: FoundPackage) -> dict[str, Any]:
    told = {
        "description": found.description,
        "license": found.licenses,
        "published_at": found.published_at,
        "score": 1.0,
    }
    return {**package(call, found), **told}


ROUTES: Final = (
    Route(
        "GET",
        "/search/packages",
        search_packages,
        "Search packages",
        Access.ANYBODY,
        query=("q", "sort", "after", "per_page"),
        statuses=(200, 422),
        answer=schemas.PackageSearch,
    ),
)

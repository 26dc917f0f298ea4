"""Downloads by API: by day, and those of signatures and attestations apart from those of the image."""

from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.errors import NotFound
from registry.http.api.call import ApiCall, answer
from registry.http.api.families import VERSION, allowed, family, one_of
from registry.http.api.schemas import packages as schemas
from storage.metadata import downloads, versions

_INTERVALS: Final = ("day",)


async def list_downloads(call: ApiCall) -> web.Response:
    """List a version's downloads by UTC day; a pull is counted some seconds late."""
    version_id = call.number("package_version_id")
    one_of(call, "interval", _INTERVALS)
    package_id, _ = await allowed(call, Action.PULL)
    if await versions.get(call.services.db, package_id, version_id) is None:
        raise NotFound
    days = await downloads.days(call.services.db, package_id, version_id)
    totals = {kind: sum(day.count for day in days if day.kind == kind) for kind in ("image", "signature")}
    body = {
        "version_id": version_id,
        "interval": "day",
        "total": sum(totals.values()),
        "totals": totals,
        "downloads": [{"day": day.day, "kind": day.kind, "count": day.count} for day in days],
    }
    return answer(body)


ROUTES: Final = family(
    "GET",
    f"{VERSION}/downloads",
    list_downloads,
    "Get the downloads of a version of a package",
    scope="read:packages",
    query=("interval",),
    statuses=(200, 401, 403, 404, 422),
    answer=schemas.VersionDownloads,
)

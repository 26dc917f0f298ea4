"""The audit log, at GitHub's addresses and in GitHub's shape, as JSON or as JSON lines."""

from typing import Final

import orjson
from aiohttp import web

from registry.accounts import audit
from registry.accounts.audit import Query
from registry.errors import NotFound
from registry.events import audit_entry
from registry.http.api import rights
from registry.http.api.call import ApiCall, answer
from registry.http.api.families import one_of
from registry.http.api.paging import after_link, size_of
from registry.http.api.routes import Access, Route
from registry.http.api.schemas import site as schemas

#: The one enterprise that there is.
ENTERPRISE: Final = "moorage"
JSON_LINES: Final = "application/x-ndjson"
_ORDERS: Final = ("desc", "asc")
#: Of GitHub's kinds there are the events of the web alone: what git does is not seen here.
_INCLUDED: Final = ("web", "all", "git")
_QUERY: Final = ("phrase", "include", "after", "before", "order", "per_page")


async def get_organization_log(call: ApiCall) -> web.Response:
    """List what happened to an organization and its packages, the newest first; for its owners."""
    found = await rights.owner_of(call)
    return await _log(call, found.id)


async def get_my_log(call: ApiCall) -> web.Response:
    """List what happened to your account and its packages, the newest first."""
    return await _log(call, rights.myself(call))


async def get_log_of_all(call: ApiCall) -> web.Response:
    """List what happened in the registry, the newest first; the enterprise is called moorage."""
    if call.param("enterprise").lower() != ENTERPRISE:
        raise NotFound
    return await _log(call, None)


async def _log(call: ApiCall, owner_id: int | None) -> web.Response:
    size, asked = size_of(call), call.http.query
    order, included = one_of(call, "order", _ORDERS), one_of(call, "include", _INCLUDED)
    query = Query(
        asked.get("phrase", ""),
        asked.get("after", ""),
        asked.get("before", ""),
        oldest_first=order == "asc",
        limit=size,
    )
    found = await audit.page(call.services.db, owner_id, query)
    entries = [] if included == "git" else [audit_entry(entry) for entry in found.entries]
    headers = after_link(call, size, None if included == "git" else found.after)
    if JSON_LINES not in call.http.headers.get("Accept", ""):
        return answer(entries, headers=headers)
    body = b"".join(orjson.dumps(entry) + b"\n" for entry in entries)
    response = answer([], headers=headers)
    response.body, response.content_type, response.charset = body, JSON_LINES, None
    return response


ROUTES: Final = (
    Route(
        "GET",
        "/orgs/{org}/audit-log",
        get_organization_log,
        "Get the audit log for an organization",
        scope="admin:org",
        query=_QUERY,
        statuses=(200, 404, 422),
        answer=list[schemas.AuditEntry],
        also=(JSON_LINES,),
    ),
    Route(
        "GET",
        "/enterprises/{enterprise}/audit-log",
        get_log_of_all,
        "Get the audit log for an enterprise",
        Access.SITE_ADMIN,
        query=_QUERY,
        statuses=(200, 404, 422),
        answer=list[schemas.AuditEntry],
        also=(JSON_LINES,),
    ),
    Route(
        "GET",
        "/user/audit-log",
        get_my_log,
        "Get the audit log of your account",
        scope="user",
        query=_QUERY,
        statuses=(200, 422),
        answer=list[schemas.AuditEntry],
        also=(JSON_LINES,),
    ),
)

"""Quotas by API: administrators set them, and owners see them."""

from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from registry.http.api import rights
from registry.http.api.call import ApiCall, answer, nothing
from registry.http.api.paging import size_of
from registry.http.api.routes import Access, Handler, Route
from registry.http.api.schemas import usage as schemas
from registry.http.api.usage import quota_of, used_of
from registry.packages import quotas as rules
from storage.metadata import quotas, usage_reports
from storage.metadata.quotas import Quota


class NewQuota(msgspec.Struct):
    """A quota to be set."""

    bytes: Annotated[int, msgspec.Meta(ge=0, le=rules.BYTES_MAX)]
    hard: bool = True
    warn_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = rules.WARN_PERCENT


def _shape(quota: Quota) -> dict[str, Any]:
    return {"bytes": quota.bytes, "hard": quota.hard, "warn_percent": quota.warn_percent}


async def set_organization_quota(call: ApiCall) -> web.Response:
    """Set the quota of an organization."""
    return await _set(call, (await rights.organization(call)).id)


async def set_user_quota(call: ApiCall) -> web.Response:
    """Set the quota of a user."""
    return await _set(call, (await rights.user(call)).id)


async def _set(call: ApiCall, owner_id: int) -> web.Response:
    given = call.body(NewQuota)
    quota = Quota(given.bytes, given.hard, given.warn_percent)
    await rules.put(call.services.db, owner_id, quota, call.actor)
    return answer(_shape(quota))


async def remove_organization_quota(call: ApiCall) -> web.Response:
    """Remove the quota of an organization, if there is one."""
    await quotas.remove(call.services.db, (await rights.organization(call)).id, call.actor)
    return nothing()


async def remove_user_quota(call: ApiCall) -> web.Response:
    """Remove the quota of a user, if there is one."""
    await quotas.remove(call.services.db, (await rights.user(call)).id, call.actor)
    return nothing()


async def list_usage(call: ApiCall) -> web.Response:
    """List the accounts that use most, the largest first."""
    found = await usage_reports.owners(call.services.db, size_of(call))
    return answer([{"login": one.login, "type": one.kind, **used_of(one), "quota": quota_of(one)} for one in found])


_ADMIN: Final = Access.SITE_ADMIN


def _routes(prefix: str, whose: str, setting: Handler, removing: Handler) -> tuple[Route, Route]:
    path, told = f"{prefix}/packages/quota", f"{prefix}/packages/usage"
    return (
        Route(
            "PUT",
            path,
            setting,
            f"Set the quota of {whose}",
            _ADMIN,
            body=NewQuota,
            statuses=(200, 404, 422),
            told_by=told,
            answer=schemas.Quota,
        ),
        Route("DELETE", path, removing, f"Delete the quota of {whose}", _ADMIN, statuses=(204, 404), told_by=told),
    )


ROUTES: Final = (
    *_routes("/orgs/{org}", "an organization", set_organization_quota, remove_organization_quota),
    *_routes("/users/{username}", "a user", set_user_quota, remove_user_quota),
    Route(
        "GET",
        "/admin/usage",
        list_usage,
        "List the accounts that use most",
        _ADMIN,
        query=("per_page",),
        answer=list[schemas.OwnersUsage],
    ),
)

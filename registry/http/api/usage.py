"""Disk usage by API: of a package, and of all packages of an account."""

from typing import Any, Final

from aiohttp import web

from auth.identity import Action
from auth.permissions import may
from registry.http.api import rights
from registry.http.api.call import ApiCall, answer
from registry.http.api.families import PACKAGE, allowed, family, package_name, shown
from registry.http.api.routes import Route
from registry.http.api.schemas import usage as schemas
from storage.metadata import usage, usage_reports
from storage.metadata.usage import Usage
from storage.metadata.usage_reports import Used

_LARGEST: Final = 100
_PERCENT: Final = 100


async def get_package_usage(call: ApiCall) -> web.Response:
    """Tell the bytes of a package: stored, as pulled, and to its admins those that deleted versions alone need."""
    package_id, standing = await allowed(call, Action.PULL)
    await shown(call, package_id)
    found = await usage.of_package(call.services.db, package_id)
    restores = may(call.identity, Action.RESTORE, package_name(call), standing)
    return answer(_usage(found, everything=restores))


async def get_my_usage(call: ApiCall) -> web.Response:
    """Tell the bytes of all of the caller's packages."""
    return answer(await _of_owner(call, rights.myself(call)))


async def get_user_usage(call: ApiCall) -> web.Response:
    """Tell the bytes of all packages of a user; to the user and to administrators."""
    return answer(await _of_owner(call, (await rights.own_user(call)).id))


async def get_organization_usage(call: ApiCall) -> web.Response:
    """Tell the bytes of all packages of an organization; to its owners."""
    return answer(await _of_owner(call, (await rights.owner_of(call)).id))


async def _of_owner(call: ApiCall, owner_id: int) -> dict[str, Any]:
    used, largest = await usage_reports.of_owner(call.services.db, owner_id, _LARGEST)
    return {
        **_usage(await usage.of_owner(call.services.db, owner_id), everything=True),
        **used_of(used),
        "quota": quota_of(used),
        "packages": [
            {"name": one.name, "bytes": one.bytes, "version_count": one.versions, "deleted": one.deleted}
            for one in largest
        ],
    }


def used_of(used: Used) -> dict[str, Any]:
    """Render what an owner uses, as quotas have it."""
    percent = round(used.used * _PERCENT / used.quota, 1) if used.quota else None
    return {"used_bytes": used.used, "used_percent": percent, "counted_at": used.counted_at}


def quota_of(used: Used) -> dict[str, Any] | None:
    """Render the quota of an owner."""
    if used.quota is None:
        return None
    return {"bytes": used.quota, "hard": used.hard, "warn_percent": used.warn_percent}


def _usage(found: Usage, *, everything: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"stored_bytes": found.stored, "pulled_bytes": found.pulled, "complete": found.complete}
    return {**body, "deleted_bytes": found.deleted, "unpublished_bytes": found.loose} if everything else body


ROUTES: Final = (
    *family(
        "GET",
        f"{PACKAGE}/usage",
        get_package_usage,
        "Get the disk usage of a package",
        scope="read:packages",
        statuses=(200, 401, 403, 404),
        answer=schemas.Usage,
    ),
    Route(
        "GET",
        "/user/packages/usage",
        get_my_usage,
        "Get the disk usage of your packages",
        scope="user",
        answer=schemas.OwnerUsage,
    ),
    Route(
        "GET",
        "/users/{username}/packages/usage",
        get_user_usage,
        "Get the disk usage of a user's packages",
        scope="user",
        statuses=(200, 404),
        answer=schemas.OwnerUsage,
    ),
    Route(
        "GET",
        "/orgs/{org}/packages/usage",
        get_organization_usage,
        "Get the disk usage of an organization's packages",
        scope="read:org",
        statuses=(200, 404),
        answer=schemas.OwnerUsage,
    ),
)

"""Versions by API: a version is a manifest, with its digest for a name."""

from typing import Any, Final

from aiohttp import web

from auth.identity import Action
from registry.errors import NotFound
from registry.events import who
from registry.http.api.call import ApiCall, answer, nothing
from registry.http.api.conditions import deletion_check_of
from registry.http.api.families import (
    PACKAGE,
    VERSION,
    actor_of,
    allowed,
    detailed,
    family,
    one_of,
    package_path,
    pusher,
    quoted,
    shown,
)
from registry.http.api.paging import page_of
from registry.http.api.schemas import packages as schemas
from storage.metadata import versions
from storage.metadata.catalog import ShownPackage
from storage.metadata.database import Transaction
from storage.metadata.versions import Version

_STATES: Final = ("active", "deleted")


async def list_versions(call: ApiCall) -> web.Response:
    """List versions, the newest first; with ``state=deleted`` the restorable ones, for viewers who may restore."""
    deleted = one_of(call, "state", _STATES) == "deleted"
    page = page_of(call)
    package_id, standing = await allowed(call, Action.RESTORE if deleted else Action.PULL)
    in_detail = detailed(call, standing)
    package, db = await shown(call, package_id), call.services.db
    if deleted:
        window = call.services.settings.lifetimes.restore_seconds
        rows = await versions.deleted(db, package_id, page.size, page.offset, window_seconds=window)
    else:
        rows = await versions.page(db, package_id, page.size, page.offset)
    links = page.links(call, rows[0].total if rows else 0)
    return answer([_version(call, package, row, in_detail=in_detail) for row in rows], headers=links)


async def get_version(call: ApiCall) -> web.Response:
    """Return one version."""
    version_id = call.number("package_version_id")
    package_id, standing = await allowed(call, Action.PULL)
    package = await shown(call, package_id)
    found = await versions.get(call.services.db, package_id, version_id)
    if found is None:
        raise NotFound
    return answer(_version(call, package, found, in_detail=detailed(call, standing)))


async def delete_version(call: ApiCall) -> web.Response:
    """Delete a version with its tags, signatures and other referrers; the version can be restored for a while.

    What has a tag keeps what it is part of: a child of a tagged index is not deleted, a referrer with a tag stays.
    """
    version_id = call.number("package_version_id")
    package_id, standing = await allowed(call, Action.DELETE)

    async def read(tx: Transaction) -> web.Response:
        found = await versions.get(tx, package_id, version_id)
        if found is None:
            raise NotFound
        return answer(_version(call, await shown(call, package_id, tx), found, in_detail=detailed(call, standing)))

    check = deletion_check_of(call, read)
    await call.services.versions.delete(package_id, [version_id], actor_of(call, standing), check=check)
    return nothing()


async def restore_version(call: ApiCall) -> web.Response:
    """Restore a version with the referrers deleted along, and with the tags whose names are still free."""
    version_id = call.number("package_version_id")
    package_id, standing = await allowed(call, Action.RESTORE)
    await call.services.versions.restore(package_id, version_id, actor_of(call, standing))
    return nothing()


def _version(call: ApiCall, package: ShownPackage, found: Version, *, in_detail: bool) -> dict[str, Any]:
    """Render a version as «Package Version»."""
    path, name = package_path(package), quoted(package.name)
    shape = {
        "id": found.id,
        "name": found.digest,
        "url": f"{call.base}/{path}/{name}/versions/{found.id}",
        "package_html_url": f"{call.origin}/{path}/package/{name}",
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "html_url": f"{call.origin}/{path}/{name}/{found.id}",
        "metadata": {"package_type": "container", "container": {"tags": found.tags}},
        "media_type": found.media_type,
        "kind": found.kind,
        "platforms": found.platforms,
    }
    told = {
        "license": found.licenses,
        "license_is_spdx": found.licenses_spdx,
        "description": found.description,
        "deleted_at": found.deleted_at,
        "parents": found.parents or None,
        "subject": found.subject,
        "size": found.size,
        "pushed_by": pusher(
            call, who(found.pusher_id, found.pusher_login, found.pusher_via, found.pusher_token, detailed=in_detail)
        ),
    }
    return {**shape, **{key: value for key, value in told.items() if value is not None}}


ROUTES: Final = (
    *family(
        "GET",
        f"{PACKAGE}/versions",
        list_versions,
        "List the versions of a package",
        scope="read:packages",
        query=("state", "page", "per_page"),
        statuses=(200, 400, 401, 403, 404, 422),
        answer=list[schemas.PackageVersion],
    ),
    *family(
        "GET",
        VERSION,
        get_version,
        "Get a version of a package",
        scope="read:packages",
        statuses=(200, 401, 403, 404),
        answer=schemas.PackageVersion,
    ),
    *family(
        "DELETE",
        VERSION,
        delete_version,
        "Delete a version of a package",
        locks=True,
        scope="delete:packages",
        statuses=(204, 400, 401, 403, 404, 409),
    ),
    *family(
        "POST",
        f"{VERSION}/restore",
        restore_version,
        "Restore a version of a package",
        scope="write:packages",
        statuses=(204, 401, 403, 404, 409),
    ),
)

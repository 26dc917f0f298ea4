"""Previews of deletions and restores, and the deletion of several versions at once."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from auth.identity import Action
from registry.errors import Invalid, RegistryError
from registry.http.api.call import ApiCall, answer, nothing
from registry.http.api.conditions import deletion_check_of
from registry.http.api.families import PACKAGE, VERSION, actor_of, allowed, family, moment_of, one_of, shown
from registry.http.api.paging import after_link, after_of
from registry.http.api.schemas import packages as schemas
from registry.http.numbers import number_of
from registry.packages.deletions import Preview
from registry.packages.selections import filter_of
from storage.metadata import selections
from storage.metadata.deletions import Leaving

_VERSIONS_MAX: Final = 100
#: Between these every time is one in UTC.


class DoomedVersions(msgspec.Struct):
    """The ids of the versions to delete, 100 at most: all of them, or none."""

    versions: list[int]


async def preview_package(call: ApiCall) -> web.Response:
    """Show what a deletion of the package takes along, or of the versions whose ids ``versions`` names («1,2,3»).

    Its ETag is an If-Match of the deletion: what was shown is what is deleted.
    """
    named = call.http.query.get("versions")
    package_id, _ = await allowed(call, Action.DELETE)
    await shown(call, package_id)
    if named:
        return await _versions(call, package_id, _ids(named))
    planned = await call.services.packages.plan(call.services.db, package_id)
    here = planned.leaving
    body = {
        "id": here.id,
        "version_count": here.versions,
        "tag_count": here.tags,
        "most_downloads": here.most,
        "refused": _refused(planned.refused),
        "restorable_days": call.services.settings.lifetimes.restore_days,
    }
    return answer(body, headers={"ETag": planned.etag})


async def preview_version(call: ApiCall) -> web.Response:
    """Show what a deletion of the version takes along: tags, referrers, downloads, and bytes.

    ``stays``: parts that nothing else holds, and that stay without a tag. Its ETag is an If-Match of the deletion.
    """
    version_id = call.number("package_version_id")
    package_id, _ = await allowed(call, Action.DELETE)
    await shown(call, package_id)
    return await _versions(call, package_id, [version_id])


async def _versions(call: ApiCall, package_id: int, ids: Sequence[int]) -> web.Response:
    found = await call.services.versions.preview(package_id, ids)
    return answer(_preview(call, found), headers={"ETag": found.deletion.etag})


def _preview(call: ApiCall, found: Preview) -> dict[str, Any]:
    named = {one.root for one in found.deletion.leaving}
    return {
        "versions": [_leaving(one, named=one.id in named) for one in found.deletion.versions],
        "stays": [
            {"id": one.id, "name": one.digest, "platforms": one.platforms, "size": one.size} for one in found.stay
        ],
        "downloads_last_30_days": found.effect.recent,
        "bytes": found.effect.bytes,
        "refused": _refused(found.deletion.refused),
        "restorable_days": call.services.settings.lifetimes.restore_days,
    }


def _leaving(one: Leaving, *, named: bool) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.digest,
        "asked_for": named,
        "media_type": one.media_type,
        "artifact_type": one.artifact_type,
        "subject": one.subject,
        "kind": one.sort,
        "platforms": one.platforms,
        "size": one.size,
        "tags": one.tags,
        "downloads": one.downloads,
    }


def _refused(error: RegistryError | None) -> dict[str, Any] | None:
    return None if error is None else {"message": error.message, **(error.detail or {})}


async def delete_versions(call: ApiCall) -> web.Response:
    """Delete several versions at once, or none of them, if one may not be deleted or is not there."""
    ids = _checked(call.body(DoomedVersions).versions)
    package_id, standing = await allowed(call, Action.DELETE)
    await shown(call, package_id)

    check = deletion_check_of(call, None)
    await call.services.versions.delete(package_id, ids, actor_of(call, standing), check=check)
    return nothing()


async def select_versions(call: ApiCall) -> web.Response:
    """List the ids of versions that can be deleted by themselves and match, the oldest first.

    ``match``: a glob that one of its tags matches. Parts of indexes and referrers are none: these go with what they
    belong to, and what is part of a tagged index stays, as does what has a tag that a rule keeps. A page may be
    short, or empty, with another behind it.
    """
    tagged, (after, size) = one_of(call, "tagged", ("true", "false")), after_of(call)
    wanted = filter_of(
        tagged=None if tagged is None else tagged == "true",
        match=call.http.query.get("match", ""),
        pushed_before=moment_of(call, "pushed_before"),
    )
    package_id, _ = await allowed(call, Action.PULL)
    await shown(call, package_id)
    behind = number_of(after or "") or 0
    found = await selections.matching(call.services.db, package_id, wanted, after=behind, limit=size)
    return answer([{"id": one} for one in found.ids], headers=after_link(call, size, found.after))


async def preview_version_restore(call: ApiCall) -> web.Response:
    """Show what a restore of the deleted version brings back: referrers, parts, and tags that nothing else has."""
    version_id = call.number("package_version_id")
    package_id, _ = await allowed(call, Action.RESTORE)
    await shown(call, package_id)
    found = await call.services.versions.preview_restore(package_id, version_id)
    versions = [
        {
            "id": one.id,
            "name": one.digest,
            "asked_for": one.id == version_id,
            "kind": one.sort,
            "subject": one.subject,
            "tags": one.tags,
            "tags_taken": one.taken,
        }
        for one in found.returning
    ]
    return answer({"versions": versions, "restorable_until": found.until, "refused": None})


async def preview_package_restore(call: ApiCall) -> web.Response:
    """Show what a restore of the deleted package brings back, and whether its name is in use again.

    ``token``: the id of the package, where several of the name were deleted; else it is the last of them.
    """
    package_id, _ = await allowed(call, Action.RESTORE, deleted=True)
    found = await call.services.packages.preview_restore(package_id)
    here = found.returning
    body = {
        "id": here.id,
        "version_count": here.versions,
        "tag_count": here.tags,
        "deleted_at": here.deleted_at,
        "restorable_until": found.until,
        "refused": _refused(found.refused),
    }
    return answer(body)


def _ids(text: str) -> list[int]:
    return _checked([number_of(part) or 0 for part in text.split(",", _VERSIONS_MAX)])


def _checked(ids: list[int]) -> list[int]:
    if not 1 <= len(ids) <= _VERSIONS_MAX or any(not 0 < one < 2**63 for one in ids):
        raise Invalid(f"Invalid request.\n\nFor 'versions', expected 1 to {_VERSIONS_MAX} ids.")
    return ids


_PREVIEW: Final = (200, 401, 403, 404)

ROUTES: Final = (
    *family(
        "GET",
        f"{PACKAGE}/deletion",
        preview_package,
        "Show what a deletion of a package or of versions takes along",
        scope="delete:packages",
        query=("versions",),
        statuses=(*_PREVIEW, 422),
        answer=(schemas.PackageDeletion, schemas.VersionsDeletion),
    ),
    *family(
        "POST",
        f"{PACKAGE}/deletion",
        delete_versions,
        "Delete several versions of a package",
        scope="delete:packages",
        body=DoomedVersions,
        statuses=(204, 400, 401, 403, 404, 409, 412, 413, 422),
    ),
    *family(
        "GET",
        f"{PACKAGE}/selection",
        select_versions,
        "List versions to delete by tag and age",
        scope="read:packages",
        query=("tagged", "match", "pushed_before", "after", "per_page"),
        statuses=(*_PREVIEW, 422),
        answer=list[schemas.SelectedVersion],
    ),
    *family(
        "GET",
        f"{VERSION}/deletion",
        preview_version,
        "Show what a deletion of a version takes along",
        scope="delete:packages",
        statuses=_PREVIEW,
        answer=schemas.VersionsDeletion,
    ),
    *family(
        "GET",
        f"{VERSION}/restore",
        preview_version_restore,
        "Show what a restore of a version brings back",
        scope="write:packages",
        statuses=_PREVIEW,
        answer=schemas.VersionRestore,
    ),
    *family(
        "GET",
        f"{PACKAGE}/restore",
        preview_package_restore,
        "Show what a restore of a package brings back",
        scope="write:packages",
        query=("token",),
        statuses=_PREVIEW,
        answer=schemas.PackageRestore,
    ),
)

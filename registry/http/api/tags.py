"""Tags and activity by API: where each tag points and who pushed it, its history, and what happened to a package."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from auth.identity import Action
from auth.permissions import may
from registry.errors import Invalid, NotFound
from registry.events import Event
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.conditions import check_of
from registry.http.api.families import (
    PACKAGE,
    actor_of,
    allowed,
    detailed,
    family,
    moment_of,
    one_of,
    package_name,
    package_path,
    pusher,
    quoted,
    shown,
)
from registry.http.api.paging import after_link, after_number_of, after_of
from registry.http.api.schemas import packages as schemas
from registry.packages import tag_history
from registry.packages.activity import EventPage
from registry.packages.tags import SORTS, Tag
from storage.metadata.catalog import ShownPackage
from storage.metadata.database import Transaction
from storage.names import Digest, InvalidName, TagName

_DIRECTIONS: Final = ("asc", "desc")


class NewTarget(msgspec.Struct):
    """The version that a tag is to point at, by its digest."""

    digest: Text


async def list_tags(call: ApiCall) -> web.Response:
    """List tags, the newest first; with ``q`` those that begin with it, in the order of names."""
    sort, direction = one_of(call, "sort", SORTS), one_of(call, "direction", _DIRECTIONS)
    after, size = after_of(call)
    package_id, standing = await allowed(call, Action.PULL)
    package = await shown(call, package_id)
    page = await call.services.tags.page(
        package_id,
        detailed=detailed(call, standing),
        prefix=call.http.query.get("q", ""),
        sort=sort,
        descending=None if direction is None else direction == "desc",
        after=after,
        limit=size,
    )
    return answer([_tag(call, package, one) for one in page.tags], headers=after_link(call, size, page.after))


class RollBack(msgspec.Struct):
    """The version that a tag is to point at again: previous, or a digest; ``force``: an owner sets tag rules aside."""

    to: Text = "previous"
    force: bool = False


async def get_tag(call: ApiCall) -> web.Response:
    """Return one tag; with ``at`` where it pointed at that time."""
    at = moment_of(call, "at")
    package_id, standing = await allowed(call, Action.PULL)
    package = await shown(call, package_id)
    if at is not None:
        return answer(await _then(call, package_id, at))
    found = await call.services.tags.get(package_id, _name(call), detailed=detailed(call, standing))
    return answer(_tag(call, package, found))


async def _then(call: ApiCall, package_id: int, at: datetime) -> dict[str, Any]:
    services, name = call.services, _name(call)
    now = datetime.fromtimestamp(services.now(), UTC)
    found = await tag_history.then(services.db, package_id, name, at, now=now, months=services.settings.audit.months)
    version = None if found.version_id is None else {"id": found.version_id, "state": found.version_state}
    return {"name": name, "digest": found.digest, "since": found.since, "until": found.until, "version": version}


async def roll_back(call: ApiCall) -> web.Response:
    """Point a tag at a version that it had before; a deleted version is restored first, by whoever may restore it."""
    wanted = call.body(RollBack)
    package_id, standing = await allowed(call, Action.PUSH)
    name = _name(call)
    try:
        to = None if wanted.to == "previous" else Digest.parse(wanted.to)
    except InvalidName as error:
        raise Invalid(f"Invalid request.\n\n{error}.") from error
    read = _reader(call, package_id, in_detail=detailed(call, standing))
    await tag_history.roll_back(
        call.services.db,
        package_id,
        name,
        to,
        actor_of(call, standing, forced=wanted.force),
        call.services.settings.lifetimes,
        may_restore=may(call.identity, Action.RESTORE, package_name(call), standing),
        check=check_of(call, read),
    )
    return await read(None)


async def put_tag(call: ApiCall) -> web.Response:
    """Point a tag at a version of the package: make the tag, or move it."""
    new = call.body(NewTarget)
    package_id, standing = await allowed(call, Action.PUSH)
    try:
        name, digest = TagName.parse(call.param("tag")), Digest.parse(new.digest)
    except InvalidName as error:
        raise Invalid(f"Invalid request.\n\n{error}.") from error
    read = _reader(call, package_id, in_detail=detailed(call, standing))
    made = await call.services.tags.put(package_id, name, digest, actor_of(call, standing), check_of(call, read))
    told = await read(None)
    told.set_status(201 if made else 200)
    return told


async def delete_tag(call: ApiCall) -> web.Response:
    """Take a tag away; the version stays, and can be pulled by its digest."""
    package_id, standing = await allowed(call, Action.DELETE)
    check = check_of(call, _reader(call, package_id, in_detail=detailed(call, standing)))
    await call.services.tags.delete(package_id, _name(call), actor_of(call, standing), check)
    return nothing()


def _name(call: ApiCall) -> TagName:
    """The tag that the path names. Raises 404 for what can be none."""
    try:
        return TagName.parse(call.param("tag"))
    except InvalidName as error:
        raise NotFound from error


def _reader(
    call: ApiCall, package_id: int, *, in_detail: bool
) -> Callable[[Transaction | None], Awaitable[web.Response]]:
    """Return what reads the tag of the path as GET tells it, in a transaction or without one. Raises 404."""

    async def read(tx: Transaction | None) -> web.Response:
        package = await shown(call, package_id, tx)
        return answer(
            _tag(call, package, await call.services.tags.get(package_id, _name(call), detailed=in_detail, tx=tx))
        )

    return read


async def list_history(call: ApiCall) -> web.Response:
    """List where a tag pointed, the newest first: who moved it when, from what to what; kept when the tag is gone."""
    after, size = after_number_of(call)
    package_id, standing = await allowed(call, Action.PULL)
    await shown(call, package_id)
    page = await call.services.activity.history(
        package_id, _name(call), detailed=detailed(call, standing), after=after, limit=size
    )
    return _events(call, page, size)


async def list_activity(call: ApiCall) -> web.Response:
    """List what happened to a package, the newest first; changes of access are shown to its admins only."""
    after, size = after_number_of(call)
    package_id, standing = await allowed(call, Action.PULL)
    await shown(call, package_id)
    page = await call.services.activity.of_package(
        package_id, detailed=detailed(call, standing), after=after, limit=size
    )
    return _events(call, page, size)


def _events(call: ApiCall, page: EventPage, size: int) -> web.Response:
    return answer([_event(call, one) for one in page.events], headers=after_link(call, size, page.after))


def _tag(call: ApiCall, package: ShownPackage, found: Tag) -> dict[str, Any]:
    url = f"{call.base}/{package_path(package)}/{quoted(package.name)}"
    return {
        "name": found.name,
        "digest": found.digest,
        "url": f"{url}/tags/{found.name}",
        "history_url": f"{url}/tags/{found.name}/history",
        "version_id": found.version_id,
        "version_url": f"{url}/versions/{found.version_id}",
        "updated_at": found.updated_at,
        "media_type": found.media_type,
        "kind": found.kind,
        "platforms": found.platforms,
        "size": found.size,
        "downloads": found.downloads,
        "pushed_by": pusher(call, found.pushed_by),
    }


def _event(call: ApiCall, found: Event) -> dict[str, Any]:
    version = None if found.version_id is None else {"id": found.version_id, "state": found.version_state}
    return {
        "id": found.id,
        "created_at": found.at,
        "action": found.action,
        "actor": pusher(call, found.who),
        "tag": found.tag,
        "digest": found.digest,
        "before": found.before_digest,
        "version": version,
        "data": found.data,
    }


_EVENTS_QUERY: Final = ("after", "per_page")
_TAG: Final = f"{PACKAGE}/tags/{{tag}}"
_READ: Final = "read:packages"
_LISTED: Final = (200, 401, 403, 404, 422)

ROUTES: Final = (
    *family(
        "GET",
        f"{PACKAGE}/tags",
        list_tags,
        "List the tags of a package",
        scope=_READ,
        query=("q", "sort", "direction", "after", "per_page"),
        statuses=_LISTED,
        answer=list[schemas.Tag],
    ),
    *family(
        "GET",
        _TAG,
        get_tag,
        "Get a tag of a package",
        scope=_READ,
        query=("at",),
        statuses=_LISTED,
        answer=(schemas.Tag, schemas.TagThen),
    ),
    *family(
        "POST",
        f"{_TAG}/rollback",
        roll_back,
        "Roll back a tag of a package",
        scope="write:packages",
        body=RollBack,
        statuses=(200, 400, 401, 403, 404, 409, 412, 413, 422),
        answer=schemas.Tag,
    ),
    *family(
        "PUT",
        _TAG,
        put_tag,
        "Create or move a tag of a package",
        locks=True,
        scope="write:packages",
        body=NewTarget,
        statuses=(200, 201, 400, 401, 403, 404, 409, 413, 422),
        answer=schemas.Tag,
    ),
    *family(
        "DELETE",
        _TAG,
        delete_tag,
        "Delete a tag of a package",
        locks=True,
        scope="delete:packages",
        statuses=(204, 401, 403, 404, 409),
    ),
    *family(
        "GET",
        f"{_TAG}/history",
        list_history,
        "List the history of a tag of a package",
        scope=_READ,
        query=_EVENTS_QUERY,
        statuses=_LISTED,
        answer=list[schemas.PackageEvent],
    ),
    *family(
        "GET",
        f"{PACKAGE}/activity",
        list_activity,
        "List the activity of a package",
        scope=_READ,
        query=_EVENTS_QUERY,
        statuses=_LISTED,
        answer=list[schemas.PackageEvent],
    ),
)

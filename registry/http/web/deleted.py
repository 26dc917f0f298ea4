"""The address of a deleted package: to those who may restore it a page that says so; to all others there is nothing."""

from datetime import datetime
from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.errors import Denied, NotFound
from registry.http.urls import family_of
from registry.http.web.call import PageCall
from registry.http.web.reading import check
from registry.http.web.refusals import told
from registry.http.web.sessions import now_of
from storage.metadata import packages
from storage.names import PackageName

_DAY_SECONDS: Final = 86400.0


def days_left(call: PageCall, deleted_at: datetime | None) -> int:
    """Return the days, rounded up, for which something can still be restored."""
    if deleted_at is None:
        return 0
    window = call.services.settings.lifetimes.restore_seconds
    left = window - (now_of(call.services) - deleted_at).total_seconds()
    return max(0, -int(-left // _DAY_SECONDS))


async def restorable(call: PageCall, name: PackageName, wanted: int | None = None) -> tuple[int, str]:
    """Return the id of the deleted package that the viewer may restore, and the path of its restore in the API.

    The package is the last that was deleted, or the one ``wanted``. Raises NotFound, also for who may read it: a
    deleted package is there for nobody else.
    """
    facts = await packages.standing_of_deleted(call.services.db, call.viewer.token_id, name, wanted)
    try:
        package_id = check(call, Action.RESTORE, name, facts)
    except Denied as error:
        raise NotFound from error
    family = family_of(facts.owner_kind)
    return package_id, f"/{family}/{name.owner}/packages/container/{name.image.replace('/', '%2F')}/restore"


async def banner(call: PageCall, name: PackageName) -> web.Response | None:
    """Show a deleted package at its address; None: there is none that the viewer may restore."""
    if call.viewer.session is None:
        return None
    try:
        return await returning(call, name, *await restorable(call, name), "package_deleted.html", [str(name)])
    except NotFound:
        return None


async def returning(
    call: PageCall, name: PackageName, package_id: int, api: str, template: str, title: list[str]
) -> web.Response:
    """Show what a restore of the deleted package brings back, and how long it can. Raises NotFound."""
    found = await call.services.packages.preview_restore(package_id)
    return call.page(
        template,
        title=title,
        api=api,
        command=f"moorage restore {name}",
        name=name,
        found=found,
        days=days_left(call, found.returning.deleted_at),
        refused=None if found.refused is None else told(call, found.refused),
    )

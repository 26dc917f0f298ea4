"""Restores: of a deleted package, of deleted versions, and the lists of deleted packages."""

from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.errors import Conflict, NotFound
from registry.http.numbers import number_of
from registry.http.urls import family_of
from registry.http.web.call import PageCall
from registry.http.web.deleted import days_left, restorable, returning
from registry.http.web.owner import opening as opening_of_owner
from registry.http.web.owner import own_or_member_of
from registry.http.web.package import Head, actor_of, facts_of, head_of, managed, opening
from registry.http.web.reading import named
from registry.http.web.refusals import told
from registry.http.web.routes import Route
from registry.http.web.sessions import SignedIn
from registry.http.web.signed_in import signed_in
from registry.http.web.text import short
from storage.metadata import catalog, shown, versions

_ROWS: Final = 50


async def page(call: PageCall) -> web.Response:
    """Show the deleted versions of a package; of a deleted package, what comes back with it."""
    name = named(call)
    facts = await facts_of(call, name)
    if facts.package_id is None or call.query("package"):
        return await _package_page(call, *await deleted_package(call, call.query("package")))
    head = head_of(call, name, facts, Action.RESTORE)
    return await _versions_page(call, head)


async def deleted_package(call: PageCall, text: str) -> tuple[int, str]:
    """Return the id of the deleted package that the viewer may restore, and its path in the API. Raises NotFound."""
    return await restorable(call, named(call), (number_of(text) or 0) if text else None)


async def _package_page(call: PageCall, package_id: int, api: str) -> web.Response:
    name = named(call)
    title = [call.say("Restore the package"), str(name)]
    return await returning(call, name, package_id, api, "restore_package.html", title)


async def _versions_page(call: PageCall, head: Head) -> web.Response:
    number = call.page_number()
    window = call.services.settings.lifetimes.restore_seconds
    rows = await versions.deleted(call.services.db, head.package_id, _ROWS, (number - 1) * _ROWS, window_seconds=window)
    return call.page(
        "restore_versions.html",
        title=[call.say("Deleted versions"), str(head.name)],
        api=f"{head.api}/versions?state=deleted",
        command=f"moorage versions {head.name} --deleted",
        head=head,
        rows=[(row, days_left(call, row.deleted_at)) for row in rows],
        number=number,
        more=bool(rows) and number * _ROWS < rows[0].total,
    )


async def restore(call: PageCall) -> web.Response:
    """Restore versions of a package, or the deleted package."""
    chosen = call.fields.all("version")
    if chosen:
        return await _restore_versions(call, chosen)
    if not call.text("package"):
        raise NotFound
    package_id, _ = await deleted_package(call, call.text("package"))
    name = named(call)
    try:
        await call.services.packages.restore(package_id, call.actor)
    except Conflict as error:
        return call.redirect(f"/{name}/-/restore?package={package_id}", told(call, error), "bad")
    return call.redirect(f"/{name}", call.say("The package is restored: %(name)s", name=name))


async def _restore_versions(call: PageCall, chosen: list[str]) -> web.Response:
    head, facts = await managed(call, Action.RESTORE)
    actor = actor_of(call, head, facts)
    back, done = f"{head.path}/-/restore", []
    for number in dict.fromkeys(number_of(text) or 0 for text in chosen):
        try:
            found = await call.services.versions.preview_restore(head.package_id, number)
            await call.services.versions.restore(head.package_id, number, actor)
        except NotFound:
            if await versions.get(call.services.db, head.package_id, number) is None:
                raise
        else:
            done.append(found)
    if not done:
        return call.redirect(back, call.say("This was restored before."), "info")
    names = [short(one.digest) for found in done for one in found.returning]
    taken = sorted({tag for found in done for one in found.returning for tag in one.taken})
    tags = sorted({tag for found in done for one in found.returning for tag in one.tags})
    parts = [call.say("Restored: %(names)s.", names=", ".join(names[:5]) + (", …" if len(names) > 5 else ""))]  # noqa: PLR2004
    if tags:
        parts.append(call.say("Tags that came back: %(tags)s.", tags=", ".join(tags[:10])))
    if taken:
        parts.append(call.say("Tags that others have now: %(tags)s.", tags=", ".join(taken[:10])))
    return call.redirect(back, " ".join(parts))


async def own_page(call: PageCall, session: SignedIn) -> web.Response:
    """List the viewer's packages, and the deleted ones of all accounts that the viewer may restore."""
    db, number, login = call.services.db, call.page_number(), session.login.lower()
    own = await shown.packages_of(db, session.token_id, login, limit=_ROWS + 1)
    window = call.services.settings.lifetimes.restore_seconds
    rows = await catalog.deleted_of_mine(
        db, session.token_id, limit=_ROWS, offset=(number - 1) * _ROWS, window_seconds=window
    )
    return call.page(
        "settings_packages.html",
        title=[call.say("Packages"), call.say("Settings")],
        api="/user/packages?package_type=container",
        command="moorage packages --deleted",
        packages=own[:_ROWS],
        more_packages=len(own) > _ROWS,
        rows=[(row, days_left(call, row.deleted_at)) for row in rows],
        number=number,
        more=bool(rows) and number * _ROWS < rows[0].total,
    )


async def owner_page(call: PageCall) -> web.Response:
    """List the deleted packages of an account that the viewer may restore."""
    account = await own_or_member_of(call)
    number = call.page_number()
    window = call.services.settings.lifetimes.restore_seconds
    rows = await catalog.deleted(
        call.services.db,
        call.viewer.token_id or 0,
        account.id,
        None,
        limit=_ROWS,
        offset=(number - 1) * _ROWS,
        window_seconds=window,
    )
    return call.page(
        "owner_deleted.html",
        title=[call.say("Deleted packages"), account.login],
        api=f"/{family_of(account.kind)}/{account.login}/packages?package_type=container&state=deleted",
        command=f"moorage packages {account.login} --deleted",
        owner=account,
        rows=[(row, days_left(call, row.deleted_at)) for row in rows],
        number=number,
        more=bool(rows) and number * _ROWS < rows[0].total,
    )


ROUTES: Final = (
    Route("GET", "/settings/packages", signed_in(own_page)),
    Route("GET", "/{owner}/-/deleted", owner_page, opening=opening_of_owner),
    Route("GET", "/{owner}/{image}/-/restore", page, opening=opening),
    Route("POST", "/{owner}/{image}/-/restore", restore),
)

"""The page of an account: its packages, as far as the viewer may read them."""

from typing import Final

from aiohttp import web

from registry.accounts.names import is_login
from registry.errors import NotFound
from registry.http.urls import family_of
from registry.http.web.call import PageCall, moved
from registry.http.web.opening import alone
from registry.http.web.routes import Route
from registry.packages.packages import VISIBILITIES
from storage.metadata import owner_pages, shown
from storage.metadata.owner_pages import SeenAccount
from storage.metadata.web_sessions import WebSession

_ROWS: Final = 50


async def opening(call: PageCall, digest: bytes | None) -> tuple[WebSession | None, object]:
    """Open a page of an account: find the viewer together with the account and the viewer's role in it."""
    login = call.param("owner")
    if not is_login(login):
        return await alone(call, digest)
    return await owner_pages.seen_in_session(call.services.db, digest, login)


async def owner_of(call: PageCall) -> SeenAccount:
    """Return the account that the address names. Raises NotFound."""
    if isinstance(call.found, SeenAccount):
        return call.found
    login, asked = call.param("owner"), call.http.method == "POST"
    found = await owner_pages.seen(call.services.db, call.viewer.token_id, login) if asked and is_login(login) else None
    if found is None:
        raise NotFound
    return found


async def own_or_member_of(call: PageCall) -> SeenAccount:
    """Return the account of the address: the viewer's own, or an organization of the viewer's. Raises NotFound."""
    account = await owner_of(call)
    if account.role is None:
        raise NotFound
    return account


async def owner(call: PageCall) -> web.Response:
    """Show an account and its packages."""
    login = call.param("owner")
    try:
        found = await owner_of(call)
    except NotFound:
        renamed = await shown.present_login(call.services.db, login)
        if renamed is None:
            raise
        return moved(f"/{renamed.lower()}")
    after, query, visibility = call.query("after"), call.query("q").strip().lower(), call.query("visibility")
    rows = await shown.packages_of(
        call.services.db,
        call.viewer.token_id,
        login,
        after=after,
        limit=_ROWS + 1,
        prefix=query,
        visibility=visibility if visibility in VISIBILITIES else None,
    )
    return call.page(
        "owner.html",
        title=[found.login],
        api=f"/{family_of(found.kind)}/{login}/packages?package_type=container",
        command=f"moorage packages {login}",
        owner=found,
        packages=rows[:_ROWS],
        more=rows[_ROWS - 1].name if len(rows) > _ROWS else None,
        after=after,
        query=query,
        visibility=visibility if visibility in VISIBILITIES else "",
    )


ROUTES: Final = (Route("GET", "/{owner}", owner, opening=opening),)

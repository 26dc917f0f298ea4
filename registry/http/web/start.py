"""The start page: for a visitor what this registry is, for an account its packages, or how to push the first."""

from typing import Final

from aiohttp import web

from registry.http.web import assets
from registry.http.web.call import PageCall, moved
from registry.http.web.routes import Route
from registry.packages import search as rule
from storage.metadata import organizations, shown

_ROWS: Final = 20
_NEWEST: Final = 8


async def start(call: PageCall) -> web.Response:
    """Show the start page."""
    login, db = call.viewer.login, call.services.db
    if login is None:
        newest = await rule.search(db, None, limit=_NEWEST)
        return call.page(
            "start_visitor.html",
            api="/search/packages",
            command="moorage packages --search ''",
            packages=newest.packages,
        )
    own = await shown.packages_of(db, call.viewer.token_id, login.lower(), limit=_ROWS)
    seats = await organizations.own(db, call.viewer.account_id or 0, limit=_ROWS)
    template = "start_account.html" if own else "start_first.html"
    return call.page(
        template, api="/user/packages?package_type=container", command="moorage packages", packages=own, seats=seats
    )


async def favicon(_call: PageCall) -> web.Response:
    """Lead to the icon, for browsers that ask at its old address."""
    return moved(assets.address("favicon.svg"))


ROUTES: Final = (Route("GET", "/", start), Route("GET", "/favicon.ico", favicon))

"""The frame of the pages of site administrators: their addresses, and the questions before a change."""

from typing import Any, Final

from aiohttp import web

from registry.http.web.call import PageCall
from registry.http.web.routes import Handler
from registry.http.web.sessions import SignedIn
from registry.http.web.signed_in import signed_in

PLACE: Final = "/-/admin"
ACCOUNTS: Final = f"{PLACE}/accounts"
ROWS: Final = 50


def is_below(path: str) -> bool:
    """Return whether only administrators have an address; the others get the page of what is missing."""
    return path == PLACE or path.startswith(f"{PLACE}/")


def page(call: PageCall, template: str, heading: str, **values: Any) -> web.Response:
    """Render a page of administration under its heading."""
    return call.page(template, title=[heading, call.say("Administration")], heading=heading, **values)


def changes(handler: Handler, *, back: str = ACCOUNTS) -> Handler:
    """Have ``handler`` called for administrators who signed in not long ago.

    ``back``: where those go on who send a form, and sign in first.
    """

    async def changed(call: PageCall, _session: SignedIn) -> web.StreamResponse:
        return await handler(call)

    read = signed_in(changed, recently=True)
    written = signed_in(changed, recently=True, page=back)

    async def either(call: PageCall) -> web.StreamResponse:
        return await (written if call.http.method == "POST" else read)(call)

    return either

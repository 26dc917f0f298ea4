"""The viewer of a page, found in one statement with what the address names, as the viewer sees it.

Only a page that is read opens so: a form's rights are looked up once its body is here, which may take long.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from registry.accounts import web_sessions as rules
from registry.http.web import sessions, viewer
from storage.metadata import web_sessions
from storage.metadata.web_sessions import WebSession

if TYPE_CHECKING:
    from registry.http.web.call import PageCall

#: Finds the session whose id has a SHA-256, and what the address names: None, if that is nothing.
Opening = Callable[["PageCall", bytes | None], Awaitable[tuple[WebSession | None, object]]]


async def alone(call: "PageCall", digest: bytes | None) -> tuple[WebSession | None, object]:
    """Find the session, of a page that names nothing which depends on the viewer."""
    return None if digest is None else await web_sessions.find(call.services.db, digest), None


async def identify(call: "PageCall", opening: Opening) -> None:
    """Find the viewer of a request, and what its address names. Raises Unavailable."""
    cookie = call.http.cookies.get(sessions.cookie_name(call.request, call.services), "")
    plain = rules.parse(cookie)
    stored, call.found = await opening(call, None if plain is None else plain.digest)
    if stored is not None:
        await rules.note_use(call.services.db, stored)
    call.viewer = viewer.viewer(call.http, call.services, sessions.of(call.services, stored), cookie)

"""Checks of the session before a page is shown, and the cookies by which a browser gets and loses one."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import wraps
from typing import Final
from urllib.parse import quote

from aiohttp import web

from registry.accounts import web_sessions as rules
from registry.accounts.web_sessions import PlainSession, Way
from registry.http.proxies import client_address
from registry.http.web import resending, sessions
from registry.http.web.call import PageCall
from registry.http.web.routes import Handler
from registry.http.web.sessions import SignedIn, cookie_name, now_of

_COOKIE_SECONDS: Final = 90 * 86400
#: What holds a secret is not kept by the browser either.
UNSTORED: Final = {"Cache-Control": "private, no-store, no-transform"}

SessionHandler = Callable[[PageCall, SignedIn], Awaitable[web.StreamResponse]]


def address_of(call: PageCall) -> str:
    """Return the address of the browser, as trusted proxies tell it."""
    return client_address(call.request, call.services.settings.trusted_proxies)


async def begin(
    call: PageCall, account_id: int, way: Way, *, proved_at: datetime | None = None, password_hash: str | None = None
) -> PlainSession | None:
    """Begin a session in place of the one of this browser; None: the account may not sign in now."""
    return await rules.begin(
        call.services.db,
        account_id,
        way,
        proved_at=proved_at or now_of(call.services),
        address=address_of(call),
        user_agent=call.http.headers.get("User-Agent", ""),
        former=rules.parse(call.http.cookies.get(cookie_name(call.request, call.services))),
        password_hash=password_hash,
    )


def keep(call: PageCall, session: PlainSession, path: str, said: str | None = None) -> web.Response:
    """Have the browser keep a session, and lead on to a page, which says ``said``."""
    call.viewer = call.viewer.with_session(call.services, session.reveal())
    response = call.redirect(path, said)
    set_cookie(call, response, "moorage", session.reveal(), _COOKIE_SECONDS)
    return response


def set_cookie(call: PageCall, response: web.Response, name: str, value: str, seconds: int) -> None:
    """Have the browser keep a cookie that only this registry gets, and no script."""
    sessions.set_cookie(response, call.request, call.services, name, value, seconds)


def drop_cookie(call: PageCall, response: web.Response, name: str = "moorage") -> None:
    """Have the browser forget a cookie."""
    sessions.drop_cookie(response, call.request, call.services, name)


def to_sign_in(call: PageCall, path: str) -> web.Response:
    """Lead to the sign-in, and from there to ``path``."""
    return call.redirect(f"/login?next={quote(path, safe='/')}")


def is_recent(call: PageCall) -> bool:
    """Return whether the viewer signed in not long ago, which sensitive changes ask for."""
    return call.viewer.session is not None and call.viewer.session.recent


def signed_in(handler: SessionHandler, *, recently: bool = False, page: str | None = None) -> Handler:
    """Have ``handler`` called for who is signed in, or was not long ago (``recently``); others sign in first.

    ``page``: where its form is, if not at the same address.
    """

    @wraps(handler)
    async def checked(call: PageCall) -> web.StreamResponse:
        session = call.viewer.session
        if session is not None and recently and not session.recent and resending.may_resend(call):
            return resending.page(call)
        if session is None or (recently and not session.recent):
            here = call.request.target if call.http.method in {"GET", "HEAD"} else call.path
            return to_sign_in(call, page or here)
        return await handler(call, session)

    return checked

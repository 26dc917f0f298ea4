"""Forms that come when the session is over, or is another by now: nothing is done, and what was filled in is kept."""

from typing import Final

from aiohttp import web

from registry.http.web.call import PageCall
from registry.http.web.forms import CSRF_FIELD
from registry.http.web.sessions import cookie_name

#: Never written into a page.
_SECRETS: Final = frozenset({CSRF_FIELD, "password", "code"})


def may_resend(call: PageCall) -> bool:
    """Return whether the viewer has filled in something that a page may hold, and had a session or has one."""
    had = bool(call.http.cookies.get(cookie_name(call.request, call.services)))
    return had and bool(call.fields) and not any(name in call.fields for name in _SECRETS - {CSRF_FIELD})


def page(call: PageCall, *, current: bool = False) -> web.Response:
    """Show the form again, to be sent when the viewer has signed in; ``current``: the sign-in is there already."""
    kept = [(name, value) for name in call.fields if name not in _SECRETS for value in call.fields.all(name)]
    heading = call.say("Send the form once more") if current else call.say("Sign in again, and send the form once more")
    return call.page("resend.html", title=[heading], status=403, action=call.path, kept=kept, current=current)

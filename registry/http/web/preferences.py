"""Language and theme: plain cookies, chosen by two forms at the foot of each page."""

from typing import Final

from aiohttp import web

from registry.http.web.call import PageCall
from registry.http.web.catalogue import LANGUAGES
from registry.http.web.forms import next_path
from registry.http.web.routes import Route
from registry.http.web.sessions import is_secure
from registry.http.web.viewer import LANGUAGE_COOKIE, THEME_COOKIE, THEMES

_YEAR_SECONDS: Final = 365 * 86400


async def choose(call: PageCall) -> web.Response:
    """Keep the language or the theme that was chosen, and lead back to the page."""
    response = call.redirect(next_path(call.fields.get("next")))
    language, theme = call.fields.get("lang", ""), call.fields.get("theme")
    if language in LANGUAGES:
        _keep(call, response, LANGUAGE_COOKIE, language)
    if theme is not None and theme in THEMES:
        _keep(call, response, THEME_COOKIE, theme)
    elif theme is not None:
        response.del_cookie(THEME_COOKIE, path="/")
    return response


def _keep(call: PageCall, response: web.Response, name: str, value: str) -> None:
    secure = is_secure(call.request, call.services)
    response.set_cookie(name, value, max_age=_YEAR_SECONDS, path="/", samesite="Lax", httponly=True, secure=secure)


ROUTES: Final = (Route("POST", "/-/preferences", choose, token=False),)

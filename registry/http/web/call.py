"""One request of a page: the viewer, parameters and fields; and the answer in HTML."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web

from registry.http.numbers import number_of
from registry.http.server.message import Request
from registry.http.urls import decoded_path, origin
from registry.http.web import flash, forms
from registry.http.web.catalogue import say
from registry.http.web.flash import Flash, Undo
from registry.http.web.forms import Fields
from registry.http.web.rendering import render
from registry.http.web.sessions import is_secure
from registry.http.web.viewer import Viewer
from registry.services import Services
from registry.version import VERSION
from storage.metadata.events import Actor

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
#: The headers of every page.
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "private, no-cache, no-transform",
    "Vary": "Accept-Encoding, Accept-Language, Cookie",
}
#: What is shorter is not worth compressing.
_GZIP_BYTES: Final = 1000


@dataclass(slots=True)
class PageCall:
    """A request of a page with its viewer; ``fields``: of a form that was sent, checked already.

    ``found``: what the page opened with, see ``opening``.
    """

    http: web.Request
    request: Request
    services: Services
    viewer: Viewer
    parameters: Mapping[str, str] = field(default_factory=dict)
    fields: Fields = field(default_factory=lambda: Fields({}))
    found: object = None

    def param(self, name: str) -> str:
        """Return a parameter of the address."""
        return self.parameters[name]

    def query(self, name: str) -> str:
        """Return a parameter of the query, "" if it is missing."""
        return self.http.query.get(name, "").replace("\x00", "")

    def page_number(self, most: int = 100) -> int:
        """Return the number of the page that the query asks for, from 1 to ``most``."""
        return min(max(number_of(self.query("page")) or 1, 1), most)

    def text(self, name: str, most: int = 2000) -> str:
        """Return a text of the form without blanks around it, "" if it is missing; what is longer is cut."""
        return self.fields.get(name, "").strip()[:most]

    @property
    def actor(self) -> Actor:
        """The viewer, for the events of what it changes."""
        return Actor(self.viewer.account_id, self.viewer.token_id)

    @property
    def origin(self) -> str:
        """The URL of the registry, without a slash at its end."""
        return origin(self.request, self.services.settings)

    @property
    def host(self) -> str:
        """The registry's name in a reference: ``registry.example:5000``."""
        return self.origin.partition("://")[2]

    @property
    def path(self) -> str:
        """The path of the page."""
        return decoded_path(self.request.target)

    def say(self, key: str, /, **values: object) -> str:
        """Return a text of the catalogue in the viewer's language."""
        return say(self.viewer.language, key, **values)

    def page(
        self,
        template: str,
        *,
        title: Sequence[str] = (),
        status: int = 200,
        api: str | None = None,
        command: str | None = None,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> web.Response:
        """Render a page. ``title``: its parts, the nearest first; ``api``, ``command``: what gives the same as JSON."""
        flashes = flash.read(self.http, self.request, self.services, self.viewer)
        view = View(self, " · ".join([*title, "Moorage"]), api, command, flashes)
        body = render(self.viewer.language, template, {"page": view, **values}).encode()
        response = web.Response(status=status, headers={**HEADERS, **(headers or {}), **self._secure()})
        if view.flashes:
            flash.clear(response, self.request, self.services)
        return self._compressed(response, body)

    def _secure(self) -> Mapping[str, str]:
        """Isolate the window, where browsers take that: over https alone (Chromium logs an error over http)."""
        return {"Cross-Origin-Opener-Policy": "same-origin"} if is_secure(self.request, self.services) else {}

    def _compressed(self, response: web.Response, body: bytes) -> web.Response:
        response.content_type, response.charset = "text/html", "utf-8"
        if response.status == HTTPStatus.OK:
            tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
            response.headers["ETag"] = tag
            if self.http.headers.get("If-None-Match") == tag:
                response.set_status(HTTPStatus.NOT_MODIFIED)
                return response
        if len(body) >= _GZIP_BYTES and "gzip" in self.http.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 6, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
        response.body = body
        return response

    def redirect(self, path: str, said: str | None = None, kind: str = "ok", undo: Undo | None = None) -> web.Response:
        """Lead on to a page after a form (303), which then says ``said``: a text in the viewer's language."""
        response = web.Response(status=303, headers={**HEADERS, "Location": path})
        if said is not None:
            flash.write(response, self.request, self.services, Flash(kind, said, undo), self.viewer)
        return response


def moved(path: str, query: str = "") -> web.Response:
    """Lead on to the one address of a page (308); ``path`` is decoded, ``query`` as it came."""
    location = quote(path, safe="/:@-._~") + (f"?{query}" if query else "")
    return web.Response(status=308, headers={**HEADERS, "Location": location})


def queried(path: str, **query: str) -> str:
    """Return a path of the API with a query of the parameters that are not empty."""
    given = {name: text for name, text in query.items() if text}
    return path + (f"?{urlencode(given, safe='/', quote_via=quote)}" if given else "")


@dataclass(frozen=True, slots=True)
class View:
    """The values that the frame of every page shows, ``page`` in the templates."""

    call: PageCall
    title: str
    api: str | None
    command: str | None
    flashes: Sequence[Flash]

    @property
    def language(self) -> str:
        return self.call.viewer.language

    @property
    def viewer(self) -> Viewer:
        return self.call.viewer

    @property
    def host(self) -> str:
        return self.call.host

    @property
    def here(self) -> str:
        """The path and query of this page, to come back to."""
        return self.call.request.target if self.call.request.method in {"GET", "HEAD"} else "/"

    @property
    def query(self) -> Mapping[str, str]:
        return self.call.http.query

    @property
    def version(self) -> str:
        return VERSION

    @property
    def request_id(self) -> str:
        return self.call.request.id

    def csrf_token(self) -> str:
        return self.call.viewer.csrf_token()

    def once(self) -> str:
        return forms.once()

"""One request of the API: the viewer, parameters and body; and the response in GitHub's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec
import orjson
from aiohttp import web

from auth.identity import Action, Identity
from auth.permissions import Allowed, Challenged, Denied, decide
from registry import errors
from registry.http.api.errors import bad_credentials, requires_authentication
from registry.http.numbers import number_of
from registry.http.server.message import INERT, Request
from registry.http.urls import api_base, origin
from registry.services import Services
from storage.metadata.access_facts import AccessFacts
from storage.metadata.events import Actor
from storage.metadata.tokens import StoredToken
from storage.names import PackageName

Body = TypeVar("Body", bound=msgspec.Struct)

BODY_MAX: Final = 64 * 1024

#: A text of a body; Postgres has no place for U+0000.
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$", max_length=2000)]


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request of the API with its viewer's token; ``viewer`` is None for an anonymous request."""

    http: web.Request
    request: Request
    services: Services
    viewer: StoredToken | None
    raw_body: bytes = b""

    @property
    def identity(self) -> Identity:
        """The viewer, for ``decide``."""
        return Identity() if self.viewer is None else Identity(self.viewer.id, self.viewer.account_id)

    @property
    def token_id(self) -> int | None:
        """The viewer's token, for statements."""
        return None if self.viewer is None else self.viewer.id

    @property
    def me(self) -> StoredToken:
        """The viewer of a route that needs one."""
        if self.viewer is None:
            raise requires_authentication()
        return self.viewer

    @property
    def actor(self) -> Actor:
        """The viewer, for the events of what it changes."""
        return Actor(self.me.account_id, self.me.id)

    @property
    def base(self) -> str:
        """The URL of the API, without a slash at its end."""
        return api_base(self.request, self.services.settings)

    @property
    def served_at(self) -> str:
        """The URL of the host that this request came to: the registry's, or the API's own."""
        own, host = self.services.settings.api_url, self.request.field(b"host") or ""
        return own if own is not None and host.lower() == own.partition("://")[2].lower() else self.origin

    @property
    def origin(self) -> str:
        """The URL of the registry and its pages."""
        return origin(self.request, self.services.settings)

    def param(self, name: str) -> str:
        """Return a path parameter, decoded."""
        return self.http.match_info[name]

    def number(self, name: str) -> int:
        """A numeric id in the path. Raises 404: no such thing has an id of that form."""
        number = number_of(self.param(name))
        if number is None:
            raise errors.NotFound
        return number

    def body(self, kind: type[Body]) -> Body:
        """Decode the JSON body. Raises 400 for malformed JSON, 422 for JSON that does not match the type."""
        try:
            return msgspec.json.decode(self.raw_body or b"{}", type=kind)
        except msgspec.ValidationError as error:
            raise errors.Invalid(f"Invalid request.\n\n{error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise errors.BadRequest("Problems parsing JSON") from error

    def authorize(self, action: Action, package: PackageName, standing: AccessFacts) -> Allowed:
        """Check that the viewer may do ``action``. Raises 401, 404 (hidden and missing are one answer) or 403."""
        decision = decide(self.identity, action, package, standing)
        match decision:
            case Allowed():
                return decision
            case Challenged(error=error):
                raise requires_authentication() if error is None else bad_credentials()
            case Denied(words=words, missing=missing, have=have, fix=fix):
                raise errors.Denied(missing, have, fix, words)
            case _:
                raise errors.NotFound


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Render a JSON response; times are formatted as GitHub formats them."""
    options = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
    return web.Response(
        status=status,
        body=orjson.dumps(body, option=options),
        content_type="application/json",
        charset="utf-8",
        headers={**(headers or {}), **INERT},
    )


def nothing(headers: Mapping[str, str] | None = None) -> web.Response:
    """Render an empty response: 204 No Content."""
    return web.Response(status=204, headers={**(headers or {}), **INERT})


async def read_body(request: Request, seconds: float) -> bytes:
    """Read the body, at most BODY_MAX bytes. Raises 400, 408, 413."""
    return await request.body.read(BODY_MAX, seconds, errors.TooLarge(f"A body has at most {BODY_MAX} bytes"))

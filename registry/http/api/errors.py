"""Responses to errors in GitHub's JSON: ``{"message", "errors"?, "documentation_url", "status"}``."""

from typing import Final

from aiohttp import web

from registry.errors import RegistryError, Unauthorized
from registry.http.errors import github_body
from registry.http.server.message import INERT
from registry.http.statuses import status_of

_CHALLENGE: Final = 'Basic realm="Moorage"'


def requires_authentication() -> Unauthorized:
    """401: the request has no credentials, and the route needs some."""
    return Unauthorized("Requires authentication", _CHALLENGE)


def bad_credentials() -> Unauthorized:
    """401: the credentials are no usable access token."""
    return Unauthorized("Bad credentials", _CHALLENGE)


def error_response(error: RegistryError, base: str) -> web.Response:
    """Render an error as a response; ``base``: the API's URL."""
    return web.Response(
        status=status_of(error),
        body=github_body(error, base),
        content_type="application/json",
        headers={**error.headers, **INERT},
    )

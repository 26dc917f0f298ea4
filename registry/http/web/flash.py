"""Messages that the next page shows: in a signed cookie, so that every replica can show them, and for a minute only."""

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import orjson
from aiohttp import web

from registry.http.server.message import Request
from registry.http.web.sessions import cookie_name, is_secure
from registry.services import Services

COOKIE: Final = "moorage_flash"
_SECONDS: Final = 60
_TEXT_MAX: Final = 1000


def write(response: web.Response, request: Request, services: Services, kind: str, text: str) -> None:
    """Have the next page show ``text``; ``kind``: ok, info, warn or bad."""
    body = urlsafe_b64encode(orjson.dumps([kind, text[:_TEXT_MAX], int(services.now()) + _SECONDS])).decode()
    value = f"{body}.{_signature(services, body)}"
    response.set_cookie(
        cookie_name(request, services, COOKIE),
        value,
        max_age=_SECONDS,
        httponly=True,
        samesite="Lax",
        path="/",
        secure=is_secure(request, services),
    )


def read(http: web.Request, request: Request, services: Services) -> list[tuple[str, str]]:
    """Return the messages of a request, as kind and text; what was not written here is none."""
    body, _, signature = http.cookies.get(cookie_name(request, services, COOKIE), "").partition(".")
    # What is no UTF-8 are surrogates here, which have no bytes.
    if not body or not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(services, body).encode()):
        return []
    try:
        kind, text, until = orjson.loads(urlsafe_b64decode(body))
    except (ValueError, binascii.Error):
        return []
    return [(kind, text)] if services.now() < until else []


def clear(response: web.Response, request: Request, services: Services) -> None:
    """Have the browser forget the messages that were shown."""
    response.del_cookie(
        cookie_name(request, services, COOKIE),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=is_secure(request, services),
    )


def _signature(services: Services, body: str) -> str:
    return hmac.new(
        services.settings.secrets[0], b"flash" + body.encode("utf-8", "replace"), hashlib.sha256
    ).hexdigest()

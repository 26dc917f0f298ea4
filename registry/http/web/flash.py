"""Messages that the next page shows: in a signed cookie, so that every replica can show them, and for a minute only."""

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import orjson
from aiohttp import web

from registry.services import Services

COOKIE: Final = "moorage_flash"
_SECONDS: Final = 60
_TEXT_MAX: Final = 1000


def write(response: web.Response, services: Services, kind: str, text: str) -> None:
    """Have the next page show ``text``; ``kind``: ok, info, warn or bad."""
    body = urlsafe_b64encode(orjson.dumps([kind, text[:_TEXT_MAX], int(services.now()) + _SECONDS])).decode()
    value = f"{body}.{_signature(services, body)}"
    response.set_cookie(COOKIE, value, max_age=_SECONDS, httponly=True, samesite="Lax", path="/")


def read(http: web.Request, services: Services) -> list[tuple[str, str]]:
    """Return the messages of a request, as kind and text; what was not written here is none."""
    body, _, signature = http.cookies.get(COOKIE, "").partition(".")
    if not body or not hmac.compare_digest(signature.encode(), _signature(services, body).encode()):
        return []
    try:
        kind, text, until = orjson.loads(urlsafe_b64decode(body))
    except (ValueError, binascii.Error):
        return []
    return [(kind, text)] if services.now() < until else []


def clear(response: web.Response) -> None:
    """Have the browser forget the messages that were shown."""
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax")


def _signature(services: Services, body: str) -> str:
    return hmac.new(services.settings.secrets[0], b"flash" + body.encode(), hashlib.sha256).hexdigest()

"""Messages that the next page shows: in a signed cookie, so that every replica can show them, and for a minute only.

Only the session that a message was for has it shown: over plain http, other pages of the host can set cookies, too.

A message may offer to undo what was done: a form with these fields, which the viewer's own token is put into.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from registry.http.server.message import Request
from registry.http.web.sessions import cookie_name, drop_cookie, set_cookie
from registry.http.web.viewer import Viewer
from registry.services import Services

COOKIE: Final = "moorage_flash"
_SECONDS: Final = 60
_TEXT_MAX: Final = 600
#: Browsers keep no cookie of more than 4,096 bytes.
_UNDO_BYTES: Final = 1500


@dataclass(frozen=True, slots=True)
class Undo:
    """The form that undoes what a message tells: its path, and pairs of a field's name and value."""

    path: str
    fields: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Flash:
    """A message. ``kind``: ok, info, warn or bad."""

    kind: str
    text: str
    undo: Undo | None = None


def write(response: web.Response, request: Request, services: Services, message: Flash, viewer: Viewer) -> None:
    """Have the next page of the viewer show a message."""
    undo = None if message.undo is None else [message.undo.path, [list(pair) for pair in message.undo.fields]]
    if len(orjson.dumps(undo)) > _UNDO_BYTES:
        undo = None
    shown = [message.kind, message.text[:_TEXT_MAX], int(services.now()) + _SECONDS, undo]
    body = urlsafe_b64encode(orjson.dumps(shown)).decode()
    value = f"{body}.{_signatures(viewer, body)[0]}"
    set_cookie(response, request, services, COOKIE, value, _SECONDS)


def read(http: web.Request, request: Request, services: Services, viewer: Viewer) -> list[Flash]:
    """Return the messages of a request; what was not written here, and for this viewer, is none."""
    body, _, signature = http.cookies.get(cookie_name(request, services, COOKIE), "").partition(".")
    # What is no UTF-8 are surrogates here, which have no bytes.
    told = signature.encode("utf-8", "replace")
    if not body or not any(hmac.compare_digest(told, known.encode()) for known in _signatures(viewer, body)):
        return []
    try:
        kind, text, until, undo = orjson.loads(urlsafe_b64decode(body))
    except (ValueError, binascii.Error):
        return []
    if services.now() >= until:
        return []
    return [Flash(kind, text, None if undo is None else Undo(undo[0], [(name, value) for name, value in undo[1]]))]


def clear(response: web.Response, request: Request, services: Services) -> None:
    """Have the browser forget the messages that were shown."""
    drop_cookie(response, request, services, COOKIE)


def _signatures(viewer: Viewer, body: str) -> list[str]:
    return [key.hex() for key in viewer.secrets_of(f"flash {body}")]

"""Checks of every form: where it was sent from, its token, and where it leads next."""

import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from auth.tokens import PlainToken, TokenKind, mint
from registry.errors import Denied
from registry.http.forms import read_form
from registry.http.server.message import Request
from registry.http.urls import origin
from registry.http.web.viewer import Viewer
from registry.services import Services

#: The names of hidden fields: the token of the viewer, and the key of one filling-in.
CSRF_FIELD: Final = "csrf"
ONCE_FIELD: Final = "once"
_ONCE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LOCAL: Final = re.compile(r"/(?!/)[^\\\x00-\x20\x7f]*", re.ASCII)


class ForeignForm(Denied):
    """The form was sent by a page of somebody else, or has been open for longer than the session."""

    def __init__(self) -> None:
        super().__init__("a form of this registry", [], "Open the page again, and send its form.")


def check_origin(request: Request, services: Services) -> None:
    """Check that a page of ours has sent the request. Raises ForeignForm.

    As Go's CrossOriginProtection: Sec-Fetch-Site if the browser sends it, else Origin, which must be our own. Without
    both a request passes that brings no cookie, and so nobody's rights.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise ForeignForm
        return
    sent = request.headers.get("Origin")
    if sent is None:
        if "Cookie" in request.headers:
            raise ForeignForm
        return
    if sent.lower() != origin(request, services.settings).lower():
        raise ForeignForm


class Fields(Mapping[str, str]):
    """The fields of a form, each with its last value; ``all`` has those of a field that repeats."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def all(self, name: str) -> list[str]:
        """Return the values of a field, none if it is missing."""
        return self._fields.get(name, [])


async def read(request: Request, services: Services) -> Fields:
    """Read the fields of a form, without U+0000, which PostgreSQL cannot store.

    Raises ForeignForm, BadRequest, TooLarge, BodyTooSlow.
    """
    check_origin(request, services)
    fields = await read_form(request, services.settings.http.body_seconds)
    return Fields({name: [value.replace("\0", "") for value in values] for name, values in fields.items()})


def is_own(fields: Fields, viewer: Viewer) -> bool:
    """Return whether the form has a token that was made for the viewer."""
    return viewer.is_csrf_token(fields.get(CSRF_FIELD, ""))


def once() -> str:
    """Make the key of one filling-in of a form."""
    return secrets.token_hex(16)


def token_of(fields: Fields, viewer: Viewer, kind: TokenKind) -> PlainToken:
    """Return the token that this filling-in of a form makes: sent twice, it makes one, and both answers show it.

    Nothing is kept of it here. The key and the fields tell nobody the token who has not the secret of this registry; to
    others than the session, or filled in otherwise, they give another one.
    """
    key = fields.get(ONCE_FIELD, "")
    if not _ONCE.fullmatch(key):  # no form of ours had it
        return mint(kind)
    filled = sorted((name, fields.all(name)) for name in fields if name != CSRF_FIELD)
    return mint(kind, lambda _: viewer.secret_of(f"token {filled!r}"))


def next_path(text: str | None) -> str:
    """Return ``text`` if it leads to a page of this registry, else the start page (S56)."""
    if not text or not _LOCAL.fullmatch(text) or not _LOCAL.fullmatch(unquote(text)):
        return "/"
    return text

"""The viewer of a page: who is signed in, in which language and theme.

Without a session the viewer is a visitor. A session counts for pages only; ``/v2``, ``/token`` and ``/api`` never see
the cookie.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from auth.identity import Identity
from registry.http.web.catalogue import LANGUAGES, best
from registry.http.web.sessions import SignedIn
from registry.services import Services

THEMES: Final = ("light", "dark")
LANGUAGE_COOKIE: Final = "lang"
THEME_COOKIE: Final = "theme"
_NONCE_CHARS: Final = 16


@dataclass(frozen=True, slots=True)
class Viewer:
    """The viewer of a page. ``session`` is None for a visitor.

    ``csrf_keys``: the first signs the tokens of the viewer's forms, each is believed.
    """

    language: str
    theme: str  # light, dark, or "": as the system has it
    session: SignedIn | None
    csrf_keys: Sequence[bytes]

    @property
    def token_id(self) -> int | None:
        """The token of the viewer's rights, for statements."""
        return None if self.session is None else self.session.token_id

    @property
    def account_id(self) -> int | None:
        """The account that is signed in."""
        return None if self.session is None else self.session.account_id

    @property
    def login(self) -> str | None:
        """The login of the account that is signed in."""
        return None if self.session is None else self.session.login

    @property
    def site_admin(self) -> bool:
        """Return whether the viewer administers this registry."""
        return self.session is not None and self.session.site_admin

    @property
    def identity(self) -> Identity:
        """The viewer, for ``decide``."""
        return Identity() if self.session is None else Identity(self.session.token_id, self.session.account_id)

    def csrf_token(self) -> str:
        """Make a token for a form: another each time, so that compression tells nobody of it."""
        nonce = secrets.token_hex(_NONCE_CHARS // 2)
        return nonce + _signature(self.csrf_keys[0], nonce)

    def is_csrf_token(self, text: str) -> bool:
        """Return whether ``text`` is a token that was made for this viewer."""
        nonce, signature = text[:_NONCE_CHARS], text[_NONCE_CHARS:]
        return any(hmac.compare_digest(signature.encode(), _signature(key, nonce).encode()) for key in self.csrf_keys)

    def secret_of(self, text: str) -> bytes:
        """Return 32 bytes that ``text`` gives in this session, and that only this registry can tell."""
        return self.secrets_of(text)[0]

    def secrets_of(self, text: str) -> list[bytes]:
        """Return the same by each key of the registry, the present one first."""
        return [hmac.digest(key, f"secret {text}".encode("utf-8", "replace"), "sha256") for key in self.csrf_keys]

    def with_session(self, services: Services, secret: str) -> "Viewer":
        """Return the viewer with the keys of another session's secret; of "", as a visitor's."""
        return replace(self, csrf_keys=_keys(services, secret))


def stranger(http: web.Request, services: Services) -> Viewer:
    """Return the viewer of a page that must not ask the database who it is."""
    return viewer(http, services, None, "")


def viewer(http: web.Request, services: Services, session: SignedIn | None, secret: str) -> Viewer:
    """Return the viewer of a request with this session, whose forms the cookie ``secret`` signs."""
    theme = http.cookies.get(THEME_COOKIE, "")
    asked = [http.query.get("lang", ""), http.cookies.get(LANGUAGE_COOKIE, "")]
    language = next((text for text in asked if text in LANGUAGES), None) or best(
        http.headers.get("Accept-Language", "")
    )
    return Viewer(language, theme if theme in THEMES else "", session, _keys(services, secret))


def _keys(services: Services, secret: str) -> list[bytes]:
    about = b"form" + secret.encode("utf-8", "replace")
    return [hmac.digest(key, about, "sha256") for key in services.settings.secrets]


def _signature(key: bytes, nonce: str) -> str:
    return hmac.digest(key, nonce.encode(), "sha256").hex()[:32]

"""The session of a browser, by its cookie."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from registry.accounts import web_sessions as rules
from registry.http.server.message import Request
from registry.http.urls import origin
from registry.services import Services
from storage.metadata.web_sessions import WebSession


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session as pages need it. ``token_id``: the row of ``tokens`` whose rights the session has.

    Statements ask for rights by a token, so a session has one, which nobody can authenticate with. ``recent``: whether
    the sign-in is recent enough for sensitive changes.
    """

    stored: WebSession
    recent: bool

    @property
    def account_id(self) -> int:
        return self.stored.account_id

    @property
    def token_id(self) -> int:
        return self.stored.id

    @property
    def login(self) -> str:
        return self.stored.login

    @property
    def site_admin(self) -> bool:
        return self.stored.site_admin


def of(services: Services, stored: WebSession | None) -> SignedIn | None:
    """Return a session as pages need it; None: there is none."""
    return None if stored is None else SignedIn(stored, rules.is_recent(stored, now_of(services)))


def now_of(services: Services) -> datetime:
    """Return the time of the process."""
    return datetime.fromtimestamp(services.now(), UTC)


def cookie_name(request: Request, services: Services, name: str = "moorage") -> str:
    """Return the name of a cookie: with ``__Host-`` where browsers keep such a one."""
    return f"__Host-{name}" if is_secure(request, services) else name


def set_cookie(
    response: web.Response, request: Request, services: Services, name: str, value: str, seconds: int
) -> None:
    """Have the browser keep a cookie that only this registry gets, and no script."""
    response.set_cookie(
        cookie_name(request, services, name),
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=is_secure(request, services),
    )


def drop_cookie(response: web.Response, request: Request, services: Services, name: str) -> None:
    """Have the browser forget a cookie."""
    response.del_cookie(
        cookie_name(request, services, name),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=is_secure(request, services),
    )


def is_secure(request: Request, services: Services) -> bool:
    """Return whether browsers reach the registry by https."""
    return origin(request, services.settings).startswith("https:")

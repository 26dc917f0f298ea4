"""Routes of the API: the table of routes is the single source for dispatch, tests and the OpenAPI document."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from aiohttp import web

from auth.tokens import effective
from registry.errors import Denied
from registry.http.api.call import ApiCall
from registry.http.api.errors import requires_authentication
from storage.metadata.tokens import StoredToken

Handler = Callable[[ApiCall], Awaitable[web.Response]]


class Access(StrEnum):
    """The class of callers admitted to a route, before its handler checks rights over the resource of the path."""

    ANYBODY = "anybody"
    TOKEN = "token"  # noqa: S105 - any usable access token
    SITE_ADMIN = "site_admin"  # an administrator, with the scope site_admin


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` is below ``/api/v3``, with ``{name}`` parameters; ``scope`` is a classic token's scope that it needs.

    ``locks``: its handler looks at the condition of the request itself, when its lock is held. ``told_by``: the path
    whose GET tells what the condition is about, if not its own.
    ``body`` is the type its JSON is decoded to; ``query`` names the parameters it reads; ``statuses``: what it answers;
    ``media_type``: of what it answers if all is well, ``also``: others that Accept may ask for; ``answer``: the type of
    that, if it is JSON, or a tuple of types of which it is one.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    access: Access = Access.TOKEN
    scope: str | None = None
    body: type[msgspec.Struct] | None = None
    query: tuple[str, ...] = ()
    statuses: tuple[int, ...] = field(default=(200,))
    locks: bool = False
    told_by: str | None = None
    media_type: str = "application/json"
    also: tuple[str, ...] = ()
    answer: Any = None

    @property
    def needed_scope(self) -> str | None:
        """The classic token's scope that the route needs, by its access or by itself."""
        return "site_admin" if self.access is Access.SITE_ADMIN else self.scope


def admit(route: Route, viewer: StoredToken | None) -> None:
    """Check that the viewer may call the route at all. Raises 401, 403."""
    if route.access is Access.ANYBODY:
        return
    if viewer is None:
        raise requires_authentication()
    if route.access is Access.SITE_ADMIN and not viewer.site_admin:
        raise Denied("a site administrator", [viewer.login], "Ask an administrator of this registry.")
    needed = route.needed_scope
    held = effective(viewer.scopes)
    if needed is None or needed in held:
        return
    if viewer.kind == "classic":
        raise Denied(f"scope {needed}", sorted(held), f"Use a token with the scope {needed}.")
    if not needed.endswith(":packages"):  # of packages, other kinds of tokens have rules or a ceiling: see decide()
        fix = f"Use a classic token with the scope {needed}."
        raise Denied(f"a classic token with the scope {needed}", [f"a {viewer.kind} token"], fix)

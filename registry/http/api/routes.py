"""What a route of the API is: the table of them is the single source for dispatch, tests and the OpenAPI document."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from registry.http.api.call import ApiCall

Handler = Callable[["ApiCall"], Awaitable[web.Response]]


class Access(StrEnum):
    """Who may call a route at all, before its handler asks for rights over what the path names."""

    ANYBODY = "anybody"
    TOKEN = "token"  # noqa: S105 - any usable access token
    SITE_ADMIN = "site_admin"  # an administrator, with the scope site_admin


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` is below ``/api/v3``, with ``{name}`` parameters; ``scope`` is a classic token's scope that it needs.

    ``body`` is the type its JSON is decoded to; ``query`` names the parameters it reads; ``statuses``: what it answers.
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

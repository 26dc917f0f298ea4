"""``/v1/search`` and ``/v1/_ping``, which ``docker search`` asks; nothing else of version 1 is here.

docker's engine sends Basic to a host of its user's if ``_ping`` tells that it stands alone, with an empty name where
nobody has logged in; so it is told otherwise, and sends it where somebody has.
"""

from typing import Any, Final

import orjson

from auth.errors import Unauthenticated
from auth.permissions import may_list
from registry.errors import NotFound, RegistryError, Unsupported
from registry.http.authenticate import authenticate
from registry.http.login_throttle import LoginThrottle
from registry.http.server.message import INERT, Request, Response
from registry.http.v2.call import refused_basic
from registry.packages.search import PAGE_MAX, search
from registry.services import Services
from storage.errors import Unavailable
from storage.metadata.search import FOUND_MAX, FoundPackage

PING: Final = "/v1/_ping"
SEARCH: Final = "/v1/search"

_HEADERS: Final = {**INERT, "Content-Type": "application/json", "X-Docker-Registry-Standalone": "false"}
_DEFAULT: Final = 25
_DIGITS: Final = 6


async def serve(services: Services, throttle: LoginThrottle, path: str, http: Request) -> Response:
    """Answer the engine's ping, or a search by the caller's rights."""
    try:
        if http.method not in {"GET", "HEAD"}:
            raise Unsupported("this method", allow=("GET", "HEAD"))
        if path == PING:
            return Response(200, _HEADERS, orjson.dumps({"standalone": False}))
        return await _searched(services, throttle, http)
    except (Unauthenticated, RegistryError, Unavailable) as error:
        return refused_basic(services, http, error, INERT)


async def _searched(services: Services, throttle: LoginThrottle, http: Request) -> Response:
    identity = await authenticate(services, throttle, http)
    http.account_id, http.token_id = identity.account_id, identity.token_id
    if identity.token_id is None and http.headers.get("Docker-Distribution-Api-Version") is not None:
        # podman never sends its credentials here, and takes what it finds for all. Without this it goes on to
        # /v2/_catalog, where it does, and finds what is private too.
        raise NotFound
    query, token_id = http.query.get("q", ""), identity.token_id if may_list(identity) else None
    page, size = max(_number(http, "page", 1), 1), min(max(_number(http, "n", _DEFAULT), 1), PAGE_MAX)
    found, total = await _page(services, token_id, query, page, size)
    body = {
        "query": query,
        "num_results": total,
        "num_pages": -(-total // size),
        "page": page,
        "page_size": size,
        "results": [_result(one) for one in found],
    }
    return Response(200, _HEADERS, orjson.dumps(body))


async def _page(
    services: Services, token_id: int | None, query: str, page: int, size: int
) -> tuple[list[FoundPackage], int]:
    """Return a page by its number, as version 1 has it, and how many there are; nothing lies past FOUND_MAX."""
    first, found, after, total = (page - 1) * size, list[FoundPackage](), None, 0
    while True:
        part = await search(services.db, token_id, query, after=after, limit=PAGE_MAX, counted=after is None)
        if after is None:
            total = part.total or 0
        found += part.packages
        after = part.after
        if after is None or len(found) >= min(first + size, FOUND_MAX):
            return found[first : first + size], total


def _result(found: FoundPackage) -> dict[str, Any]:
    """Render a package as the engine shows one; its name as it is pulled, in lower case."""
    return {
        "name": f"{found.owner_login.lower()}/{found.name}",
        "description": found.description or "",
        "star_count": 0,
        "is_official": False,
        "is_automated": False,
    }


def _number(http: Request, parameter: str, default: int) -> int:
    text = http.query.get(parameter, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else default

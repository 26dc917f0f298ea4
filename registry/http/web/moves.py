"""Addresses of GitHub's that our API gives out as ``html_url``: each leads on to the page that it means."""

from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.errors import NotFound
from registry.http.web.call import PageCall, moved
from registry.http.web.package import managed, opening
from registry.http.web.routes import Route
from storage.metadata import versions


async def account(call: PageCall) -> web.Response:
    """Lead to the page of an account."""
    return moved(f"/{call.param('owner').lower()}")


async def package(call: PageCall) -> web.Response:
    """Lead to the page of a package."""
    return moved(f"/{call.param('owner').lower()}/{call.param('image')}")


async def version(call: PageCall) -> web.Response:
    """Lead to the page of a version, by its number. Raises NotFound for what the viewer may not read, too."""
    head, _ = await managed(call, Action.PULL)
    row = await versions.get(call.services.db, head.package_id, int(call.param("number")))
    if row is None:
        raise NotFound
    return moved(f"/{head.name}@{row.digest}")


async def team(call: PageCall) -> web.Response:
    """Lead to the page of a team."""
    return moved(f"/{call.param('owner').lower()}/-/teams/{call.param('team')}")


ROUTES: Final = (
    *(
        route
        for kind in ("orgs", "users")
        for route in (
            Route("GET", f"/{kind}/{{owner}}", account),
            Route("GET", f"/{kind}/{{owner}}/packages", account),
            Route("GET", f"/{kind}/{{owner}}/packages/container/package/{{image}}", package),
            Route("GET", f"/{kind}/{{owner}}/packages/container/{{image}}/{{number}}", version, opening=opening),
        )
    ),
    Route("GET", "/orgs/{owner}/teams/{team}", team),
    Route("GET", "/{owner}/{repository}/pkgs/container/{image}", package),
)

"""The server's description of itself, which GitHub clients request first: root, meta and rate limit."""

from typing import Final

from aiohttp import web

from registry.http.api.call import ApiCall, answer
from registry.http.api.routes import Access, Route
from registry.version import VERSION

#: The release of GitHub Enterprise Server whose API clients may expect: gh and go-github ask for it.
_LIKE: Final = "3.14.0"
#: Nothing is counted against a token here; clients that plan by these numbers never have to wait.
_LIMIT: Final = 15_000
_HOUR: Final = 3600

_LINKS: Final = {
    "current_user_url": "/user",
    "current_user_repositories_url": "/user/repos{?type,page,per_page,sort}",
    "organization_url": "/orgs/{org}",
    "organization_repositories_url": "/orgs/{org}/repos{?type,page,per_page,sort}",
    "organization_teams_url": "/orgs/{org}/teams",
    "rate_limit_url": "/rate_limit",
    "repository_url": "/repos/{owner}/{repo}",
    "user_url": "/users/{user}",
    "user_organizations_url": "/user/orgs",
    "user_repositories_url": "/users/{user}/repos{?type,page,per_page,sort}",
}


async def root(call: ApiCall) -> web.Response:
    """Return the URLs of the API. gh reads a token's scopes from the headers of this response."""
    headers = {}
    if call.viewer is not None and call.viewer.kind == "classic":
        headers["X-OAuth-Scopes"] = ", ".join(sorted(call.viewer.scopes))
    return answer({name: call.base + path for name, path in _LINKS.items()}, headers=headers)


async def meta(_call: ApiCall) -> web.Response:
    """Return the versions of the API and of Moorage."""
    return answer(
        {
            "verifiable_password_authentication": False,
            "installed_version": _LIKE,
            "moorage_version": VERSION,
            "packages": [],
        }
    )


async def rate_limit(call: ApiCall) -> web.Response:
    """Return an untouched rate limit: the API has no hourly limits."""
    now = int(call.services.now())
    rate = {"limit": _LIMIT, "used": 0, "remaining": _LIMIT, "reset": now - now % _HOUR + _HOUR}
    core = {**rate, "resource": "core"}
    return answer({"resources": {"core": core, "search": core, "graphql": core}, "rate": rate})


ROUTES: Final = (
    Route("GET", "/", root, "The URLs of the API", Access.ANYBODY),
    Route("GET", "/meta", meta, "The API's version", Access.ANYBODY),
    Route("GET", "/rate_limit", rate_limit, "The rate limit", Access.ANYBODY),
)

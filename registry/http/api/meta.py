"""The server's description of itself, which GitHub clients request first: root, meta and rate limit."""

from typing import Final

from aiohttp import web

from registry.http.api.call import ApiCall, answer
from registry.http.api.routes import Access, Route
from registry.http.api.schemas import site as schemas
from registry.http.rate_limits import RATE_LIMIT, tally_of
from registry.rate_limits import Quantity, Standing
from registry.version import VERSION

#: The release of GitHub Enterprise Server whose API clients may expect: gh and go-github ask for it.
_LIKE: Final = "3.14.0"
#: Where nothing is limited: clients that plan by these numbers never have to wait.
_UNLIMITED: Final = 15_000
_HOUR: Final = 3600

#: What GitHub's schema of the root requires; not all of it is offered here.
_LINKS: Final = {
    "code_search_url": "/search/code?q={query}{&page,per_page,sort,order}",
    "commit_search_url": "/search/commits?q={query}{&page,per_page,sort,order}",
    "current_user_authorizations_html_url": "/settings/connections/applications{/client_id}",
    "current_user_repositories_url": "/user/repos{?type,page,per_page,sort}",
    "current_user_url": "/user",
    "emails_url": "/user/emails",
    "emojis_url": "/emojis",
    "events_url": "/events",
    "feeds_url": "/feeds",
    "followers_url": "/user/followers",
    "following_url": "/user/following{/target}",
    "gists_url": "/gists{/gist_id}",
    "issue_search_url": "/search/issues?q={query}{&page,per_page,sort,order}",
    "issues_url": "/issues",
    "keys_url": "/user/keys",
    "label_search_url": "/search/labels?q={query}&repository_id={repository_id}{&page,per_page}",
    "notifications_url": "/notifications",
    "organization_repositories_url": "/orgs/{org}/repos{?type,page,per_page,sort}",
    "organization_teams_url": "/orgs/{org}/teams",
    "organization_url": "/orgs/{org}",
    "public_gists_url": "/gists/public",
    "rate_limit_url": "/rate_limit",
    "repository_search_url": "/search/repositories?q={query}{&page,per_page,sort,order}",
    "repository_url": "/repos/{owner}/{repo}",
    "starred_gists_url": "/gists/starred",
    "starred_url": "/user/starred{/owner}{/repo}",
    "topic_search_url": "/search/topics?q={query}{&page,per_page}",
    "user_organizations_url": "/user/orgs",
    "user_repositories_url": "/users/{user}/repos{?type,page,per_page,sort}",
    "user_search_url": "/search/users?q={query}{&page,per_page,sort,order}",
    "user_url": "/users/{user}",
}
#: Addresses that GitHub's services come from; here there are none but the registry's own. hub4j needs the lists.
_ADDRESSES: Final = (
    "actions", "actions_macos", "api", "codespaces", "copilot", "dependabot", "git", "github_enterprise_importer",
    "hooks", "importer", "packages", "pages", "web",
)  # fmt: skip
_LIMITED: Final = (
    "core", "search", "code_search", "graphql", "integration_manifest", "source_import", "code_scanning_upload",
    "actions_runner_registration", "scim", "dependency_snapshots",
)  # fmt: skip


async def root(call: ApiCall) -> web.Response:
    """Return the URLs of the API."""
    return answer({name: call.base + path for name, path in _LINKS.items()})


async def meta(_call: ApiCall) -> web.Response:
    """Return the versions of the API and of Moorage."""
    return answer(
        {
            "verifiable_password_authentication": False,
            "installed_version": _LIKE,
            "moorage_version": VERSION,
            "ssh_key_fingerprints": {},
            "ssh_keys": [],
            **{service: [] for service in _ADDRESSES},
        }
    )


async def rate_limit(call: ApiCall) -> web.Response:
    """Return what the caller has left: of the requests of the API as GitHub tells it, and of each limit by its name."""
    now, limits = int(call.services.now()), call.services.limits
    found: dict[Quantity, list[Standing]] = {}
    if limits is not None:
        found = {one: limits.standings(tally_of(call.services, limits, call.request, one)) for one in Quantity}
    requests = found.get(Quantity.REQUESTS)
    rate = {"limit": _UNLIMITED, "used": 0, "remaining": _UNLIMITED, "reset": now - now % _HOUR + _HOUR}
    if requests:
        rate = _rate(requests[0], now)
    policies = [
        {"name": one.policy.name, "window_seconds": one.policy.window_seconds, **_rate(one, now)}
        for standings in found.values()
        for one in standings
    ]
    resources = {name: {**rate, "resource": name} for name in _LIMITED}
    return answer({"resources": resources, "rate": rate, "policies": policies})


def _rate(standing: Standing, now: int) -> dict[str, int]:
    quota, left = standing.policy.quota, standing.remaining
    return {"limit": quota, "used": quota - left, "remaining": left, "reset": now + standing.reset_seconds}


ROUTES: Final = (
    Route("GET", "/", root, "Get the URLs of the API", Access.ANYBODY, answer=schemas.Root),
    Route("GET", "/meta", meta, "Get the version of the API", Access.ANYBODY, answer=schemas.ApiMeta),
    Route("GET", RATE_LIMIT, rate_limit, "Get the rate limit", Access.ANYBODY, answer=schemas.RateLimit),
)

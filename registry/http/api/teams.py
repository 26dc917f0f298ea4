"""Teams: groups of members of an organization, to whom repositories and packages are granted."""

from typing import Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from auth.permissions import ADMIN
from registry import shapes
from registry.accounts import organizations as rules
from registry.accounts import repositories as repository_rules
from registry.accounts.names import is_login
from registry.errors import NotFound
from registry.http.api import rights
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.organizations import change
from registry.http.api.paging import page_of
from registry.http.api.repositories import filter_of
from registry.http.api.routes import Route
from registry.http.api.schemas import accounts as accounts_schemas
from registry.http.api.schemas import repositories as repositories_schemas
from storage.metadata import collaborators, repository_lists, teams
from storage.metadata.organizations import Organization
from storage.metadata.teams import Team


class NewTeam(msgspec.Struct):
    """A team to create; ``maintainers``: logins of its first members, though only owners may manage teams."""

    name: Text
    description: Text | None = None
    maintainers: list[str] = []


class TeamChange(msgspec.Struct):
    name: Text | None = None
    description: Text | UnsetType | None = UNSET


class NewTeamMembership(msgspec.Struct):
    role: Literal["member"] = "member"


class NewTeamRepository(msgspec.Struct):
    permission: Literal["pull", "triage", "push", "maintain", "admin"] = "pull"


async def list_teams(call: ApiCall) -> web.Response:
    """List the organization's teams; for members."""
    org, page = await rights.member_of(call), page_of(call)
    found, total = await teams.of_organization(call.services.db, org.id, limit=page.size, offset=page.offset)
    return answer([_team(call, org, team) for team in found], headers=page.links(call, total))


async def create(call: ApiCall) -> web.Response:
    """Create a team."""
    new = call.body(NewTeam)
    org = await rights.owner_of(call)
    slug = await rules.create_team(call.services.db, org.id, new.name, new.description or "", new.maintainers)
    return answer(_full(call, org, await _by_slug(call, org, slug)), 201)


async def get(call: ApiCall) -> web.Response:
    """Return a team as «Team Full»; for members."""
    org = await rights.member_of(call)
    return answer(_full(call, org, await _named(call, org)))


async def update(call: ApiCall) -> web.Response:
    """Change a team's name, with the slug, and description."""
    new = call.body(TeamChange)
    org = await rights.owner_of(call)
    team = await _named(call, org)
    slug = await rules.rename_team(call.services.db, org.id, team.id, new.name, change(new.description))
    return answer(_full(call, org, await _by_slug(call, org, slug or team.slug)))


async def delete(call: ApiCall) -> web.Response:
    """Delete a team with its grants."""
    org = await rights.owner_of(call)
    team = await _named(call, org)
    await teams.delete(call.services.db, org.id, team.id)
    return nothing()


async def list_members(call: ApiCall) -> web.Response:
    """List the members of the team."""
    org, page = await rights.member_of(call), page_of(call)
    team = await _named(call, org)
    found, total = await teams.members(call.services.db, org.id, team.id, limit=page.size, offset=page.offset)
    body = [shapes.simple_user(call, who.id, who.login, "User", site_admin=who.site_admin) for who in found]
    return answer(body, headers=page.links(call, total))


async def get_membership(call: ApiCall) -> web.Response:
    """Return a user's membership of the team, or 404."""
    org, login = await rights.member_of(call), call.param("username")
    team = await _named(call, org)
    found = await teams.member(call.services.db, org.id, team.id, login) if is_login(login) else None
    if found is None:
        raise NotFound
    return answer(_membership(call, org, team, found.login))


async def put_membership(call: ApiCall) -> web.Response:
    """Add a member of the organization to the team."""
    call.body(NewTeamMembership)
    org, login = await rights.owner_of(call), call.param("username")
    team = await _named(call, org)
    await rules.add_to_team(call.services.db, org.id, team.id, login)
    return answer(_membership(call, org, team, login))


async def remove_membership(call: ApiCall) -> web.Response:
    """Remove a member from the team."""
    org, login = await rights.owner_of(call), call.param("username")
    team = await _named(call, org)
    if not is_login(login) or not await teams.remove_member(call.services.db, org.id, team.id, login):
        raise NotFound
    return nothing()


async def list_repositories(call: ApiCall) -> web.Response:
    """List the team's repositories that the caller may read."""
    org, page = await rights.member_of(call), page_of(call)
    team = await _named(call, org)
    found, total = await repository_lists.of_team(call.services.db, call.token_id, team.id, filter_of(call, page))
    return answer([shapes.repository(call, repository) for repository in found], headers=page.links(call, total))


async def check_repository(call: ApiCall) -> web.Response:
    """Check that the team has a role over a repository (204, or 404); render the repository if Accept asks for one."""
    org = await rights.member_of(call)
    team, repository = await _named(call, org), await rights.repository(call)
    role = await collaborators.of_team(call.services.db, repository.id, team.id)
    if not role:
        raise NotFound
    if "repository+json" not in call.http.headers.get("Accept", ""):
        return nothing()
    return answer({**shapes.repository(call, repository), "permissions": shapes.permissions(role)})


async def put_repository(call: ApiCall) -> web.Response:
    """Grant the team a role over a repository of its organization; for the repository's admins."""
    role = repository_rules.PERMISSIONS[call.body(NewTeamRepository).permission]
    org = await rights.member_of(call)
    team, repository = await _named(call, org), await rights.repository(call, ADMIN)
    await repository_rules.grant_team(call.services.db, repository, org.login, team.id, role)
    return nothing()


async def remove_repository(call: ApiCall) -> web.Response:
    """Revoke the team's role over a repository; for the repository's admins."""
    org = await rights.member_of(call)
    team, repository = await _named(call, org), await rights.repository(call, ADMIN)
    await collaborators.remove_team(call.services.db, repository.id, team.id)
    return nothing()


async def _named(call: ApiCall, org: Organization) -> Team:
    return await _by_slug(call, org, call.param("team_slug"))


async def _by_slug(call: ApiCall, org: Organization, slug: str) -> Team:
    found = None if "\x00" in slug else await teams.by_slug(call.services.db, org.id, slug)
    if found is None:
        raise NotFound
    return found


def _team(call: ApiCall, org: Organization, team: Team) -> dict[str, Any]:
    url = f"{call.base}/orgs/{org.login}/teams/{team.slug}"
    return {
        "id": team.id,
        "node_id": shapes.node_id("Team", team.id),
        "url": url,
        "html_url": f"{call.origin}/orgs/{org.login}/teams/{team.slug}",
        "name": team.name,
        "slug": team.slug,
        "description": team.description,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "parent": None,
    }


def _full(call: ApiCall, org: Organization, team: Team) -> dict[str, Any]:
    return {
        **_team(call, org, team),
        "members_count": team.members,
        "repos_count": team.repositories,
        "created_at": team.created_at,
        "updated_at": team.updated_at,
        "organization": shapes.simple_organization(call, org.id, org.login, org.description),
    }


def _membership(call: ApiCall, org: Organization, team: Team, login: str) -> dict[str, Any]:
    url = f"{call.base}/orgs/{org.login}/teams/{team.slug}/memberships/{login}"
    return {"url": url, "role": "member", "state": "active"}


_TEAMS: Final = "/orgs/{org}/teams"
_TEAM: Final = "/orgs/{org}/teams/{team_slug}"
_MEMBERSHIP: Final = "/orgs/{org}/teams/{team_slug}/memberships/{username}"
_REPOS: Final = "/orgs/{org}/teams/{team_slug}/repos"
_REPO: Final = "/orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}"
_READ, _WRITE = "read:org", "write:org"
_SEEN: Final = (200, 403, 404)
_DONE: Final = (204, 403, 404)
_PAGED: Final = ("page", "per_page")

ROUTES: Final = (
    Route(
        "GET",
        _TEAMS,
        list_teams,
        "List teams",
        scope=_READ,
        query=_PAGED,
        statuses=_SEEN,
        answer=list[accounts_schemas.TeamSummary],
    ),
    Route(
        "POST",
        _TEAMS,
        create,
        "Create a team",
        scope=_WRITE,
        body=NewTeam,
        statuses=(201, 403, 404, 422),
        answer=accounts_schemas.Team,
    ),
    Route("GET", _TEAM, get, "Get a team", scope=_READ, statuses=_SEEN, answer=accounts_schemas.Team),
    Route(
        "PATCH",
        _TEAM,
        update,
        "Change a team",
        scope=_WRITE,
        body=TeamChange,
        statuses=(200, 403, 404, 422),
        answer=accounts_schemas.Team,
    ),
    Route("DELETE", _TEAM, delete, "Delete a team", scope=_WRITE, statuses=_DONE),
    Route(
        "GET",
        f"{_TEAM}/members",
        list_members,
        "List the members of a team",
        scope=_READ,
        query=_PAGED,
        statuses=_SEEN,
        answer=list[accounts_schemas.SimpleUser],
    ),
    Route(
        "GET",
        _MEMBERSHIP,
        get_membership,
        "Get a membership of a team",
        scope=_READ,
        statuses=_SEEN,
        answer=accounts_schemas.TeamMembership,
    ),
    Route(
        "PUT",
        _MEMBERSHIP,
        put_membership,
        "Add a member to a team",
        scope=_WRITE,
        body=NewTeamMembership,
        statuses=(200, 403, 404, 422),
        answer=accounts_schemas.TeamMembership,
    ),
    Route("DELETE", _MEMBERSHIP, remove_membership, "Remove a member from a team", scope=_WRITE, statuses=_DONE),
    Route(
        "GET",
        _REPOS,
        list_repositories,
        "List the repositories of a team",
        scope=_READ,
        query=_PAGED,
        statuses=_SEEN,
        answer=list[repositories_schemas.Repository],
    ),
    Route(
        "GET",
        _REPO,
        check_repository,
        "Check a repository of a team",
        scope=_READ,
        statuses=(200, 204, 403, 404),
        answer=repositories_schemas.Repository,
    ),
    Route(
        "PUT",
        _REPO,
        put_repository,
        "Grant a team a repository",
        scope="repo",
        body=NewTeamRepository,
        statuses=(204, 403, 404, 422),
    ),
    Route("DELETE", _REPO, remove_repository, "Remove a repository from a team", scope="repo", statuses=_DONE),
)

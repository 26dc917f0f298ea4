"""Users: profiles of the caller and of other accounts, and their organizations."""

from typing import Any, Final

from aiohttp import web

from registry.errors import NotFound
from registry.http.api import rights
from registry.http.api.call import ApiCall, answer
from registry.http.api.paging import page_of, since_link, since_of
from registry.http.api.routes import Route
from registry.http.api.schemas import accounts as schemas
from registry.shapes import simple_organization, simple_user
from storage.metadata import accounts, organizations
from storage.metadata.accounts import Account
from storage.metadata.organizations import Belonging

_PAGED: Final = ("page", "per_page")
_SINCE: Final = ("since", "per_page")


async def get_myself(call: ApiCall) -> web.Response:
    """Return the caller as «Private User»."""
    found = await accounts.by_id(call.services.db, rights.myself(call))
    if found is None:
        raise NotFound
    private = {
        "private_gists": 0,
        "total_private_repos": 0,
        "owned_private_repos": 0,
        "disk_usage": 0,
        "collaborators": 0,
        "two_factor_authentication": False,
    }
    return answer({**await _profile(call, found), **private})


async def get_user(call: ApiCall) -> web.Response:
    """Return a user or an organization as «Public User»."""
    return answer(await _profile(call, await rights.account(call)))


async def get_user_by_id(call: ApiCall) -> web.Response:
    """Return an account by its immutable numeric id as «Public User»."""
    found = await accounts.by_id(call.services.db, call.number("account_id"))
    if found is None:
        raise NotFound
    return answer(await _profile(call, found))


async def list_accounts(call: ApiCall) -> web.Response:
    """List all accounts, of users and organizations, in the order in which they were made."""
    found, links = await _listed(call, organizations_only=False)
    body = [simple_user(call, one.id, one.login, one.kind, site_admin=one.site_admin) for one in found]
    return answer(body, headers=links)


async def list_all_organizations(call: ApiCall) -> web.Response:
    """List all organizations, in the order in which they were made."""
    found, links = await _listed(call, organizations_only=True)
    return answer([simple_organization(call, one.id, one.login, one.description) for one in found], headers=links)


async def _listed(call: ApiCall, *, organizations_only: bool) -> tuple[list[Account], dict[str, str]]:
    since, size = since_of(call)
    found = await accounts.listed(call.services.db, since, size + 1, organizations_only=organizations_only)
    page = found[:size]
    return page, since_link(call, size, page[-1].id) if len(found) > size else {}


async def _profile(call: ApiCall, found: Account) -> dict[str, Any]:
    mine = rights.is_own(call, found)
    return {
        **simple_user(call, found.id, found.login, found.kind, site_admin=found.site_admin),
        "name": found.name,
        "company": None,
        "blog": "",
        "location": None,
        # A person's address is for himself; an organization's is there to be seen.
        "email": found.email if mine or found.kind == "Organization" else None,
        "hireable": None,
        "bio": found.description,
        "twitter_username": None,
        "public_repos": await accounts.public_repositories(call.services.db, found.id),
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "suspended_at": found.suspended_at if mine else None,
    }


async def list_organizations(call: ApiCall) -> web.Response:
    """List the organizations that a user shares with the caller; to administrators all of the user's."""
    me, user, page = rights.myself(call), await rights.user(call), page_of(call)
    viewer = user.id if rights.is_own(call, user) else me
    found, total = await organizations.of_user(call.services.db, user.id, viewer, limit=page.size, offset=page.offset)
    body = [simple_organization(call, org.id, org.login, org.description) for org in found]
    return answer(body, headers=page.links(call, total))


async def list_my_organizations(call: ApiCall) -> web.Response:
    """List the caller's organizations."""
    me, page = rights.myself(call), page_of(call)
    found, total = await organizations.of_user(call.services.db, me, me, limit=page.size, offset=page.offset)
    body = [simple_organization(call, org.id, org.login, org.description) for org in found]
    return answer(body, headers=page.links(call, total))


async def list_my_memberships(call: ApiCall) -> web.Response:
    """List the caller's memberships; all are active, as the registry has no invitations."""
    me, page = rights.myself(call), page_of(call)
    if call.http.query.get("state") == "pending":
        return answer([])
    found, total = await organizations.of_user(call.services.db, me, me, limit=page.size, offset=page.offset)
    account = await accounts.by_id(call.services.db, me)
    person = None if account is None else simple_user(call, me, account.login, "User", site_admin=account.site_admin)
    return answer([_membership(call, org, person) for org in found], headers=page.links(call, total))


def _membership(call: ApiCall, org: Belonging, person: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "url": f"{call.base}/orgs/{org.login}/memberships/{call.me.login}",
        "state": "active",
        "role": org.role,
        "organization_url": f"{call.base}/orgs/{org.login}",
        "organization": simple_organization(call, org.id, org.login, org.description),
        "user": person,
    }


ROUTES: Final = (
    Route("GET", "/user", get_myself, "Get yourself", statuses=(200, 401, 403), answer=schemas.PrivateUser),
    Route(
        "GET",
        "/user/orgs",
        list_my_organizations,
        "List your organizations",
        scope="read:org",
        query=_PAGED,
        answer=list[schemas.SimpleOrganization],
    ),
    Route(
        "GET",
        "/user/memberships/orgs",
        list_my_memberships,
        "List your memberships",
        scope="read:org",
        query=("state", *_PAGED),
        answer=list[schemas.OrganizationMembership],
    ),
    Route(
        "GET",
        "/user/{account_id}",
        get_user_by_id,
        "Get an account by its id",
        statuses=(200, 404),
        answer=schemas.PublicUser,
    ),
    Route("GET", "/users", list_accounts, "List accounts", query=_SINCE, answer=list[schemas.SimpleUser]),
    Route(
        "GET",
        "/organizations",
        list_all_organizations,
        "List all organizations",
        query=_SINCE,
        answer=list[schemas.SimpleOrganization],
    ),
    Route("GET", "/users/{username}", get_user, "Get an account", statuses=(200, 404), answer=schemas.PublicUser),
    Route(
        "GET",
        "/users/{username}/orgs",
        list_organizations,
        "List the organizations of a user",
        scope="read:org",
        query=_PAGED,
        statuses=(200, 404),
        answer=list[schemas.SimpleOrganization],
    ),
)

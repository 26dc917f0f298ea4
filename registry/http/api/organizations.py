"""Organizations: their profiles, settings and members."""

from typing import Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from registry.accounts import accounts as account_rules
from registry.accounts import organizations as rules
from registry.accounts.names import is_login
from registry.errors import NotFound
from registry.http.api import rights
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.paging import page_of
from registry.http.api.routes import Route
from registry.http.api.schemas import accounts as accounts_schemas
from registry.http.api.schemas import values as values_schemas
from registry.shapes import simple_organization, simple_user
from storage.metadata import accounts, organizations
from storage.metadata.organizations import Member, Organization, Settings

_OWNER_FIELDS: Final = (
    "packages_inherit_access",
    "packages_sso_required",
    "members_can_create_public_packages",
    "members_can_create_private_packages",
    "members_can_create_internal_packages",
)


class OrganizationChange(msgspec.Struct):
    """A change of an organization: an absent field is unchanged; a text that is null or empty is cleared."""

    name: Text | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    email: Text | UnsetType | None = UNSET
    packages_inherit_access: bool | None = None
    packages_sso_required: bool | None = None
    members_can_create_public_packages: bool | None = None
    members_can_create_private_packages: bool | None = None
    members_can_create_internal_packages: bool | None = None


class OwnOrganization(msgspec.Struct):
    """An organization to create, owned by the caller."""

    login: str
    profile_name: Text | None = None


class NewMembership(msgspec.Struct):
    role: Literal["admin", "member"] = "member"


def change(text: str | UnsetType | None) -> str | None:
    """Convert a JSON text to a change: None for an absent text (keep), the empty text for null (clear)."""
    return None if text is UNSET else text or ""


async def get(call: ApiCall) -> web.Response:
    """Return the organization as «Organization Full»; only owners see its settings."""
    return answer(await _full(call, await rights.organization(call)))


async def create(call: ApiCall) -> web.Response:
    """Create an organization owned by the caller."""
    new = call.body(OwnOrganization)
    rights.myself(call)
    made = await rules.create(call.services.db, new.login, call.me.login, name=new.profile_name)
    return answer(simple_organization(call, made.id, made.login, made.description), 201)


async def update(call: ApiCall) -> web.Response:
    """Change the organization's profile and settings."""
    new = call.body(OrganizationChange)
    org = await rights.owner_of(call)
    settings = Settings(
        change(new.name),
        change(new.email),
        change(new.description),
        new.packages_inherit_access,
        new.packages_sso_required,
        new.members_can_create_public_packages,
        new.members_can_create_private_packages,
        new.members_can_create_internal_packages,
    )
    await organizations.update(call.services.db, org.id, settings)
    return answer(await _full(call, await rights.organization(call)))


async def delete(call: ApiCall) -> web.Response:
    """Deletes the organization and its packages."""
    org = await rights.owner_of(call)
    rights.myself(call)  # a person, not a workflow
    await account_rules.delete(call.services.db, org.login, kind="Organization", actor=call.actor)
    return answer({}, 202)


async def _full(call: ApiCall, org: Organization) -> dict[str, Any]:
    body = {
        **simple_organization(call, org.id, org.login, org.description),
        "name": org.name,
        "company": None,
        "blog": None,
        "location": None,
        "email": org.email,
        "twitter_username": None,
        "is_verified": False,
        "has_organization_projects": False,
        "has_repository_projects": False,
        "public_repos": await accounts.public_repositories(call.services.db, org.id),
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "html_url": f"{call.origin}/{org.login}",
        "created_at": org.created_at,
        "updated_at": org.updated_at,
        "archived_at": None,
        "type": "Organization",
    }
    if rights.shows_settings(call, org):
        body |= {name: getattr(org, name) for name in _OWNER_FIELDS}
        body |= {"default_repository_permission": "none", "members_can_create_repositories": True}
    return body


async def list_members(call: ApiCall) -> web.Response:
    """List the members; for members."""
    org, page = await rights.member_of(call), page_of(call)
    asked = call.http.query.get("role")
    role = asked if asked in {"admin", "member"} else None
    found, total = await organizations.members(call.services.db, org.id, role, limit=page.size, offset=page.offset)
    return answer([_person(call, member) for member in found], headers=page.links(call, total))


async def check_member(call: ApiCall) -> web.Response:
    """Check that a user is a member (204, or 404); for members."""
    await _member(call, await rights.member_of(call))
    return nothing()


async def get_membership(call: ApiCall) -> web.Response:
    """Return a user's membership; for members."""
    org = await rights.member_of(call)
    return answer(_membership(call, org, await _member(call, org)))


async def get_my_membership(call: ApiCall) -> web.Response:
    """Return the caller's membership."""
    org = await rights.member_of(call)
    mine = await organizations.member(call.services.db, org.id, call.me.login)
    if mine is None:
        raise NotFound
    return answer(_membership(call, org, mine))


async def put_membership(call: ApiCall) -> web.Response:
    """Add a member, or change a member's role; no invitation has to be accepted."""
    role = call.body(NewMembership).role
    org = await rights.owner_of(call)
    member = await rules.set_role(call.services.db, org.login, call.param("username"), role)
    return answer(_membership(call, org, member))


async def remove_member(call: ApiCall) -> web.Response:
    """Remove a member, or let the caller leave; all grants in the organization end with the membership."""
    login = call.param("username")
    org = await rights.owner_or_self(call, login)
    await rules.remove(call.services.db, org.login, login)
    return nothing()


async def _member(call: ApiCall, org: Organization) -> Member:
    login = call.param("username")
    found = await organizations.member(call.services.db, org.id, login) if is_login(login) else None
    if found is None:
        raise NotFound
    return found


def _person(call: ApiCall, member: Member) -> dict[str, Any]:
    return simple_user(call, member.id, member.login, "User", site_admin=member.site_admin)


def _membership(call: ApiCall, org: Organization, member: Member) -> dict[str, Any]:
    return {
        "url": f"{call.base}/orgs/{org.login}/memberships/{member.login}",
        "state": "active",
        "role": member.role,
        "organization_url": f"{call.base}/orgs/{org.login}",
        "organization": simple_organization(call, org.id, org.login, org.description),
        "user": _person(call, member),
        "permissions": {"can_create_repository": True},
    }


_ORG: Final = "/orgs/{org}"
_MEMBER: Final = "/orgs/{org}/members/{username}"
_MEMBERSHIP: Final = "/orgs/{org}/memberships/{username}"
_SEEN: Final = (200, 403, 404)
_DONE: Final = (204, 403, 404, 422)

ROUTES: Final = (
    Route(
        "POST",
        "/orgs",
        create,
        "Create an organization",
        scope="admin:org",
        body=OwnOrganization,
        statuses=(201, 403, 422),
        answer=accounts_schemas.SimpleOrganization,
    ),
    Route("GET", _ORG, get, "Get an organization", statuses=(200, 404), answer=accounts_schemas.Organization),
    Route(
        "PATCH",
        _ORG,
        update,
        "Change an organization",
        scope="write:org",
        body=OrganizationChange,
        statuses=(200, 403, 404, 422),
        answer=accounts_schemas.Organization,
    ),
    Route(
        "DELETE",
        _ORG,
        delete,
        "Delete an organization",
        scope="admin:org",
        statuses=(202, 403, 404),
        answer=values_schemas.Empty,
    ),
    Route(
        "GET",
        "/orgs/{org}/members",
        list_members,
        "List the members of an organization",
        scope="read:org",
        query=("role", "page", "per_page"),
        statuses=_SEEN,
        answer=list[accounts_schemas.SimpleUser],
    ),
    Route("GET", _MEMBER, check_member, "Check that a user is a member", scope="read:org", statuses=(204, 403, 404)),
    Route(
        "DELETE",
        _MEMBER,
        remove_member,
        "Remove a member of an organization",
        scope="write:org",
        statuses=_DONE,
        told_by=_MEMBERSHIP,
    ),
    Route(
        "GET",
        _MEMBERSHIP,
        get_membership,
        "Get a membership",
        scope="read:org",
        statuses=_SEEN,
        answer=accounts_schemas.OrganizationMembership,
    ),
    Route(
        "PUT",
        _MEMBERSHIP,
        put_membership,
        "Add a member, or change a role",
        scope="write:org",
        body=NewMembership,
        statuses=(200, 403, 404, 422),
        answer=accounts_schemas.OrganizationMembership,
    ),
    Route("DELETE", _MEMBERSHIP, remove_member, "Remove a member, or leave", scope="write:org", statuses=_DONE),
    Route(
        "GET",
        "/user/memberships/orgs/{org}",
        get_my_membership,
        "Get your membership",
        scope="read:org",
        statuses=_SEEN,
        answer=accounts_schemas.OrganizationMembership,
    ),
)

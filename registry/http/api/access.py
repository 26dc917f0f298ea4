"""Access to a package: routes that list, grant and revoke roles of users, teams and the tokens of repositories."""

from functools import partial
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from auth.identity import Action
from auth.permissions import ROLE_NAMES
from registry.http.api import rights
from registry.http.api.call import ApiCall, answer, nothing
from registry.http.api.conditions import check_of
from registry.http.api.families import PACKAGE, allowed, family, one_of, package_name, shown
from registry.http.api.packages import linked_repository
from registry.http.api.schemas import packages as schemas
from registry.packages.conditions import Check
from registry.packages.roles import AUDIENCES, ROLES
from registry.shapes import simple_user
from storage.metadata.access import RepositoryGrant, TeamGrant, UserGrant
from storage.metadata.database import Transaction

Role = Literal["read", "write", "admin"]


class NewRole(msgspec.Struct):
    role: Role


class NewRepositoryRole(msgspec.Struct):
    """``audience``: the workflow tokens of the repository, or the workspace tokens."""

    role: Role
    audience: Literal["actions", "codespaces"] = "actions"


async def get_access(call: ApiCall) -> web.Response:
    """List the explicit roles over the package; its owner, and owners of the organization, need none."""
    package_id, _ = await allowed(call, Action.ADMIN)
    return await _told(call, package_id)


def _check(call: ApiCall, package_id: int) -> Check | None:
    """The condition of a change of one role: what the list of all of them has told."""
    return check_of(call, partial(_told, call, package_id))


async def _told(call: ApiCall, package_id: int, tx: Transaction | None = None) -> web.Response:
    found = await shown(call, package_id, tx)
    granted = await call.services.accesses.granted(package_id, tx)
    owner = simple_user(call, found.owner_id, found.owner_login, found.owner_kind, site_admin=found.owner_site_admin)
    body = {
        "visibility": found.visibility,
        "inherit_access": found.inherit_access,
        "repository": linked_repository(call, found, owner),
        "users": [_user(call, grant) for grant in granted.users],
        "teams": [_team(call, found.owner_login, grant) for grant in granted.teams],
        "repositories": [_repository(call, grant) for grant in granted.repositories],
    }
    return answer(body)


def _user(call: ApiCall, grant: UserGrant) -> dict[str, Any]:
    person = simple_user(call, grant.account_id, grant.login, grant.kind, site_admin=grant.site_admin)
    return {**person, "role": ROLE_NAMES[grant.role], "inherited": grant.inherited}


def _team(call: ApiCall, org: str, grant: TeamGrant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "slug": grant.slug,
        "name": grant.name,
        "url": f"{call.base}/orgs/{org}/teams/{grant.slug}",
        "role": ROLE_NAMES[grant.role],
        "inherited": grant.inherited,
    }


def _repository(call: ApiCall, grant: RepositoryGrant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "full_name": grant.full_name,
        "url": f"{call.base}/repos/{grant.full_name}",
        "audience": grant.audience,
        "role": ROLE_NAMES[grant.role],
        "inherited": grant.inherited,
    }


async def get_effective(call: ApiCall) -> web.Response:
    """Tell the role of a person over the package, and every reason of it; to its admins, and to the person.

    ``kind`` of a reason: site_admin, owner, organization_owner, organization_member, grant, team, collaborator,
    outside_collaborator, public, suspended; ``repository``: the one that the role is inherited from.
    """
    login = call.param("login")
    mine = call.me.repository_id is None and login.lower() == call.me.login.lower()
    package_id, _ = await allowed(call, Action.PULL if mine else Action.ADMIN)
    await shown(call, package_id)
    person = await rights.user(call, "login")
    found = await call.services.accesses.effective(package_name(call), package_id, person)
    body = {
        "permission": ROLE_NAMES[found.role],
        "role_name": ROLE_NAMES[found.role],
        "user": simple_user(call, person.id, person.login, person.kind, site_admin=person.site_admin),
        "sso_required": found.sso_required,
        "reasons": [
            {"kind": one.kind, "role": ROLE_NAMES[one.role], "name": one.name, "repository": one.repository}
            for one in found.reasons
        ],
    }
    return answer(body)


async def grant_user(call: ApiCall) -> web.Response:
    """Grant a user a role, in place of the user's former one."""
    new = call.body(NewRole)
    package_id, _ = await allowed(call, Action.ADMIN)
    await call.services.accesses.set_user(
        package_id, call.param("login"), ROLES[new.role], call.actor, _check(call, package_id)
    )
    return nothing()


async def revoke_user(call: ApiCall) -> web.Response:
    """Revoke a user's role."""
    package_id, _ = await allowed(call, Action.ADMIN)
    await call.services.accesses.set_user(package_id, call.param("login"), None, call.actor, _check(call, package_id))
    return nothing()


async def grant_team(call: ApiCall) -> web.Response:
    """Grant a team a role, in place of the team's former one."""
    new = call.body(NewRole)
    package_id, _ = await allowed(call, Action.ADMIN)
    await call.services.accesses.set_team(
        package_id, call.param("team_slug"), ROLES[new.role], call.actor, _check(call, package_id)
    )
    return nothing()


async def revoke_team(call: ApiCall) -> web.Response:
    """Revoke a team's role."""
    package_id, _ = await allowed(call, Action.ADMIN)
    await call.services.accesses.set_team(
        package_id, call.param("team_slug"), None, call.actor, _check(call, package_id)
    )
    return nothing()


async def grant_repository(call: ApiCall) -> web.Response:
    """Grant a repository's tokens a role: «Manage Actions access» and «Manage Codespaces access»."""
    new = call.body(NewRepositoryRole)
    package_id, _ = await allowed(call, Action.ADMIN)
    where = (call.param("owner"), call.param("repo"))
    await call.services.accesses.grant_repository(
        package_id, call.actor, where, ROLES[new.role], new.audience, _check(call, package_id)
    )
    return nothing()


async def revoke_repository(call: ApiCall) -> web.Response:
    """Revoke the role of a repository's tokens, for the audience named in the query or for both."""
    audience = one_of(call, "audience", AUDIENCES)
    package_id, _ = await allowed(call, Action.ADMIN)
    where = (call.param("owner"), call.param("repo"))
    await call.services.accesses.revoke_repository(package_id, call.actor, where, audience, _check(call, package_id))
    return nothing()


_SCOPE: Final = "write:packages"
_GRANTED: Final = (204, 400, 401, 403, 404, 409, 413, 422)
_REVOKED: Final = (204, 401, 403, 404, 409, 422)
_USER: Final = PACKAGE + "/access/users/{login}"
_TEAM: Final = PACKAGE + "/access/teams/{team_slug}"
_REPOSITORY: Final = PACKAGE + "/access/repositories/{owner}/{repo}"

ROUTES: Final = (
    *family(
        "GET",
        f"{PACKAGE}/access",
        get_access,
        "List who has access to a package",
        scope=_SCOPE,
        statuses=(200, 401, 403, 404),
        answer=schemas.PackageAccess,
    ),
    *family(
        "GET",
        PACKAGE + "/access/{login}",
        get_effective,
        "Get the role of a user over a package, and why",
        scope="read:packages",
        statuses=(200, 401, 403, 404),
        answer=schemas.EffectiveAccess,
    ),
    *family(
        "PUT",
        _USER,
        grant_user,
        "Grant a user a role over a package",
        scope=_SCOPE,
        body=NewRole,
        statuses=_GRANTED,
        locks=True,
    ),
    *family(
        "DELETE", _USER, revoke_user, "Revoke a user's role over a package", scope=_SCOPE, statuses=_REVOKED, locks=True
    ),
    *family(
        "PUT",
        _TEAM,
        grant_team,
        "Grant a team a role over a package",
        scope=_SCOPE,
        body=NewRole,
        statuses=_GRANTED,
        locks=True,
    ),
    *family(
        "DELETE", _TEAM, revoke_team, "Revoke a team's role over a package", scope=_SCOPE, statuses=_REVOKED, locks=True
    ),
    *family(
        "PUT",
        _REPOSITORY,
        grant_repository,
        "Grant a repository a role over a package",
        scope=_SCOPE,
        body=NewRepositoryRole,
        statuses=_GRANTED,
        locks=True,
    ),
    *family(
        "DELETE",
        _REPOSITORY,
        revoke_repository,
        "Revoke a repository's role over a package",
        scope=_SCOPE,
        query=("audience",),
        statuses=_REVOKED,
        locks=True,
    ),
)

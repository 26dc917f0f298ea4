"""Collaborators of a repository: routes that list, check, add and remove them."""

from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from auth.permissions import ADMIN, READ, WRITE
from registry.accounts import repositories as rules
from registry.accounts.names import is_login
from registry.errors import NotFound
from registry.http.api import rights
from registry.http.api.call import ApiCall, answer, nothing
from registry.http.api.paging import page_of
from registry.http.api.routes import Route
from registry.http.api.schemas import repositories as schemas
from registry.shapes import permissions, simple_user
from storage.metadata import collaborators
from storage.metadata.collaborators import Collaborator

_WORDS: Final = ("none", "read", "write", "admin")


class NewCollaborator(msgspec.Struct):
    permission: Literal["pull", "triage", "push", "maintain", "admin"] = "push"


async def list_all(call: ApiCall) -> web.Response:
    """List the users with a granted role; for viewers with write access."""
    repository, page = await rights.repository(call, WRITE), page_of(call)
    found, total = await collaborators.of_repository(
        call.services.db, repository.id, limit=page.size, offset=page.offset
    )
    return answer([_person(call, one) for one in found], headers=page.links(call, total))


async def check(call: ApiCall) -> web.Response:
    """Check that a user is a collaborator (204, or 404); for viewers with write access."""
    repository, login = await rights.repository(call, WRITE), call.param("username")
    if not is_login(login) or not await collaborators.is_one(call.services.db, repository.id, login):
        raise NotFound
    return nothing()


async def get_permission(call: ApiCall) -> web.Response:
    """Return a user's permission on the repository; for viewers with write access."""
    repository, login = await rights.repository(call, WRITE), call.param("username")
    found = await collaborators.of_person(call.services.db, repository.id, login) if is_login(login) else None
    if found is None:
        raise NotFound
    word = _WORDS[found.role]
    return answer({"permission": word, "role_name": word, "user": _person(call, found)})


async def put(call: ApiCall) -> web.Response:
    """Add a collaborator with a role at once, without an invitation."""
    role = rules.PERMISSIONS[call.body(NewCollaborator).permission]
    repository, person = await rights.repository(call, ADMIN), await rights.user(call)
    await rules.put_collaborator(call.services.db, repository, person, role)
    return nothing()


async def remove(call: ApiCall) -> web.Response:
    """Remove a collaborator; all users may give up their own role."""
    rights.myself(call)
    own = call.param("username").lower() == call.me.login.lower()
    repository, person = await rights.repository(call, READ if own else ADMIN), await rights.user(call)
    await collaborators.remove(call.services.db, repository.id, person.id)
    return nothing()


def _person(call: ApiCall, one: Collaborator) -> dict[str, Any]:
    user = simple_user(call, one.id, one.login, "User", site_admin=one.site_admin)
    return {**user, "permissions": permissions(one.role), "role_name": _WORDS[one.role]}


_ALL: Final = "/repos/{owner}/{repo}/collaborators"
_ONE: Final = f"{_ALL}/{{username}}"
_TOLD: Final = f"{_ONE}/permission"

ROUTES: Final = (
    Route(
        "GET",
        _ALL,
        list_all,
        "List collaborators",
        scope="repo",
        query=("page", "per_page"),
        statuses=(200, 403, 404),
        answer=list[schemas.Collaborator],
    ),
    Route("GET", _ONE, check, "Check that a user is a collaborator", scope="repo", statuses=(204, 403, 404)),
    Route(
        "GET",
        _TOLD,
        get_permission,
        "Get the permission of a user",
        scope="repo",
        statuses=(200, 403, 404),
        answer=schemas.RepositoryPermission,
    ),
    Route(
        "PUT",
        _ONE,
        put,
        "Add a collaborator",
        scope="repo",
        body=NewCollaborator,
        statuses=(204, 403, 404, 422),
        told_by=_TOLD,
    ),
    Route("DELETE", _ONE, remove, "Remove a collaborator", scope="repo", statuses=(204, 403, 404), told_by=_TOLD),
)

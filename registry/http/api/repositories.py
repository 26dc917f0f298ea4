"""Source repositories: records that a forge or a script keeps here; packages are linked to them."""

from typing import Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from auth.permissions import ADMIN, READ
from registry.accounts import repositories as rules
from registry.errors import NotFound
from registry.http.api import rights
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.organizations import change
from registry.http.api.paging import Page, page_of
from registry.http.api.routes import Route
from registry.http.api.schemas import repositories as schemas
from registry.shapes import repository as shape
from storage.metadata import accounts, repositories, repository_lists
from storage.metadata.accounts import Account
from storage.metadata.repositories import Repository
from storage.metadata.repository_lists import Filter, Sort

Visibility = Literal["public", "private", "internal"]


class NewRepository(msgspec.Struct):
    """A repository to create: public by default, as on GitHub."""

    name: str
    description: Text | None = None
    homepage: Text | None = None
    private: bool | None = None
    visibility: Visibility | None = None


class RepositoryChange(msgspec.Struct):
    """A change of a repository: an absent field is unchanged; a text that is null or empty is cleared."""

    name: str | None = None
    description: Text | UnsetType | None = UNSET
    homepage: Text | UnsetType | None = UNSET
    private: bool | None = None
    visibility: Visibility | None = None


class Transfer(msgspec.Struct):
    new_owner: str
    new_name: str | None = None


async def create_mine(call: ApiCall) -> web.Response:
    """Create a repository owned by the caller."""
    new = call.body(NewRepository)
    owner = await accounts.by_id(call.services.db, rights.myself(call))
    if owner is None:
        raise NotFound
    return await _created(call, owner, new)


async def create_in_organization(call: ApiCall) -> web.Response:
    """Create a repository owned by an organization; for its members."""
    new = call.body(NewRepository)
    org = await rights.member_of(call)
    owner = await accounts.by_login(call.services.db, org.login)
    if owner is None:
        raise NotFound
    return await _created(call, owner, new)


async def _created(call: ApiCall, owner: Account, new: NewRepository) -> web.Response:
    await rules.create(
        call.services.db,
        owner,
        new.name,
        rules.checked_visibility(new.visibility, new.private, owner.kind) or "public",
        description=new.description or "",
        homepage=new.homepage or "",
        creator_id=rights.myself(call),
    )
    made = await repositories.seen(call.services.db, call.token_id, owner.login, new.name)
    full = _full(call, rights.checked(call, made, ADMIN))
    return answer(full, 201, headers={"Location": full["url"]})


#: GitHub's words; what a repository has of its own is what is pushed to it here.
_SORTS: Final[dict[str, Sort]] = {
    "full_name": "full_name",
    "created": "created",
    "updated": "updated",
    "pushed": "updated",
}


def filter_of(call: ApiCall, page: Page, sort: Sort = "full_name") -> Filter:
    """Parse the query into a filter of repositories, limited to the visibility of the token.

    ``sort``: the order if the query names none, or none of GitHub's.
    """
    query = call.http.query
    asked = query.get("visibility", query.get("type"))
    visibility = asked if asked in {"public", "private", "internal"} else None
    by = _SORTS.get(query.get("sort", ""), sort)
    direction = query.get("direction", "asc" if by == "full_name" else "desc")
    return Filter(rights.shows_private(call), visibility, by, direction == "desc", page.size, page.offset)


async def list_mine(call: ApiCall) -> web.Response:
    """List the repositories of the caller: owned, as a collaborator, or by an organization."""
    me, page = rights.myself(call), page_of(call)
    found, total = await repository_lists.of_caller(call.services.db, call.me.id, me, filter_of(call, page))
    return answer([shape(call, repository) for repository in found], headers=page.links(call, total))


async def list_of_account(call: ApiCall) -> web.Response:
    """List an account's repositories that the caller may read."""
    owner, page = await rights.account(call), page_of(call)
    return await _owned(call, owner.id, filter_of(call, page), page)


async def list_of_organization(call: ApiCall) -> web.Response:
    """List an organization's repositories that the caller may read."""
    org, page = await rights.organization(call), page_of(call)
    return await _owned(call, org.id, filter_of(call, page, "created"), page)


async def _owned(call: ApiCall, owner_id: int, wanted: Filter, page: Page) -> web.Response:
    found, total = await repository_lists.of_owner(call.services.db, call.token_id, owner_id, wanted)
    return answer([shape(call, repository) for repository in found], headers=page.links(call, total))


async def get(call: ApiCall) -> web.Response:
    """Return a repository as «Full Repository»."""
    return answer(_full(call, await rights.repository(call)))


async def get_by_id(call: ApiCall) -> web.Response:
    """Return a repository by its immutable numeric id as «Full Repository»."""
    found = await repositories.by_id(call.services.db, call.token_id, call.number("repository_id"))
    return answer(_full(call, rights.checked(call, found, READ)))


async def update(call: ApiCall) -> web.Response:
    """Change a repository; a renamed repository keeps its packages."""
    new = call.body(RepositoryChange)
    found = await rights.repository(call, ADMIN)
    await rules.update(
        call.services.db,
        found,
        name=new.name,
        visibility=rules.checked_visibility(new.visibility, new.private, found.owner_kind),
        description=change(new.description),
        homepage=change(new.homepage),
    )
    changed = await repositories.by_id(call.services.db, call.token_id, found.id)
    return answer(_full(call, rights.checked(call, changed, READ)))


async def delete(call: ApiCall) -> web.Response:
    """Delete a repository; its packages are unlinked and stay."""
    await rules.delete(call.services.db, await rights.repository(call, ADMIN))
    return nothing()


async def transfer(call: ApiCall) -> web.Response:
    """Transfer a repository to an account where the caller may create one; its packages are unlinked and stay."""
    new = call.body(Transfer)
    found = await rights.repository(call, ADMIN)
    owner = await rules.receiver(call.services.db, call.me, found, new.new_owner)
    await rules.transfer(call.services.db, found, owner, new.new_name, rights.myself(call))
    moved = await repositories.by_id(call.services.db, call.token_id, found.id)
    return answer(shape(call, rights.checked(call, moved, READ)), 202)


def _full(call: ApiCall, found: Repository) -> dict[str, Any]:
    return {**shape(call, found), "network_count": 0, "subscribers_count": 0, "organization": None}


_REPO: Final = "/repos/{owner}/{repo}"
_LISTED: Final = ("visibility", "type", "sort", "direction", "page", "per_page")
_CHANGED: Final = (200, 403, 404, 422)

ROUTES: Final = (
    Route(
        "POST",
        "/user/repos",
        create_mine,
        "Create a repository",
        scope="repo",
        body=NewRepository,
        statuses=(201, 422),
        answer=schemas.FullRepository,
    ),
    Route(
        "POST",
        "/orgs/{org}/repos",
        create_in_organization,
        "Create a repository of an organization",
        scope="repo",
        body=NewRepository,
        statuses=(201, 403, 404, 422),
        answer=schemas.FullRepository,
    ),
    Route(
        "GET",
        "/user/repos",
        list_mine,
        "List your repositories",
        query=_LISTED,
        statuses=(200, 403),
        answer=list[schemas.Repository],
    ),
    Route(
        "GET",
        "/users/{username}/repos",
        list_of_account,
        "List the repositories of an account",
        query=_LISTED,
        statuses=(200, 404),
        answer=list[schemas.Repository],
    ),
    Route(
        "GET",
        "/orgs/{org}/repos",
        list_of_organization,
        "List the repositories of an organization",
        query=_LISTED,
        statuses=(200, 404),
        answer=list[schemas.Repository],
    ),
    Route("GET", _REPO, get, "Get a repository", statuses=(200, 403, 404), answer=schemas.FullRepository),
    Route(
        "GET",
        "/repositories/{repository_id}",
        get_by_id,
        "Get a repository by its id",
        statuses=(200, 403, 404),
        answer=schemas.FullRepository,
    ),
    Route(
        "PATCH",
        _REPO,
        update,
        "Change a repository",
        scope="repo",
        body=RepositoryChange,
        statuses=_CHANGED,
        answer=schemas.FullRepository,
    ),
    Route("DELETE", _REPO, delete, "Delete a repository", scope="repo", statuses=(204, 403, 404)),
    Route(
        "POST",
        f"{_REPO}/transfer",
        transfer,
        "Transfer a repository",
        scope="repo",
        body=Transfer,
        statuses=(202, 403, 404, 422),
        answer=schemas.Repository,
    ),
)

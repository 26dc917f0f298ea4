"""Source repositories of an account: the names that packages are linked to, with their collaborators."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from auth.permissions import ADMIN, READ, ROLE_NAMES
from registry.accounts import accounts as account_rules
from registry.accounts import repositories as rules
from registry.accounts.repositories import (
    CollaboratorInvalid,
    RepositoryNameInvalid,
    RepositoryTaken,
    VisibilityInvalid,
    is_name,
)
from registry.errors import AccountUnknown, NotFound
from registry.http.web.call import PageCall, moved
from registry.http.web.confirming import Question, ask, wrong_name
from registry.http.web.owner import opening, own_or_member_of, owner_of
from registry.http.web.routes import Route
from registry.packages.roles import ROLES
from storage.metadata import collaborators, repositories, repository_lists
from storage.metadata.collaborators import Collaborator
from storage.metadata.owner_pages import SeenAccount
from storage.metadata.repositories import Repository
from storage.metadata.repository_lists import Filter

_ROWS: Final = 100
_NAME_MAX: Final = 100
_LOGIN_MAX: Final = 39


async def listed(call: PageCall) -> web.Response:
    """List the repositories of an account that the viewer may see."""
    return await _list(call, await owner_of(call))


async def _list(call: PageCall, account: SeenAccount, errors: Mapping[str, str] | None = None) -> web.Response:
    number = call.page_number()
    wanted = Filter(True, None, "full_name", False, _ROWS, (number - 1) * _ROWS)
    found, total = await repository_lists.of_owner(call.services.db, call.viewer.token_id, account.id, wanted)
    return call.page(
        "repositories.html",
        title=[call.say("Repositories"), account.login],
        status=422 if errors else 200,
        api=f"/users/{account.login}/repos",
        owner=account,
        repositories=found,
        number=number,
        more=number * _ROWS < total,
        errors=errors or {},
        typed={name: call.text(name) for name in ("name", "description", "visibility")},
    )


async def create(call: PageCall) -> web.Response:
    """Make a repository: of one's own account, or as a member of the organization."""
    account = await own_or_member_of(call)
    name, visibility = call.text("name", _NAME_MAX), call.text("visibility")
    try:
        await rules.create(
            call.services.db,
            account,
            name,
            rules.checked_visibility(visibility if visibility in _VISIBILITIES else "private", None, account.kind)
            or "private",
            description=call.text("description"),
            homepage="",
            creator_id=call.viewer.account_id or 0,
        )
    except RepositoryNameInvalid:
        said = call.say("A name has letters, digits, points, hyphens and underscores, and does not end with .git.")
        return await _list(call, account, {"name": said})
    except RepositoryTaken:
        if not await _is_same(call, account):
            return await _list(call, account, {"name": call.say("This name is taken.")})
    except VisibilityInvalid:
        return await _list(
            call, account, {"visibility": call.say("Only a repository of an organization can be internal.")}
        )
    return call.redirect(
        f"/{account.login.lower()}/-/repositories/{name}", call.say("The repository is made: %(name)s", name=name)
    )


async def _is_same(call: PageCall, account: SeenAccount) -> bool:
    """Return whether a repository of the viewer is as the form has it: the form was sent before."""
    name = call.text("name", _NAME_MAX)
    found = await repositories.seen(call.services.db, call.viewer.token_id, account.login, name)
    return (
        found is not None
        and found.role >= ADMIN
        and (found.name, found.description or "") == (name, call.text("description"))
        and found.visibility == (call.text("visibility") or "private")
    )


_VISIBILITIES: Final = ("public", "internal", "private")


async def _named(call: PageCall, needed: int, name: str | None = None) -> Repository:
    """Return the repository of the address, for the role ``needed``. Raises NotFound, Denied."""
    name = call.param("repository") if name is None else name
    if not is_name(name):
        raise NotFound
    found = await repositories.seen(call.services.db, call.viewer.token_id, call.param("owner"), name)
    return rules.checked(found, needed, private=True)


def _path(found: Repository) -> str:
    return f"/{found.owner_login.lower()}/-/repositories/{found.name}"


async def repository(call: PageCall) -> web.Response:
    """Show a repository, and to its admins its collaborators."""
    return await _page(call, await _named(call, READ))


async def lead(call: PageCall, name: str) -> web.Response:
    """Lead from ``/{owner}/{repository}``, which the API gives out, to the page of the repository. Raises NotFound."""
    return moved(_path(await _named(call, READ, name)))


async def _page(call: PageCall, found: Repository, errors: Mapping[str, str] | None = None) -> web.Response:
    owner = await owner_of(call)
    people: list[Collaborator] = []
    if found.role >= ADMIN:
        people, _ = await collaborators.of_repository(call.services.db, found.id, limit=_ROWS, offset=0)
    return call.page(
        "repository.html",
        title=[found.full_name],
        status=422 if errors else 200,
        api=f"/repos/{found.full_name}",
        owner=owner,
        repository=found,
        path=_path(found),
        may_manage=found.role >= ADMIN,
        people=[(one, ROLE_NAMES[one.role]) for one in people],
        errors=errors or {},
        typed=call.text("login", _LOGIN_MAX),
    )


async def update(call: PageCall) -> web.Response:
    """Change the visibility and description of a repository."""
    found, visibility = await _named(call, ADMIN), call.text("visibility")
    try:
        await rules.update(
            call.services.db,
            found,
            name=None,
            visibility=rules.checked_visibility(
                visibility if visibility in _VISIBILITIES else None, None, found.owner_kind
            ),
            description=call.text("description"),
            homepage=None,
        )
    except VisibilityInvalid:
        said = call.say("Only a repository of an organization can be internal.")
        return await _page(call, found, {"visibility": said})
    return call.redirect(_path(found), call.say("The repository is saved."))


async def put_collaborator(call: PageCall) -> web.Response:
    """Grant a person a role over a repository, or revoke it (``none``)."""
    found, login = await _named(call, ADMIN), call.text("login", _LOGIN_MAX)
    role = ROLES.get(call.text("role"))
    try:
        person = await account_rules.find(call.services.db, login)
        if role is None:
            await collaborators.remove(call.services.db, found.id, person.id)
            return call.redirect(_path(found), call.say("No role over the repository any more: %(who)s", who=login))
        await rules.put_collaborator(call.services.db, found, person, role)
    except AccountUnknown:
        return await _page(call, found, {"login": call.say("Nobody has this login.")})
    except CollaboratorInvalid:
        return await _page(call, found, {"login": call.say("This account cannot be a collaborator.")})
    return call.redirect(_path(found), call.say("A role over the repository: %(who)s", who=person.login))


def _question(call: PageCall, found: Repository) -> Question:
    lines = [
        call.say("Its packages stay, linked to nothing."),
        call.say("Whoever had a role over them by the repository loses it; so do its workflows."),
    ]
    name = found.full_name
    return Question(
        call.say("Delete the repository"), lines, call.say("Delete %(name)s", name=name), _path(found), name
    )


async def delete_page(call: PageCall) -> web.Response:
    """Show what ends with a repository."""
    return ask(call, _question(call, await _named(call, ADMIN)))


async def delete(call: PageCall) -> web.Response:
    """Delete a repository; its packages stay."""
    try:
        found = await _named(call, ADMIN)
    except NotFound:
        account = await own_or_member_of(call)
        if account.role == "member":
            raise
        said = call.say("There is no such repository any more: %(name)s", name=call.param("repository"))
        return call.redirect(f"/{account.login.lower()}/-/repositories", said, "info")
    question = _question(call, found)
    if wrong := wrong_name(call, question):
        return ask(call, question, wrong)
    await rules.delete(call.services.db, found)
    return call.redirect(
        f"/{found.owner_login.lower()}/-/repositories", call.say("The repository is deleted: %(name)s", name=found.name)
    )


_ALL: Final = "/{owner}/-/repositories"
_ONE: Final = f"{_ALL}/{{repository}}"
ROUTES: Final = (
    Route("GET", _ALL, listed, opening=opening),
    Route("POST", _ALL, create),
    Route("GET", _ONE, repository, opening=opening),
    Route("POST", _ONE, update),
    Route("POST", f"{_ONE}/collaborators", put_collaborator),
    Route("GET", f"{_ONE}/delete", delete_page),
    Route("POST", f"{_ONE}/delete", delete),
)

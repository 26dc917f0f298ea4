"""Packages by API: GitHub's routes, and those for settings that GitHub keeps to its pages."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from auth.identity import Action
from registry.accounts.accounts import RETIRED_ABOVE
from registry.accounts.names import is_login
from registry.errors import Invalid, NotFound
from registry.errors import shown as quote_text
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.conditions import check_of, deletion_check_of
from registry.http.api.families import (
    PACKAGE,
    actor_of,
    allowed,
    family,
    one_of,
    owner_login,
    package_path,
    quoted,
    shown,
)
from registry.http.api.paging import page_of
from registry.http.api.routes import Access
from registry.http.api.schemas import packages as schemas
from registry.packages.conditions import Check
from registry.packages.packages import VISIBILITIES
from registry.shapes import minimal_repository, simple_user
from storage.metadata import accounts, catalog
from storage.metadata.catalog import ListedPackage, ShownPackage
from storage.metadata.database import Transaction

_TYPES: Final = ("npm", "maven", "rubygems", "docker", "nuget", "container")
_STATES: Final = ("active", "deleted")
_FULL_NAME: Final = re.compile(r"([A-Za-z0-9_-]{1,39})/([A-Za-z0-9._-]{1,100})", re.ASCII)


class Settings(msgspec.Struct):
    """The settings of a package to change; an absent field is unchanged."""

    visibility: Literal["public", "private", "internal"] | None = None
    inherit_access: bool | None = None


class NewOwner(msgspec.Struct):
    """``new_owner``: the login of the account that gets the package; ``new_name``: its name there, if another."""

    new_owner: Text
    new_name: Text | None = None


class NewLink(msgspec.Struct):
    """``inherit_access``: people have the roles that they have over the repository, in place of those over it now."""

    repository: Text
    inherit_access: bool = False


async def list_packages(call: ApiCall) -> web.Response:
    """List the packages that the viewer may read; with ``state=deleted`` the packages that the viewer may restore."""
    kind = one_of(call, "package_type", _TYPES)
    if kind is None:
        raise Invalid('Invalid request.\n\n"package_type" wasn\'t supplied.')
    visibility = one_of(call, "visibility", VISIBILITIES)
    state = one_of(call, "state", _STATES)
    page, owner_id = page_of(call), await _owner_id(call)
    db, token_id = call.services.db, call.me.id
    rows: Sequence[ListedPackage] = ()
    if kind == "container" and state == "deleted":
        window = call.services.settings.lifetimes.restore_seconds
        rows = await catalog.deleted(
            db, token_id, owner_id, visibility, limit=page.size, offset=page.offset, window_seconds=window
        )
    elif kind == "container":
        rows = await catalog.page(db, token_id, owner_id, visibility, limit=page.size, offset=page.offset)
    links = page.links(call, rows[0].total if rows else 0)
    return answer([package(call, row) for row in rows], headers=links)


async def list_conflicts(call: ApiCall) -> web.Response:
    """List migration conflicts with GitHub's older Docker registry: always none, as Moorage never had one."""
    await _owner_id(call)
    return answer([])


async def _owner_id(call: ApiCall) -> int:
    owner = await accounts.by_login(call.services.db, owner_login(call))
    if owner is None or ("org" in call.http.match_info and owner.kind != "Organization"):
        raise NotFound
    return owner.id


async def get_package(call: ApiCall) -> web.Response:
    """Return one package."""
    package_id, _ = await allowed(call, Action.PULL)
    return answer(package(call, await shown(call, package_id)))


async def delete_package(call: ApiCall) -> web.Response:
    """Delete a package with all its versions; the package can be restored for a while."""
    package_id, standing = await allowed(call, Action.DELETE)
    check = deletion_check_of(call, partial(_read, call, package_id))
    await call.services.packages.delete(package_id, actor_of(call, standing), check)
    return nothing()


async def restore_package(call: ApiCall) -> web.Response:
    """Restore a package with its versions, tags, links and roles, unless its name is in use again.

    ``token``: the id of the package, where several of the name were deleted; else it is the last of them.
    """
    package_id, _ = await allowed(call, Action.RESTORE, deleted=True)
    await call.services.packages.restore(package_id, call.actor)
    return nothing()


async def update_package(call: ApiCall) -> web.Response:
    """Change a package's visibility, and the source of its users' roles."""
    new = call.body(Settings)
    package_id, standing = await allowed(call, Action.ADMIN)
    await call.services.packages.configure(
        package_id,
        standing,
        call.actor,
        visibility=new.visibility,
        inherit=new.inherit_access,
        check=_check(call, package_id),
    )
    return answer(package(call, await shown(call, package_id)))


async def transfer_package(call: ApiCall) -> web.Response:
    """Transfer a package to another account, with its versions, tags and downloads; by administrators.

    Access begins anew: roles and the link to a repository end, and an internal package becomes private. The former
    address names nothing any more.
    """
    new = call.body(NewOwner)
    package_id, _ = await allowed(call, Action.ADMIN)
    login = new.new_owner
    if not is_login(login):
        raise Invalid(f"Nobody has the login {quote_text(login)}.")
    await call.services.packages.transfer(
        package_id,
        login,
        new.new_name,
        call.actor,
        retired_above=RETIRED_ABOVE,
        check=_check(call, package_id),
    )
    return answer(package(call, await shown(call, package_id)), 202)


async def link_repository(call: ApiCall) -> web.Response:
    """Link a package to a repository of its owner."""
    new = call.body(NewLink)
    package_id, standing = await allowed(call, Action.ADMIN)
    named = _FULL_NAME.fullmatch(new.repository)
    if named is None:
        raise Invalid("Invalid request.\n\nFor 'repository', expected \"owner/name\".")
    await call.services.packages.link(
        package_id,
        standing,
        call.actor,
        (named[1], named[2]),
        inherit=new.inherit_access,
        check=_check(call, package_id),
    )
    return answer(package(call, await shown(call, package_id)))


async def unlink_repository(call: ApiCall) -> web.Response:
    """Unlink a package from its repository, and remove the inherited roles."""
    package_id, standing = await allowed(call, Action.ADMIN)
    await call.services.packages.unlink(package_id, standing, call.actor, _check(call, package_id))
    return nothing()


def _check(call: ApiCall, package_id: int) -> Check | None:
    """The condition of a change of the package or of its link, which nothing else tells."""
    return check_of(call, partial(_read, call, package_id))


async def _read(call: ApiCall, package_id: int, tx: Transaction) -> web.Response:
    return answer(package(call, await shown(call, package_id, tx)))


def package(call: ApiCall, found: ShownPackage) -> dict[str, Any]:
    """Render a package as «Package»."""
    owner = simple_user(call, found.owner_id, found.owner_login, found.owner_kind, site_admin=found.owner_site_admin)
    path, name = package_path(found), quoted(found.name)
    shape = {
        "id": found.id,
        "name": found.name,
        "package_type": "container",
        "owner": owner,
        "version_count": found.version_count,
        "visibility": found.visibility,
        "url": f"{call.base}/{path}/{name}",
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "html_url": f"{call.origin}/{path}/package/{name}",
    }
    if found.deleted_at is not None:
        shape["deleted_at"] = found.deleted_at
    linked = linked_repository(call, found, owner)
    return shape if linked is None else {**shape, "repository": linked}


def linked_repository(call: ApiCall, found: ShownPackage, owner: dict[str, Any]) -> dict[str, Any] | None:
    """«Minimal Repository», if the package has one that the viewer may see; ``owner`` owns both."""
    if found.repository_id is None or found.repository_name is None or found.repository_visibility is None:
        return None
    return minimal_repository(
        call,
        found.repository_id,
        found.repository_name,
        found.repository_visibility,
        found.repository_description,
        owner=owner,
    )


_LIST_QUERY: Final = ("package_type", "visibility", "state", "page", "per_page")

ROUTES: Final = (
    *family(
        "GET",
        "/packages",
        list_packages,
        "List packages",
        scope="read:packages",
        query=_LIST_QUERY,
        statuses=(200, 400, 401, 403, 404, 422),
        answer=list[schemas.Package],
    ),
    *family(
        "GET",
        "/docker/conflicts",
        list_conflicts,
        "Get list of conflicting packages during Docker migration",
        scope="read:packages",
        statuses=(200, 401, 403, 404),
        answer=list[schemas.Package],
    ),
    *family(
        "GET",
        PACKAGE,
        get_package,
        "Get a package",
        scope="read:packages",
        statuses=(200, 401, 403, 404),
        answer=schemas.Package,
    ),
    *family(
        "DELETE",
        PACKAGE,
        delete_package,
        "Delete a package",
        locks=True,
        scope="delete:packages",
        statuses=(204, 400, 401, 403, 404, 409),
    ),
    *family(
        "POST",
        f"{PACKAGE}/restore",
        restore_package,
        "Restore a package",
        scope="write:packages",
        query=("token",),
        statuses=(204, 401, 403, 404, 409),
    ),
    *family(
        "PATCH",
        PACKAGE,
        update_package,
        "Update a package",
        locks=True,
        scope="write:packages",
        body=Settings,
        statuses=(200, 400, 401, 403, 404, 413, 422),
        answer=schemas.Package,
    ),
    *family(
        "POST",
        f"{PACKAGE}/transfer",
        transfer_package,
        "Transfer a package",
        access=Access.SITE_ADMIN,
        body=NewOwner,
        statuses=(202, 403, 404, 409, 412, 422),
        answer=schemas.Package,
    ),
    *family(
        "PUT",
        f"{PACKAGE}/repository",
        link_repository,
        "Link a package to a repository",
        locks=True,
        scope="write:packages",
        body=NewLink,
        statuses=(200, 400, 401, 403, 404, 413, 422),
        answer=schemas.Package,
    ),
    *family(
        "DELETE",
        f"{PACKAGE}/repository",
        unlink_repository,
        "Unlink a package from its repository",
        locks=True,
        scope="write:packages",
        statuses=(204, 401, 403, 404),
    ),
)

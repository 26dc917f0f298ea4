"""The three path prefixes of packages, as on GitHub: of an organization, of a user, and of the caller."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from auth.identity import Action
from auth.permissions import may, spared
from registry.errors import Invalid, NotFound
from registry.events import Who
from registry.http.api import rights
from registry.http.api.call import ApiCall
from registry.http.api.routes import Handler, Route
from registry.http.numbers import number_of
from registry.http.urls import family_of
from storage.metadata import catalog, packages
from storage.metadata.access_facts import AccessFacts
from storage.metadata.catalog import ShownPackage
from storage.metadata.database import Transaction
from storage.metadata.events import Actor
from storage.names import InvalidName, PackageName

CONTAINER: Final = "container"
PACKAGE: Final = "/packages/{package_type}/{package_name}"
VERSION: Final = PACKAGE + "/versions/{package_version_id}"

#: Those at the ends of the calendar are others in UTC, of which it has none.
_YEARS: Final = (1, 9999)
_PREFIXES: Final = (
    ("/orgs/{org}", "for an organization"),
    ("/users/{username}", "for a user"),
    ("/user", "for the authenticated user"),
)


def family(method: str, path: str, handler: Handler, summary: str, **more: Any) -> tuple[Route, ...]:
    """Build the route under each of the prefixes; ``more`` are fields of Route."""
    return tuple(Route(method, prefix + path, handler, f"{summary} {whose}", **more) for prefix, whose in _PREFIXES)


def owner_login(call: ApiCall) -> str:
    """The account that the path names, as it is written there. Raises 403: a repository's token has no packages."""
    named = call.http.match_info.get("org") or call.http.match_info.get("username")
    if named is not None:
        return named
    rights.myself(call)
    return call.me.login


def package_name(call: ApiCall) -> PackageName:
    """The package that the path names. Raises 404 for what can be none, and for other types than container."""
    login, name = owner_login(call), call.param("package_name")
    if call.param("package_type") != CONTAINER:
        raise NotFound
    try:
        return PackageName.parse(f"{login.lower()}/{name}")
    except InvalidName as error:
        raise NotFound from error


async def allowed(call: ApiCall, action: Action, *, deleted: bool = False) -> tuple[int, AccessFacts]:
    """The id of the package, with which the viewer may do ``action``. Raises 404 (hidden and missing), 403.

    ``deleted``: not the package of that name, but the deleted one with the id in ``?token=``, or the last of them.
    """
    name, db = package_name(call), call.services.db
    if deleted:
        standing = await packages.standing_of_deleted(db, call.token_id, name, _wanted(call))
    else:
        standing = await packages.access_facts_of(db, call.token_id, name)
    if "org" in call.http.match_info and standing.owner_kind != "Organization":
        raise NotFound
    if action is Action.PUSH:  # which is not hidden from anybody: who may not read is told what is said of none
        call.authorize(Action.PULL, name, standing)
    package_id = call.authorize(action, name, standing).package_id
    if package_id is None:
        raise NotFound
    return package_id, standing


def _wanted(call: ApiCall) -> int | None:
    """The id in ``?token=``; 0, which nothing has, for a text that is no id."""
    text = call.http.query.get("token")
    return (number_of(text) or 0) if text else None


def detailed(call: ApiCall, standing: AccessFacts) -> bool:
    """Return whether the viewer may know the names of others' tokens, and who has a role: an admin of the package."""
    return may(call.identity, Action.ADMIN, package_name(call), standing)


def actor_of(call: ApiCall, standing: AccessFacts, *, forced: bool = False) -> Actor:
    """Return the viewer as who changes tags of the package: with the tag rules that do not bind. See ``spared``."""
    return replace(call.actor, spared=spared(call.identity, package_name(call), standing, forced=forced))


def pusher(call: ApiCall, found: Who | None) -> dict[str, Any] | None:
    """Render who did something, by what kind of token and which."""
    if found is None:
        return None
    url = None if found.login is None else f"{call.base}/users/{found.login}"
    return {"id": found.id, "login": found.login, "url": url, "via": found.via, "token": found.token}


async def shown(call: ApiCall, package_id: int, tx: Transaction | None = None) -> ShownPackage:
    """Return the package as visible to the viewer, in ``tx`` if given. Raises 404 for a package without a version."""
    found = await catalog.show(tx or call.services.db, call.me.id, package_id)
    if found is None:
        raise NotFound
    return found


def package_path(found: ShownPackage) -> str:
    """``orgs/acme/packages/container``: under the API and under our pages alike."""
    return f"{family_of(found.owner_kind)}/{found.owner_login}/packages/{CONTAINER}"


def quoted(name: str) -> str:
    """Quote a package name as one segment of a path."""
    return quote(name, safe="")


def one_of(call: ApiCall, parameter: str, values: tuple[str, ...]) -> str | None:
    """A query parameter that is a choice; None: it is not there. Raises 422."""
    text = call.http.query.get(parameter)
    if text is not None and text not in values:
        known = ", ".join(f'"{value}"' for value in values)
        raise Invalid(f"Invalid request.\n\nFor '{parameter}', expected one of {known}.")
    return text


def moment_of(call: ApiCall, parameter: str) -> datetime | None:
    """A query parameter that is a time; None: it is not there. Raises 422."""
    text = call.http.query.get(parameter)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not _YEARS[0] < found.year < _YEARS[1]:
        raise Invalid(f"Invalid request.\n\nFor '{parameter}', expected a time in ISO 8601 with its offset.")
    return found

"""Packages for site administrators: find one, see what it takes, and give it to another account."""

from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.accounts.accounts import RETIRED_ABOVE
from registry.accounts.names import is_login
from registry.errors import Conflict, Invalid, NotFound
from registry.http.web.administration import PLACE, ROWS, changes, page
from registry.http.web.call import PageCall, queried
from registry.http.web.confirming import Question, ask
from registry.http.web.reading import Found, readable
from registry.http.web.routes import Route
from registry.http.web.search import searched
from storage.metadata import catalog, usage
from storage.metadata.catalog import ShownPackage

_LIST: Final = f"{PLACE}/packages"


async def listed(call: PageCall) -> web.Response:
    """Find packages of every account by the beginnings of their names."""
    query, sort, after, found = await searched(call, ROWS)
    return page(
        call,
        "admin_packages.html",
        call.say("Packages"),
        api=queried("/search/packages", q=query),
        found=found,
        query=query,
        sort=sort,
        after=after,
    )


async def _package(call: PageCall) -> tuple[Found, ShownPackage]:
    """Return the package of the address. Raises NotFound."""
    found = await readable(call, Action.ADMIN)
    package = await catalog.show(call.services.db, call.viewer.token_id or 0, found.package_id)
    if package is None:
        raise NotFound
    return found, package


async def one(call: PageCall) -> web.Response:
    """Show a package, and what it takes."""
    found, package = await _package(call)
    taken = await usage.of_package(call.services.db, found.package_id)
    kind = "orgs" if package.owner_kind == "Organization" else "users"
    return page(
        call,
        "admin_package.html",
        str(found.name),
        api=f"/{kind}/{package.owner_login}/packages/container/{found.name.image.replace('/', '%2F')}/usage",
        package=package,
        name=found.name,
        usage=taken,
    )


def _target(package: ShownPackage, login: str, name: str) -> str:
    return f"{login.lower()}/{name or package.name}"


async def ask_for_transfer(call: PageCall) -> web.Response:
    """Ask before a package is given to another account."""
    found, package = await _package(call)
    return _question(call, found, package, call.query("new_owner").strip(), call.query("new_name").strip())


def _question(
    call: PageCall, found: Found, package: ShownPackage, login: str, name: str, wrong: str | None = None
) -> web.Response:
    place, after = f"{_LIST}/{found.name}", _target(package, login, name)
    consequences = [
        call.say(
            "It moves, with its versions, tags and downloads: %(before)s → %(after)s",
            before=found.name,
            after=after,
        ),
        call.say("Every role of people, teams and workflows ends, and so does the link to a repository."),
        call.say("Uploads under way are cancelled."),
        call.say("Who pulls or pushes by the former name gets an error."),
    ]
    if package.visibility == "internal":
        consequences.append(call.say("It is internal now, and private afterwards."))
    if package.visibility == "public":
        consequences.append(call.say("If it was downloaded often, nobody can use the former name again."))
    return ask(
        call,
        Question(
            part=call.say("Administration"),
            heading=call.say("Transfer %(name)s", name=found.name),
            consequences=consequences,
            button=call.say("Transfer the package"),
            cancel=place,
            typed=str(found.name),
            hidden=(("new_owner", login), ("new_name", name)),
        ),
        {"typed": wrong} if wrong else None,
    )


async def transfer(call: PageCall) -> web.Response:
    """Give a package to another account, once its name was typed."""
    found, package = await _package(call)
    login, name = call.fields.get("new_owner", "").strip(), call.fields.get("new_name", "").strip()
    if call.fields.get("typed", "").strip() != str(found.name):
        return _question(call, found, package, login, name, call.say("This is not the name of the package."))
    if not is_login(login):
        return call.redirect(f"{_LIST}/{found.name}", call.say("No account has the new login."), "bad")
    actor = call.actor
    try:
        await call.services.packages.transfer(found.package_id, login, name or None, actor, retired_above=RETIRED_ABOVE)
    except Conflict:
        return call.redirect(f"{_LIST}/{found.name}", call.say("The new owner has a package with this name."), "bad")
    except Invalid as error:
        said = call.say("It was not transferred: %(why)s", why=error.message.removeprefix("Invalid request.").strip())
        return call.redirect(f"{_LIST}/{found.name}", said, "bad")
    after = _target(package, login, name)
    return call.redirect(f"{_LIST}/{after}", call.say("The package is transferred: %(name)s", name=after))


_ONE: Final = _LIST + "/{owner}/{image}"

ROUTES: Final = (
    Route("GET", _LIST, listed),
    Route("GET", f"{_ONE}/-/transfer", changes(ask_for_transfer, back=_LIST)),
    Route("POST", f"{_ONE}/-/transfer", changes(transfer, back=_LIST)),
    Route("GET", _ONE, one),
)

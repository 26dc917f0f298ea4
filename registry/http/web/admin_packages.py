"""Packages for site administrators: find one, see what it takes, and give it to another account."""

from typing import Final

from aiohttp import web

from registry.accounts.accounts import RETIRED_ABOVE
from registry.accounts.names import is_login
from registry.errors import Conflict, Invalid
from registry.http.web.administration import PLACE, ROWS, changes, page
from registry.http.web.call import PageCall, queried
from registry.http.web.confirming import Question, ask
from registry.http.web.package import Head, administered, listing, opening
from registry.http.web.routes import Route
from registry.http.web.search import searched
from storage.metadata import usage

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


async def one(call: PageCall) -> web.Response:
    """Show a package, and what it takes."""
    head, _ = await administered(call)
    package = await listing(call, head)
    taken = await usage.of_package(call.services.db, head.package_id)
    return page(
        call,
        "admin_package.html",
        str(head.name),
        api=f"{head.api}/usage",
        package=package,
        name=head.name,
        usage=taken,
    )


def _target(head: Head, login: str, name: str) -> str:
    return f"{login.lower()}/{name or head.name.image}"


async def ask_for_transfer(call: PageCall) -> web.Response:
    """Ask before a package is given to another account."""
    head, _ = await administered(call)
    return _question(call, head, call.query("new_owner").strip(), call.query("new_name").strip())


def _question(call: PageCall, head: Head, login: str, name: str, wrong: str | None = None) -> web.Response:
    place, after = f"{_LIST}/{head.name}", _target(head, login, name)
    consequences = [
        call.say(
            "It moves, with its versions, tags and downloads: %(before)s → %(after)s",
            before=head.name,
            after=after,
        ),
        call.say("Every role of people, teams and workflows ends, and so does the link to a repository."),
        call.say("Uploads under way are cancelled."),
        call.say("Who pulls or pushes by the former name gets an error."),
    ]
    if head.visibility == "internal":
        consequences.append(call.say("It is internal now, and private afterwards."))
    if head.visibility == "public":
        consequences.append(call.say("If it was downloaded often, nobody can use the former name again."))
    return ask(
        call,
        Question(
            part=call.say("Administration"),
            heading=call.say("Transfer %(name)s", name=head.name),
            consequences=consequences,
            button=call.say("Transfer the package"),
            cancel=place,
            typed=str(head.name),
            hidden=(("new_owner", login), ("new_name", name)),
        ),
        {"typed": wrong} if wrong else None,
    )


async def transfer(call: PageCall) -> web.Response:
    """Give a package to another account, once its name was typed."""
    head, _ = await administered(call)
    login, name = call.fields.get("new_owner", "").strip(), call.fields.get("new_name", "").strip()
    if call.fields.get("typed", "").strip() != str(head.name):
        return _question(call, head, login, name, call.say("This is not the name of the package."))
    if not is_login(login):
        return call.redirect(f"{_LIST}/{head.name}", call.say("No account has the new login."), "bad")
    actor = call.actor
    try:
        await call.services.packages.transfer(head.package_id, login, name or None, actor, retired_above=RETIRED_ABOVE)
    except Conflict:
        return call.redirect(f"{_LIST}/{head.name}", call.say("The new owner has a package with this name."), "bad")
    except Invalid as error:
        said = call.say("It was not transferred: %(why)s", why=error.message.removeprefix("Invalid request.").strip())
        return call.redirect(f"{_LIST}/{head.name}", said, "bad")
    after = _target(head, login, name)
    return call.redirect(f"{_LIST}/{after}", call.say("The package is transferred: %(name)s", name=after))


_ONE: Final = _LIST + "/{owner}/{image}"

ROUTES: Final = (
    Route("GET", _LIST, listed),
    Route("GET", f"{_ONE}/-/transfer", changes(ask_for_transfer, back=_LIST), opening=opening),
    Route("POST", f"{_ONE}/-/transfer", changes(transfer, back=_LIST)),
    Route("GET", _ONE, one, opening=opening),
)

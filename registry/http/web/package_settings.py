"""The settings of a package: its link to a repository, where its access comes from, its visibility."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from aiohttp import web

from registry.errors import Invalid, NotAllowed, NotFound, Refusal
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.confirming import Question, ask, wrong_name
from registry.http.web.package import Head, administered, listing, opening
from registry.http.web.routes import Route
from registry.http.web.signed_in import is_recent, to_sign_in
from registry.packages.packages import VISIBILITIES
from registry.packages.roles import Granted
from storage.metadata import repository_lists
from storage.metadata.package_pages import ShownPackage
from storage.metadata.repository_lists import Filter

_FULL_NAME: Final = re.compile(r"([A-Za-z0-9_-]{1,39})/([A-Za-z0-9._-]{1,100})", re.ASCII)
_FULL_NAME_MAX: Final = 140
_OFFERED: Final = 100
_HEADINGS: Final[Mapping[str, str]] = {
    "public": key("Make the package public"),
    "internal": key("Make the package internal"),
    "private": key("Make the package private"),
}
_SEEN_BY: Final[Mapping[str, str]] = {
    "public": key("Anybody may find and pull all its versions, without signing in."),
    "internal": key("All members of the organization may find and pull it; others see that there is nothing."),
    "private": key("Only those with a role may find and pull it; others see that there is nothing."),
}
_DONE: Final[Mapping[str, str]] = {
    "public": key("The package is public now."),
    "internal": key("The package is internal now."),
    "private": key("The package is private now."),
}


async def settings(call: PageCall) -> web.Response:
    """Show the settings of a package."""
    head, _ = await administered(call)
    found = await listing(call, head)
    offered, _ = await repository_lists.of_owner(
        call.services.db, call.viewer.token_id, found.owner_id, Filter(True, None, "full_name", False, _OFFERED, 0)
    )
    return call.page(
        "package_settings.html",
        title=[call.say("Settings"), str(head.name)],
        api=head.api,
        command=f"moorage package {head.name}",
        head=head,
        package=found,
        repositories=[one.full_name for one in offered],
        others=[
            name
            for name in VISIBILITIES
            if name != found.visibility and (name != "internal" or found.owner_kind == "Organization")
        ],
    )


def _path(head: Head) -> str:
    return f"{head.path}/-/settings"


def _lost(call: PageCall, granted: Granted) -> list[str]:
    """Return a line for the roles of people and teams that a change ends."""
    names = [
        *(one.login for one in granted.users if not one.inherited),
        *(one.slug for one in granted.teams if not one.inherited),
    ]
    if not names:
        return []
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")  # noqa: PLR2004 - twenty are enough to read
    return [call.say("These lose the role that they have now: %(names)s", names=shown)]


async def _link_question(call: PageCall, head: Head, facts: ShownPackage, name: str, *, inherit: bool) -> Question:
    lines = [call.say("The page of the package names this repository as known to this registry: %(name)s", name=name)]
    if facts.repository_name is not None:
        former = f"{head.owner}/{facts.repository_name}"
        lines.append(call.say("The link to the former repository ends: %(name)s", name=former))
    if inherit:
        lines.append(call.say("People and teams have the roles that they have over the repository."))
        lines.append(call.say("Workflows of the repository may manage it, and its workspaces may push."))
    if inherit or facts.inherit_access:
        lines += _lost(call, await call.services.accesses.granted(head.package_id))
    return Question(
        call.say("Link the repository"),
        lines,
        call.say("Link it"),
        _path(head),
        kind="warn",
        hidden=(("repository", name), *((("inherit", "on"),) if inherit else ())),
    )


async def link_page(call: PageCall) -> web.Response:
    """Show what a link to a repository changes."""
    head, facts = await administered(call)
    name = call.query("repository").strip()[:_FULL_NAME_MAX]
    if not _FULL_NAME.fullmatch(name):
        return call.redirect(_path(head), call.say("Name a repository as owner/name."), "bad")
    return ask(call, await _link_question(call, head, facts, name, inherit=call.query("inherit") == "on"))


async def link(call: PageCall) -> web.Response:
    """Link a package to a repository."""
    head, facts = await administered(call)
    name, inherit = call.text("repository", _FULL_NAME_MAX), call.text("inherit") == "on"
    named = _FULL_NAME.fullmatch(name)
    if named is None:
        return call.redirect(_path(head), call.say("Name a repository as owner/name."), "bad")
    packages = call.services.packages
    try:
        await packages.link(head.package_id, facts, call.actor, (named[1], named[2]), inherit=inherit)
    except Refusal as error:
        return call.redirect(_path(head), call.say(_link_refusal(error)), "bad")
    return call.redirect(_path(head), call.say("The package is linked to the repository: %(name)s", name=name))


def _link_refusal(error: Refusal) -> str:
    match error:
        case NotFound():
            return key("There is no such repository, or you may not see it.")
        case NotAllowed():
            return key("You need the role Write over the repository to link it.")
        case _:
            return key("A package can be linked only to a repository of the account that owns it.")


async def unlink_page(call: PageCall) -> web.Response:
    """Show what ends with the link to the repository."""
    head, facts = await administered(call)
    if facts.repository_name is None:
        raise NotFound
    name = f"{head.owner}/{facts.repository_name}"
    lines = [call.say("The package does not name this repository any more: %(name)s", name=name)]
    if facts.inherit_access:
        lines.append(call.say("People and teams lose the roles that they have over it by the repository."))
    return ask(call, Question(call.say("Unlink the repository"), lines, call.say("Unlink it"), _path(head)))


async def unlink(call: PageCall) -> web.Response:
    """Unlink a package from its repository."""
    head, facts = await administered(call)
    with suppress(NotFound):  # it was unlinked before
        await call.services.packages.unlink(head.package_id, facts, call.actor)
    return call.redirect(_path(head), call.say("The package is linked to no repository now."))


async def inheritance_page(call: PageCall) -> web.Response:
    """Show what changes when access comes from the repository, or from the package's own list again."""
    head, facts = await administered(call)
    if facts.repository_name is None:
        raise NotFound
    if facts.inherit_access:
        heading, button, wanted = call.say("Use a list of its own"), call.say("Use a list of its own"), "off"
        lines = [
            call.say("People and teams lose the roles that they have over it by the repository."),
            call.say("You stay an admin, and grant the others their roles anew."),
        ]
    else:
        heading, button, wanted = call.say("Inherit access"), call.say("Inherit access"), "on"
        lines = [call.say("People and teams have the roles that they have over the repository.")]
        lines += _lost(call, await call.services.accesses.granted(head.package_id))
    question = Question(heading, lines, button, _path(head), kind="warn", hidden=(("inherit", wanted),))
    return ask(call, question)


async def inherit(call: PageCall) -> web.Response:
    """Change whether access comes from the linked repository."""
    head, facts = await administered(call)
    wanted = call.text("inherit") == "on"
    try:
        await call.services.packages.configure(head.package_id, facts, call.actor, visibility=None, inherit=wanted)
    except Invalid:
        return call.redirect(_path(head), call.say("Link the package to a repository first."), "bad")
    said = (
        call.say("Access comes from the repository now.") if wanted else call.say("Access has a list of its own now.")
    )
    return call.redirect(_path(head), said)


def _visibility_question(call: PageCall, head: Head, wanted: str) -> Question:
    lines = [call.say(_SEEN_BY[wanted])]
    if wanted != "public" and head.visibility == "public":
        lines.append(call.say("Pulls without signing in fail from then on."))
        lines.append(call.say("People who are no members of the organization lose their roles."))
    typed = str(head.name) if wanted == "public" else None
    heading = call.say(_HEADINGS[wanted])
    return Question(heading, lines, heading, _path(head), typed, "bad" if wanted == "public" else "warn")


def _wanted(call: PageCall) -> str:
    wanted = call.param("visibility")
    if wanted not in VISIBILITIES:
        raise NotFound
    return wanted


async def visibility_page(call: PageCall) -> web.Response:
    """Show what a change of the visibility means."""
    wanted = _wanted(call)
    head, _ = await administered(call)
    if not is_recent(call):
        return to_sign_in(call, call.path)
    return ask(call, _visibility_question(call, head, wanted))


async def show_as(call: PageCall) -> web.Response:
    """Change the visibility of a package."""
    wanted = _wanted(call)
    head, facts = await administered(call)
    if not is_recent(call):
        return to_sign_in(call, call.path)
    question = _visibility_question(call, head, wanted)
    if wrong := wrong_name(call, question):
        return ask(call, question, wrong)
    try:
        await call.services.packages.configure(head.package_id, facts, call.actor, visibility=wanted, inherit=None)
    except NotAllowed:
        said = call.say("The organization does not let its members do this: ask one of its owners.")
        return call.redirect(_path(head), said, "bad")
    except Invalid:
        return call.redirect(_path(head), call.say("Only packages of organizations can be internal."), "bad")
    return call.redirect(_path(head), call.say(_DONE[wanted]))


_BELOW: Final = "/{owner}/{image}/-/settings"
ROUTES: Final = (
    Route("GET", _BELOW, settings, opening=opening),
    Route("GET", f"{_BELOW}/link", link_page, opening=opening),
    Route("POST", f"{_BELOW}/link", link),
    Route("GET", f"{_BELOW}/unlink", unlink_page, opening=opening),
    Route("POST", f"{_BELOW}/unlink", unlink),
    Route("GET", f"{_BELOW}/inheritance", inheritance_page, opening=opening),
    Route("POST", f"{_BELOW}/inheritance", inherit),
    Route("GET", f"{_BELOW}/{{visibility}}", visibility_page, opening=opening),
    Route("POST", f"{_BELOW}/{{visibility}}", show_as),
)

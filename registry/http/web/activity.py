"""The activity of a package: who did what and when, in which way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from auth.identity import Action
from auth.permissions import may
from registry.errors import NotFound
from registry.events import Event
from registry.http.numbers import number_of
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.package import managed, opening
from registry.http.web.routes import Route

_ROWS: Final = 50
_ACTIONS: Final[Mapping[str, str]] = {
    "packages.package_published": key("Package published"),
    "packages.package_deleted": key("Package deleted"),
    "packages.package_restored": key("Package restored"),
    "packages.package_version_published": key("Version pushed"),
    "packages.package_version_deleted": key("Version deleted"),
    "packages.package_version_restored": key("Version restored"),
    "packages.tag_created": key("Tag made"),
    "packages.tag_moved": key("Tag moved"),
    "packages.tag_deleted": key("Tag removed"),
    "packages.tag_rolled_back": key("Tag rolled back"),
    "packages.visibility_changed": key("Visibility changed"),
    "packages.inheritance_changed": key("Inheritance of access changed"),
    "packages.repository_linked": key("Repository linked"),
    "packages.repository_unlinked": key("Repository unlinked"),
    "packages.access_granted": key("Role granted"),
    "packages.access_revoked": key("Role revoked"),
}
#: What pages say of the kinds of tokens.
WAYS: Final[Mapping[str, str]] = {
    "session": key("in these pages"),
    "classic": key("with an access token"),
    "fine_grained": key("with a fine-grained token"),
    "workflow": key("by a workflow"),
    "workspace": key("by a workspace"),
    "operator": key("by the operator"),
    "policy": key("by a retention policy"),
    "mirror": key("by the mirror"),
}
_WORDS: Final[Mapping[str, str]] = {
    "read": key("Read"),
    "write": key("Write"),
    "admin": key("Admin"),
    "public": key("public"),
    "internal": key("internal"),
    "private": key("private"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """An event as the page has it: ``what`` happened, ``about`` whom or what, ``before`` and ``after`` a change."""

    event: Event
    what: str
    about: str
    before: str
    after: str
    way: str


async def activity(call: PageCall) -> web.Response:
    """Show the activity of a package, to people who are signed in; changes of access, to its admins."""
    head, facts = await managed(call, Action.PULL)
    if call.viewer.session is None:
        raise NotFound
    text = call.query("after")
    after = number_of(text)
    detailed = may(call.viewer.identity, Action.ADMIN, head.name, facts)
    found = await call.services.activity.of_package(head.package_id, detailed=detailed, after=after, limit=_ROWS)
    return call.page(
        "activity.html",
        title=[call.say("Activity"), str(head.name)],
        api=f"{head.api}/activity",
        head=head,
        detailed=detailed,
        lines=[_line(call, event) for event in found.events],
        after=text if after is not None else "",
        more=None if found.after is None else str(found.after),
    )


def _line(call: PageCall, event: Event) -> Line:
    data = event.data
    about = next((_named(data[name]) for name in ("user", "team", "repository") if data.get(name)), "")
    after = data.get("after", data.get("role"))
    return Line(
        event,
        call.say(_ACTIONS.get(event.action, event.action)),
        about,
        _word(call, data.get("before")),
        _word(call, after),
        call.say(WAYS.get(event.who.via, event.who.via)),
    )


def _named(thing: object) -> str:
    """Return what a user, team or repository of an event is called."""
    if isinstance(thing, Mapping):
        return next((str(thing[name]) for name in ("login", "slug", "full_name") if thing.get(name)), "")
    return str(thing)


def _word(call: PageCall, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return call.say("on") if value else call.say("off")
    text = str(value)
    return call.say(_WORDS[text]) if text in _WORDS else text


ROUTES: Final = (Route("GET", "/{owner}/{image}/-/activity", activity, opening=opening),)

"""Tag rules of an organization, for its owners: which tags may not be moved, deleted or made."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from registry.errors import Invalid, NotFound
from registry.http.web.call import PageCall
from registry.http.web.flash import Undo
from registry.http.web.people import opening, owner_of
from registry.http.web.routes import Route
from registry.packages import tag_rules as rules
from storage.metadata.organizations import Organization
from storage.metadata.tag_rules import TagRule

_NAME_MAX: Final = 63
_GLOB_MAX: Final = 128


def _path(org: Organization) -> str:
    return f"/{org.login.lower()}/-/settings/tag-rules"


async def page(call: PageCall) -> web.Response:
    """Show the tag rules of an organization, and the form of a new one."""
    return await _page(call, await owner_of(call))


async def _page(call: PageCall, org: Organization, errors: Mapping[str, str] | None = None) -> web.Response:
    found = await rules.listed(call.services.db, org.id)
    name, offered, forbidden = rules.OFFERED
    typed = {
        "name": call.text("name", _NAME_MAX),
        "tags": call.text("tags"),
        "excepts": call.text("excepts"),
        "package": call.text("package", _GLOB_MAX) or "*",
        "forbid": call.fields.all("forbid"),
        "unless": call.text("unless"),
    }
    if call.http.method == "GET":
        typed["forbid"] = list(forbidden)
        if not found:
            typed |= {"name": name, "tags": offered}
    return call.page(
        "tag_rules.html",
        title=[call.say("Tag rules"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/tag-rules",
        command=f"moorage tag-rule list {org.login}",
        owner=org,
        rules=found,
        errors=errors or {},
        typed=typed,
        path=_path(org),
    )


async def put(call: PageCall) -> web.Response:
    """Make a rule, or replace the one of its name."""
    org = await owner_of(call)
    name = call.text("name", _NAME_MAX)
    wanted = rules.Wanted(
        name,
        call.text("package", _GLOB_MAX) or "*",
        call.text("tags").split(),
        call.text("excepts").split(),
        call.fields.all("forbid"),
        "admin" if call.text("unless") else None,
    )
    try:
        await rules.put(call.services.db, org.id, wanted)
    except Invalid as error:
        return await _page(call, org, {_field(error.message): call.say("This is refused: %(why)s", why=_why(error))})
    return call.redirect(_path(org), call.say("The rule holds from now on: %(name)s", name=name), undo=_undo(org, name))


def _field(message: str) -> str:
    """Return the field of the form that a refusal is about."""
    named = {"'tags'": "tags", "'except'": "excepts", "'package'": "package", "'forbid'": "forbid"}
    return next((field for word, field in named.items() if word in message), "name")


def _why(error: Invalid) -> str:
    return error.message.removeprefix("Invalid request.").strip()


def _undo(org: Organization, name: str, change: str = "remove") -> Undo:
    return Undo(f"{_path(org)}/{name}", (("change", change),))


async def change_rule(call: PageCall) -> web.Response:
    """Enable, disable or remove a rule (``change``)."""
    org = await owner_of(call)
    name, change = call.param("rule"), call.text("change")
    try:
        former = await rules.named(call.services.db, org.id, name)
        if change == "remove":
            await rules.remove(call.services.db, org.id, name)
            return call.redirect(
                _path(org),
                call.say("The rule is removed: %(name)s", name=name),
                undo=Undo(_path(org), tuple(_fields(former))),
            )
        await rules.switch(call.services.db, org.id, name, on=change == "enable")
    except NotFound:
        return call.redirect(_path(org), call.say("There is no such rule any more: %(name)s", name=name), "info")
    if change == "enable":
        said = call.say("The rule holds from now on: %(name)s", name=name)
        return call.redirect(_path(org), said, undo=_undo(org, name, "disable"))
    said = call.say("The rule is disabled: %(name)s", name=name)
    return call.redirect(_path(org), said, undo=_undo(org, name, "enable"))


def _fields(former: TagRule) -> Sequence[tuple[str, str]]:
    """Return the fields of the form that makes a removed rule again."""
    return [
        ("name", former.name),
        ("package", former.package),
        ("tags", " ".join(former.tags)),
        ("excepts", " ".join(former.excepts)),
        *(("forbid", one) for one in former.forbid),
        *([("unless", "on")] if former.unless_role else []),
    ]


_ADDRESS: Final = "/{owner}/-/settings/tag-rules"
ROUTES: Final = (
    Route("GET", _ADDRESS, page, opening=opening),
    Route("POST", _ADDRESS, put),
    Route("POST", f"{_ADDRESS}/{{rule}}", change_rule),
)

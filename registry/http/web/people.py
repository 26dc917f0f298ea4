"""People of an organization, for its members: owners add them, change their roles and remove them."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from registry.accounts import organizations as rules
from registry.accounts.names import is_login
from registry.accounts.organizations import LastOwner
from registry.errors import AccountUnknown, NotFound
from registry.http.web.call import PageCall
from registry.http.web.confirming import Question, ask
from registry.http.web.opening import alone
from registry.http.web.routes import Route
from storage.metadata import organizations, owner_pages
from storage.metadata.organizations import Organization
from storage.metadata.web_sessions import WebSession

_ROWS: Final = 100
_LOGIN_MAX: Final = 39
_ROLES: Final = ("member", "admin")


async def opening(call: PageCall, digest: bytes | None) -> tuple[WebSession | None, object]:
    """Open a page of an organization: find the viewer together with the organization and the viewer's role there."""
    login = call.param("owner")
    if not is_login(login):
        return await alone(call, digest)
    return await owner_pages.organization_in_session(call.services.db, digest, login)


async def member_of(call: PageCall) -> Organization:
    """Return the organization of the address, for its members. Raises NotFound, Denied."""
    if isinstance(call.found, Organization):
        return rules.joined(call.found)
    return await rules.for_member(call.services.db, call.viewer.token_id, call.param("owner"))


async def owner_of(call: PageCall) -> Organization:
    """Return the organization of the address, for its owners. Raises NotFound for others than members, Denied."""
    return rules.owned(await member_of(call))


def _path(org: Organization) -> str:
    return f"/{org.login.lower()}/-/people"


async def people(call: PageCall) -> web.Response:
    """List the members of an organization."""
    return await _page(call, await member_of(call))


async def _page(call: PageCall, org: Organization, errors: Mapping[str, str] | None = None) -> web.Response:
    number = call.page_number()
    rows, total = await organizations.members(call.services.db, org.id, None, limit=_ROWS, offset=(number - 1) * _ROWS)
    return call.page(
        "people.html",
        title=[call.say("People"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/members",
        owner=org,
        people=rows,
        number=number,
        more=number * _ROWS < total,
        errors=errors or {},
        typed=call.text("login", _LOGIN_MAX),
    )


async def set_role(call: PageCall) -> web.Response:
    """Add a member with a role, or change a member's role."""
    org = await owner_of(call)
    login, role = call.text("login", _LOGIN_MAX), call.text("role")
    if role not in _ROLES:
        raise NotFound
    try:
        member = await rules.set_role(call.services.db, org.login, login, role)
    except AccountUnknown:
        return await _page(call, org, {"login": call.say("Nobody has this login.")})
    except LastOwner:
        return call.redirect(_path(org), call.say("The last owner stays one: name another owner first."), "bad")
    word = call.say("Owner") if role == "admin" else call.say("Member")
    return call.redirect(_path(org), call.say("%(who)s: %(role)s", who=member.login, role=word))


def _may_remove(call: PageCall, org: Organization, login: str) -> None:
    """Check that the viewer is an owner, or is leaving. Raises Denied."""
    if login.lower() != (call.viewer.login or "").lower():
        rules.owned(org)


async def _question(call: PageCall, org: Organization, login: str) -> Question:
    own = login.lower() == (call.viewer.login or "").lower()
    member = await organizations.member(call.services.db, org.id, login)
    if member is None:
        raise NotFound
    return Question(
        call.say("Leave the organization") if own else call.say("Remove a member"),
        [
            call.say("Every role that this organization gave ends: %(who)s", who=member.login),
            call.say("Whoever is added again begins without them."),
        ],
        call.say("Leave") if own else call.say("Remove %(who)s", who=member.login),
        _path(org),
        hidden=(("login", member.login),),
    )


async def remove_page(call: PageCall) -> web.Response:
    """Show what ends with a membership."""
    org, login = await member_of(call), call.query("login").strip()
    _may_remove(call, org, login)
    return ask(call, await _question(call, org, login))


async def remove(call: PageCall) -> web.Response:
    """Remove a member, or let the viewer leave."""
    org, login = await member_of(call), call.text("login", _LOGIN_MAX)
    _may_remove(call, org, login)
    own = login.lower() == (call.viewer.login or "").lower()
    try:
        await rules.remove(call.services.db, org.login, login)
    except LastOwner:
        return call.redirect(_path(org), call.say("The last owner stays one: name another owner first."), "bad")
    except AccountUnknown:
        return call.redirect(_path(org), call.say("No member any more: %(who)s", who=login), "info")
    path = f"/{org.login.lower()}" if own else _path(org)
    return call.redirect(path, call.say("No member any more: %(who)s", who=login))


_PEOPLE: Final = "/{owner}/-/people"
ROUTES: Final = (
    Route("GET", _PEOPLE, people, opening=opening),
    Route("POST", _PEOPLE, set_role),
    Route("GET", f"{_PEOPLE}/remove", remove_page, opening=opening),
    Route("POST", f"{_PEOPLE}/remove", remove),
)

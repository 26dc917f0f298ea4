"""Teams of an organization, for its members: owners make them, and put members in and out."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from aiohttp import web

from registry.accounts import organizations as rules
from registry.accounts.names import is_login
from registry.accounts.organizations import NotMember, TeamNameInvalid, TeamTaken
from registry.errors import NotFound
from registry.http.web.call import PageCall
from registry.http.web.confirming import Question, ask
from registry.http.web.flash import Undo
from registry.http.web.people import member_of, opening, owner_of
from registry.http.web.routes import Route
from storage.metadata import teams
from storage.metadata.organizations import Organization
from storage.metadata.teams import Team

_ROWS: Final = 100
_NAME_MAX: Final = 255
_LOGIN_MAX: Final = 39


def _path(org: Organization, team: Team | None = None) -> str:
    path = f"/{org.login.lower()}/-/teams"
    return path if team is None else f"{path}/{team.slug}"


async def _named(call: PageCall, org: Organization) -> Team:
    slug = call.param("team")
    found = None if "\x00" in slug else await teams.by_slug(call.services.db, org.id, slug)
    if found is None:
        raise NotFound
    return found


async def team_list(call: PageCall) -> web.Response:
    """List the teams of an organization."""
    return await _list(call, await member_of(call))


async def _list(call: PageCall, org: Organization, errors: Mapping[str, str] | None = None) -> web.Response:
    number = call.page_number()
    rows, total = await teams.of_organization(call.services.db, org.id, limit=_ROWS, offset=(number - 1) * _ROWS)
    return call.page(
        "teams.html",
        title=[call.say("Teams"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/teams",
        owner=org,
        teams=rows,
        number=number,
        more=number * _ROWS < total,
        errors=errors or {},
        typed={"name": call.text("name", _NAME_MAX), "description": call.text("description")},
    )


async def create(call: PageCall) -> web.Response:
    """Make a team."""
    org = await owner_of(call)
    name = call.text("name", _NAME_MAX)
    try:
        slug = await rules.create_team(call.services.db, org.id, name, call.text("description"), [])
    except TeamNameInvalid:
        return await _list(call, org, {"name": call.say("The name of a team has a letter or a digit.")})
    except TeamTaken:
        slug = rules.slug_of(name)
        if not await _is_same(call, org, slug):
            return await _list(call, org, {"name": call.say("There is such a team.")})
    return call.redirect(f"{_path(org)}/{slug}", call.say("The team is made: %(name)s", name=name))


async def _is_same(call: PageCall, org: Organization, slug: str) -> bool:
    """Return whether a team is as the form has it: the form was sent before."""
    found = await teams.by_slug(call.services.db, org.id, slug)
    return found is not None and (found.name, found.description or "") == (
        call.text("name", _NAME_MAX),
        call.text("description"),
    )


async def team(call: PageCall) -> web.Response:
    """Show a team and its members."""
    org = await member_of(call)
    return await _team(call, org, await _named(call, org))


async def _team(
    call: PageCall, org: Organization, found: Team, errors: Mapping[str, str] | None = None
) -> web.Response:
    number = call.page_number()
    rows, total = await teams.members(call.services.db, org.id, found.id, limit=_ROWS, offset=(number - 1) * _ROWS)
    return call.page(
        "team.html",
        title=[found.name, call.say("Teams"), org.login],
        status=422 if errors else 200,
        api=f"/orgs/{org.login}/teams/{found.slug}",
        owner=org,
        team=found,
        people=rows,
        number=number,
        more=number * _ROWS < total,
        errors=errors or {},
        typed=call.text("login", _LOGIN_MAX),
        path=_path(org, found),
    )


async def update(call: PageCall) -> web.Response:
    """Change the name and description of a team."""
    org, name = await owner_of(call), call.text("name", _NAME_MAX)
    try:
        found = await _named(call, org)
    except NotFound:
        with suppress(TeamNameInvalid):
            if await _is_same(call, org, rules.slug_of(name)):
                return call.redirect(f"{_path(org)}/{rules.slug_of(name)}", call.say("The team is saved."))
        raise
    try:
        slug = await rules.rename_team(call.services.db, org.id, found.id, name, call.text("description"))
    except TeamNameInvalid:
        return await _team(call, org, found, {"name": call.say("The name of a team has a letter or a digit.")})
    except TeamTaken:
        return await _team(call, org, found, {"name": call.say("There is such a team.")})
    return call.redirect(f"{_path(org)}/{slug or found.slug}", call.say("The team is saved."))


async def put_member(call: PageCall) -> web.Response:
    """Put a member of the organization into a team, or take one out (``change``: remove)."""
    org = await owner_of(call)
    found, login = await _named(call, org), call.text("login", _LOGIN_MAX)
    path = _path(org, found)
    if call.text("change") == "remove":
        if not is_login(login):
            raise NotFound
        await teams.remove_member(call.services.db, org.id, found.id, login)
        undo = Undo(f"{path}/members", (("login", login),))
        return call.redirect(path, call.say("Not in the team any more: %(who)s", who=login), undo=undo)
    try:
        await rules.add_to_team(call.services.db, org.id, found.id, login)
    except NotMember:
        return await _team(call, org, found, {"login": call.say("Only members of the organization can be in a team.")})
    return call.redirect(path, call.say("In the team now: %(who)s", who=login))


async def _question(call: PageCall, org: Organization, found: Team) -> Question:
    lines = [
        call.say("Its members lose the roles that they have by the team."),
        call.say("They stay members of the organization."),
    ]
    return Question(call.say("Delete the team"), lines, call.say("Delete %(name)s", name=found.name), _path(org, found))


async def delete_page(call: PageCall) -> web.Response:
    """Show what ends with a team."""
    org = await owner_of(call)
    return ask(call, await _question(call, org, await _named(call, org)))


async def delete(call: PageCall) -> web.Response:
    """Delete a team."""
    org = await owner_of(call)
    try:
        found = await _named(call, org)
    except NotFound:
        said = call.say("There is no such team any more: %(name)s", name=call.param("team"))
        return call.redirect(_path(org), said, "info")
    await teams.delete(call.services.db, org.id, found.id)
    return call.redirect(_path(org), call.say("The team is deleted: %(name)s", name=found.name))


_TEAMS: Final = "/{owner}/-/teams"
_TEAM: Final = f"{_TEAMS}/{{team}}"
ROUTES: Final = (
    Route("GET", _TEAMS, team_list, opening=opening),
    Route("POST", _TEAMS, create),
    Route("GET", _TEAM, team, opening=opening),
    Route("POST", _TEAM, update),
    Route("POST", f"{_TEAM}/members", put_member),
    Route("GET", f"{_TEAM}/delete", delete_page, opening=opening),
    Route("POST", f"{_TEAM}/delete", delete),
)

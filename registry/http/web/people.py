"""People and teams of an organization, for its members."""

from typing import Final

from aiohttp import web

from registry.accounts.names import is_login
from registry.errors import NotFound
from registry.http.web.call import PageCall
from registry.http.web.routes import Route
from storage.metadata import organizations, teams
from storage.metadata.organizations import Organization

_ROWS: Final = 100
_PAGES_MAX: Final = 100


async def _organization(call: PageCall) -> Organization:
    """Return the organization of the address, for its members. Raises NotFound."""
    login = call.param("owner")
    found = await organizations.seen(call.services.db, call.viewer.token_id, login) if is_login(login) else None
    if found is None or found.role is None:
        raise NotFound
    return found


def _page(call: PageCall) -> int:
    text = call.query("page")
    return min(int(text), _PAGES_MAX) if text.isascii() and text.isdigit() and 0 < len(text) < 5 else 1  # noqa: PLR2004 - of digits


async def people(call: PageCall) -> web.Response:
    """List the members of an organization."""
    org, page = await _organization(call), _page(call)
    rows, total = await organizations.members(call.services.db, org.id, None, limit=_ROWS, offset=(page - 1) * _ROWS)
    return call.page(
        "people.html",
        title=[call.say("People"), org.login],
        api=f"/orgs/{org.login}/members",
        owner=org,
        people=rows,
        total=total,
        number=page,
        more=page * _ROWS < total,
    )


async def team_list(call: PageCall) -> web.Response:
    """List the teams of an organization."""
    org, page = await _organization(call), _page(call)
    rows, total = await teams.of_organization(call.services.db, org.id, limit=_ROWS, offset=(page - 1) * _ROWS)
    return call.page(
        "teams.html",
        title=[call.say("Teams"), org.login],
        api=f"/orgs/{org.login}/teams",
        owner=org,
        teams=rows,
        total=total,
        number=page,
        more=page * _ROWS < total,
    )


ROUTES: Final = (
    Route("GET", "/{owner}/-/people", people),
    Route("GET", "/{owner}/-/teams", team_list),
)

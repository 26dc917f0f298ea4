"""Organizations: make one, and the settings of one for its owners: profile, rules of packages, deletion."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from registry.accounts import accounts as account_rules
from registry.accounts import organizations as rules
from registry.accounts.names import LoginInvalid, LoginTaken
from registry.http.web.call import PageCall
from registry.http.web.confirming import Question, ask, wrong_name
from registry.http.web.people import opening, owner_of
from registry.http.web.routes import Route
from registry.http.web.sessions import SignedIn
from registry.http.web.signed_in import is_recent, signed_in, to_sign_in
from storage.metadata import organizations
from storage.metadata.organizations import Organization, Settings

_LOGIN_MAX: Final = 39
_NAME_MAX: Final = 255
_NEW: Final = "/new/organization"


async def new(call: PageCall, _session: SignedIn) -> web.Response:
    """Show the form of a new organization."""
    return _form(call)


def _form(call: PageCall, errors: Mapping[str, str] | None = None) -> web.Response:
    return call.page(
        "organization_new.html",
        title=[call.say("New organization")],
        status=422 if errors else 200,
        api="/orgs",
        errors=errors or {},
        login=call.text("login", _LOGIN_MAX * 2),
        name=call.text("name", _NAME_MAX),
    )


async def create(call: PageCall, session: SignedIn) -> web.Response:
    """Make an organization, owned by the viewer."""
    login, name = call.text("login", _LOGIN_MAX * 2), call.text("name", _NAME_MAX)
    try:
        await rules.create(call.services.db, login, session.login, name=name or None)
    except LoginTaken:
        found = await organizations.seen(call.services.db, session.token_id, login)
        if found is None or found.role != "admin" or (found.login, found.name or "") != (login, name):
            return _form(call, {"login": call.say("This name is taken.")})
    except LoginInvalid:
        said = call.say(
            "A name has 1 to 39 letters and digits, with single hyphens or underscores between; some are reserved."
        )
        return _form(call, {"login": said})
    return call.redirect(f"/{login.lower()}", call.say("The organization is made: %(name)s", name=login))


def _path(org: Organization) -> str:
    return f"/{org.login.lower()}/-/settings"


async def settings(call: PageCall) -> web.Response:
    """Show the settings of an organization."""
    org = await owner_of(call)
    _, affected = await organizations.members(call.services.db, org.id, "member", limit=1, offset=0)
    return call.page(
        "organization_settings.html",
        title=[call.say("Settings"), org.login],
        api=f"/orgs/{org.login}",
        owner=org,
        affected=affected,
    )


async def update(call: PageCall) -> web.Response:
    """Change the profile of an organization, or its rules of packages."""
    org, fields = await owner_of(call), call.fields
    if call.text("part") == "profile":
        new_settings = Settings(
            name=call.text("name", _NAME_MAX), email=call.text("email", _NAME_MAX), description=call.text("description")
        )
    else:
        new_settings = Settings(
            packages_inherit_access="inherit" in fields,
            packages_sso_required="sso" in fields,
            members_can_create_public_packages="public" in fields,
            members_can_create_private_packages="private" in fields,
            members_can_create_internal_packages="internal" in fields,
        )
    await organizations.update(call.services.db, org.id, new_settings)
    return call.redirect(_path(org), call.say("The settings are saved."))


def _question(call: PageCall, org: Organization) -> Question:
    return Question(
        call.say("Delete the organization"),
        [
            call.say("All its packages, repositories and teams go with it."),
            call.say("Nobody can restore it from these pages."),
        ],
        call.say("Delete %(name)s", name=org.login),
        _path(org),
        org.login,
    )


async def delete_page(call: PageCall) -> web.Response:
    """Show what the deletion of an organization means."""
    org = await owner_of(call)
    if not is_recent(call):
        return to_sign_in(call, call.path)
    return ask(call, _question(call, org))


async def delete(call: PageCall) -> web.Response:
    """Delete an organization with its packages."""
    org = await owner_of(call)
    if not is_recent(call):
        return to_sign_in(call, call.path)
    question = _question(call, org)
    if wrong := wrong_name(call, question):
        return ask(call, question, wrong)
    await account_rules.delete(call.services.db, org.login, kind="Organization", actor=call.actor)
    return call.redirect("/", call.say("The organization is deleted: %(name)s", name=org.login))


_SETTINGS: Final = "/{owner}/-/settings"
ROUTES: Final = (
    Route("GET", _NEW, signed_in(new)),
    Route("POST", _NEW, signed_in(create)),
    Route("GET", _SETTINGS, settings, opening=opening),
    Route("POST", _SETTINGS, update),
    Route("GET", f"{_SETTINGS}/delete", delete_page, opening=opening),
    Route("POST", f"{_SETTINGS}/delete", delete),
)

"""Accounts and organizations for site administrators: lists, one account, new ones, and what is changed of a user."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from aiohttp import web

from registry.accounts import accounts, administration, organizations, sign_in, web_sessions
from registry.accounts.accounts import LastAdministrator
from registry.accounts.names import LoginTaken
from registry.accounts.organizations import OwnerUnknown
from registry.errors import AccountError, NotFound
from registry.http.web.administration import ACCOUNTS, PLACE, ROWS, changes, page
from registry.http.web.call import PageCall, moved, queried
from registry.http.web.catalogue import key
from registry.http.web.confirming import Question, ask
from registry.http.web.owner import opening, owner_of
from registry.http.web.routes import Route
from registry.http.web.settings import shown_agent
from registry.http.web.signed_in import UNSTORED
from storage.metadata import organizations as stored_organizations
from storage.metadata import owner_pages
from storage.metadata.accounts import Account

_ORGANIZATIONS: Final = f"{PLACE}/organizations"
_LISTED: Final = 100
_FILTERS: Final = ("users", "suspended", "site_admin", "organizations", "all")
_TEXT_MAX: Final = 255


async def start(_call: PageCall) -> web.Response:
    """Lead to the first page of administration."""
    return moved(ACCOUNTS)


async def listed(call: PageCall) -> web.Response:
    """List accounts by id, or those whose login begins so."""
    which, query, after = call.query("filter"), call.query("q").strip(), call.query("after")
    which = which if which in _FILTERS else "users"
    found = await administration.list_accounts(
        call.services.db, cast("administration.Which", which), query=query, after=after, limit=ROWS
    )
    return page(
        call,
        "admin_accounts.html",
        call.say("Accounts"),
        api=queried("/admin/users", q=query),
        command="moorage admin user list",
        found=found,
        which=which,
        query=query,
        after=after,
    )


async def listed_organizations(call: PageCall) -> web.Response:
    """List organizations by id."""
    after = call.query("after")
    found = await administration.list_accounts(call.services.db, "organizations", after=after, limit=ROWS)
    return page(
        call,
        "admin_organizations.html",
        call.say("Organizations"),
        api="/admin/organizations",
        command="moorage admin org list",
        found=found,
        after=after,
    )


async def _account(call: PageCall, kind: str | None = None) -> Account:
    """Return the account that the address names. Raises NotFound."""
    found = await owner_of(call)
    if kind not in {None, found.kind}:
        raise NotFound
    return found


async def one(call: PageCall) -> web.Response:
    """Show an account: of a user with tokens, organizations and sessions, of an organization with its owners."""
    db, account = call.services.db, await _account(call)
    if account.kind == "Organization":
        people, _ = await stored_organizations.members(db, account.id, "admin", limit=_LISTED, offset=0)
        return page(
            call, "admin_organization.html", account.login, api=f"/orgs/{account.login}", account=account, people=people
        )
    seats, sessions = await owner_pages.standing(db, account.id, limit=_LISTED)
    tokens = await administration.list_tokens(db, account=account, limit=ROWS)
    return page(
        call,
        "admin_account.html",
        account.login,
        api=f"/users/{account.login}",
        account=account,
        seats=seats,
        tokens=tokens,
        sessions=[(session, shown_agent(session.user_agent)) for session in sessions],
    )


def _told(call: PageCall, error: AccountError) -> tuple[str, str]:
    """Return the field that an account is refused for, and why, in the viewer's language."""
    match error:
        case LoginTaken():
            return "login", call.say("This login is taken.")
        case OwnerUnknown():
            return "admin", call.say("No user has this login.")
        case _:
            return "login", call.say(
                "A login has up to 39 letters, digits and single hyphens, and is no word of this registry."
            )


async def new(call: PageCall) -> web.Response:
    """Show the form of a new user."""
    return _new(call, {})


def _new(call: PageCall, errors: Mapping[str, str]) -> web.Response:
    return page(
        call,
        "admin_account_new.html",
        call.say("New user"),
        status=422 if errors else 200,
        errors=errors,
        fields=call.fields,
    )


async def create(call: PageCall) -> web.Response:
    """Create a user, who signs in by a link or by a provider."""
    login, email = call.fields.get("login", "").strip(), call.fields.get("email", "").strip()
    if len(email) > _TEXT_MAX:
        return _new(call, {"email": call.say("This is no e-mail address.")})
    try:
        made = await accounts.create_user(
            call.services.db, login, email=email or None, site_admin=call.fields.get("site_admin") == "yes"
        )
    except AccountError as error:
        return _new(call, dict([_told(call, error)]))
    said = call.say("The user is made: %(login)s. A sign-in link lets them in.", login=made.login)
    return call.redirect(f"{ACCOUNTS}/{made.login.lower()}", said)


async def new_organization(call: PageCall) -> web.Response:
    """Show the form of a new organization."""
    return _new_organization(call, {})


def _new_organization(call: PageCall, errors: Mapping[str, str]) -> web.Response:
    heading, status = call.say("New organization"), 422 if errors else 200
    return page(call, "admin_organization_new.html", heading, status=status, errors=errors, fields=call.fields)


async def create_organization(call: PageCall) -> web.Response:
    """Create an organization with its first owner."""
    login, owner = call.fields.get("login", "").strip(), call.fields.get("admin", "").strip()
    name = call.fields.get("name", "").strip()
    if len(name) > _TEXT_MAX:
        return _new_organization(call, {"name": call.say("A name has at most 255 characters.")})
    try:
        made = await organizations.create(call.services.db, login, owner, name=name or None)
    except AccountError as error:
        return _new_organization(call, dict([_told(call, error)]))
    said = call.say("The organization is made: %(login)s", login=made.login)
    return call.redirect(f"{ACCOUNTS}/{made.login.lower()}", said)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of a user: its texts, and the rule that makes it. ``kind``: bad for what takes something away."""

    heading: str
    consequences: tuple[str, ...]
    button: str
    done: str
    run: Callable[[PageCall, Account], Awaitable[object]]
    kind: str = "bad"


def _suspended(call: PageCall, account: Account, *, suspended: bool) -> Awaitable[None]:
    return accounts.suspend(call.services.db, account.login, suspended=suspended)


def _promoted(call: PageCall, account: Account, *, site_admin: bool) -> Awaitable[None]:
    return accounts.promote(call.services.db, account.login, site_admin=site_admin)


_CHANGES: Final[Mapping[str, _Change]] = {
    "suspend": _Change(
        key("Suspend %(login)s"),
        (
            key("Every token and session is refused from the next request on, on every replica."),
            key("Packages stay where they are, and others use them as before."),
            key("It can be ended at any time."),
        ),
        key("Suspend the user"),
        key("The user is suspended: %(login)s"),
        lambda call, account: _suspended(call, account, suspended=True),
    ),
    "unsuspend": _Change(
        key("End the suspension of %(login)s"),
        (key("The user's tokens work again, and the user can sign in."),),
        key("End the suspension"),
        key("The user is no longer suspended: %(login)s"),
        lambda call, account: _suspended(call, account, suspended=False),
        kind="main",
    ),
    "promote": _Change(
        key("Make %(login)s an administrator"),
        (
            key("An administrator sees and changes every account, package and token of this registry."),
            key("The user signs in anew, and every twelve hours from then on."),
        ),
        key("Make the user an administrator"),
        key("The user is an administrator now: %(login)s"),
        lambda call, account: _promoted(call, account, site_admin=True),
        kind="warn",
    ),
    "demote": _Change(
        key("Take administration from %(login)s"),
        (
            key("The user keeps packages and roles, and no longer administers this registry."),
            key("The user signs in anew."),
        ),
        key("Take administration away"),
        key("The user is no longer an administrator: %(login)s"),
        lambda call, account: _promoted(call, account, site_admin=False),
    ),
    "end-sessions": _Change(
        key("End the sessions of %(login)s"),
        (
            key("The user is signed out of these pages in every browser."),
            key("Tokens stay valid, and the user can sign in again."),
        ),
        key("End all sessions"),
        key("The sessions have ended: %(login)s"),
        lambda call, account: web_sessions.end_all(call.services.db, account.id),
    ),
}
_LINK_CONSEQUENCES: Final = (
    key("The link signs in once, within half an hour. It is shown this once."),
    key("Whoever has it signs in as this user, and can set a password: hand it over in private."),
    key("A link that was made before ends."),
)


def _change(call: PageCall) -> _Change:
    found = _CHANGES.get(call.param("change"))
    if found is None:
        raise NotFound
    return found


async def asked(call: PageCall) -> web.Response:
    """Ask before a user is changed."""
    change, account = _change(call), await _account(call, "User")
    place = f"{ACCOUNTS}/{account.login.lower()}"
    return ask(
        call,
        Question(
            part=call.say("Administration"),
            heading=call.say(change.heading, login=account.login),
            consequences=[call.say(text) for text in change.consequences],
            button=call.say(change.button),
            cancel=place,
            kind=change.kind,
        ),
    )


async def changed(call: PageCall) -> web.Response:
    """Change a user."""
    change, account = _change(call), await _account(call, "User")
    place = f"{ACCOUNTS}/{account.login.lower()}"
    try:
        await change.run(call, account)
    except LastAdministrator:
        return call.redirect(place, call.say("This is the last administrator: make another one first."), "bad")
    return call.redirect(place, call.say(change.done, login=account.login))


async def ask_for_link(call: PageCall) -> web.Response:
    """Ask before a sign-in link is made."""
    account = await _account(call, "User")
    place = f"{ACCOUNTS}/{account.login.lower()}"
    return ask(
        call,
        Question(
            part=call.say("Administration"),
            heading=call.say("A sign-in link for %(login)s", login=account.login),
            consequences=[call.say(text) for text in _LINK_CONSEQUENCES],
            button=call.say("Make the link"),
            cancel=place,
            kind="warn",
        ),
    )


async def make_link(call: PageCall) -> web.Response:
    """Make a sign-in link, and show it this once."""
    account = await _account(call, "User")
    code = await sign_in.issue_code(call.services.db, account.login)
    heading = call.say("A sign-in link for %(login)s", login=account.login)
    link = f"{call.origin}/login/code#{code.reveal()}"
    return page(call, "admin_link.html", heading, headers=UNSTORED, account=account, link=link)


_ONE: Final = ACCOUNTS + "/{owner}"

ROUTES: Final = (
    Route("GET", PLACE, start),
    Route("GET", ACCOUNTS, listed),
    Route("GET", f"{PLACE}/new/user", changes(new)),
    Route("POST", f"{PLACE}/new/user", changes(create, back=f"{PLACE}/new/user")),
    Route("GET", _ORGANIZATIONS, listed_organizations),
    Route("GET", f"{PLACE}/new/organization", changes(new_organization)),
    Route("POST", f"{PLACE}/new/organization", changes(create_organization, back=f"{PLACE}/new/organization")),
    Route("GET", _ONE, one, opening=opening),
    Route("GET", f"{_ONE}/sign-in-link", changes(ask_for_link), opening=opening),
    Route("POST", f"{_ONE}/sign-in-link", changes(make_link)),
    Route("GET", f"{_ONE}/{{change}}", changes(asked), opening=opening),
    Route("POST", f"{_ONE}/{{change}}", changes(changed)),
)

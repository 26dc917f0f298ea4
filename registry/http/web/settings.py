"""The settings of one's own account: profile, security, sessions, language."""

import re
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from registry.accounts import sign_in as rules
from registry.accounts import web_sessions
from registry.accounts.sign_in import PasswordInvalid
from registry.errors import NotFound
from registry.http.numbers import number_of
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.routes import Route
from registry.http.web.sessions import SignedIn
from registry.http.web.signed_in import UNSTORED, begin, keep, signed_in
from registry.rate_limits import Quantity
from storage.metadata import accounts, organizations, sign_in
from storage.metadata import web_sessions as stored

_LISTED: Final = 100
_SECURITY: Final = "/settings/security"
_SESSIONS: Final = "/settings/sessions"
_REASONS: Final = {
    "short": key("A password has at least 15 characters."),
    "long": key("A password has at most 1,024 bytes."),
    "common": key("This password, or nearly this, is one of those that are tried first."),
    "repeated": key("This password repeats a few characters."),
    "personal": key("This password is little more than your login, or the name of this registry."),
}
_COUNTED: Final = {Quantity.PULLS: key("Pulls"), Quantity.REQUESTS: key("Requests of the API")}
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip
_PROGRAM: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,30}", re.ASCII)


def shown_agent(text: str) -> str:
    """Return the program and the system that a User-Agent names: «Firefox · Linux»; "" if it names none."""
    browser = next((name for mark, name in _BROWSERS if mark in text), None)
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    if browser is None:
        program = _PROGRAM.match(text)
        browser = None if program is None else program[0]
    return " · ".join(name for name in (browser, system) if name)


async def profile(call: PageCall, session: SignedIn) -> web.Response:
    """Show one's own account."""
    db = call.services.db
    account = await accounts.by_id(db, session.account_id)
    if account is None:
        raise NotFound
    seats, _ = await organizations.of_user(db, account.id, account.id, limit=_LISTED, offset=0)
    title = [call.say("Profile"), call.say("Settings")]
    limits = () if call.services.limits is None else call.services.limits.of_account(account.id)
    rates = [
        (_COUNTED[one.policy.quantity], one, datetime.fromtimestamp(int(call.services.now()) + one.reset_seconds, UTC))
        for one in limits
    ]
    return call.page("profile.html", title=title, api="/user", account=account, seats=seats, rates=rates)


async def security(call: PageCall, session: SignedIn) -> web.Response:
    """Show how one signs in."""
    return await _security(call, session)


async def _security(call: PageCall, session: SignedIn, wrong: str | None = None) -> web.Response:
    db, oidc = call.services.db, call.services.oidc
    person = await sign_in.by_id(db, session.account_id)
    identities = await sign_in.identities(db, session.account_id)
    providers = () if oidc is None else oidc.providers
    return call.page(
        "security.html",
        title=[call.say("Security"), call.say("Settings")],
        status=200 if wrong is None else 422,
        headers=UNSTORED,
        errors={} if wrong is None else {"password": wrong},
        has_password=person.password_hash is not None,
        identities=identities,
        providers=providers,
        names={provider.issuer: provider.shown for provider in providers},
    )


async def set_password(call: PageCall, session: SignedIn) -> web.Response:
    """Set the password, end all sessions, and begin one for this browser; the first leads to the start page."""
    services = call.services
    first = (await sign_in.by_id(services.db, session.account_id)).password_hash is None
    try:
        hashed = await rules.set_password(
            services.db, services.hasher(), session.account_id, call.fields.get("password", ""), call.host
        )
    except PasswordInvalid as error:
        return await _security(call, session, call.say(_REASONS[error.reason]))
    made = await begin(call, session.account_id, "password", password_hash=hashed)
    if made is None:
        raise NotFound
    return keep(call, made, "/" if first else _SECURITY, call.say("The password is set, and other sessions ended."))


async def disconnect(call: PageCall, session: SignedIn) -> web.Response:
    """Take an identity from the account, unless it is the last way in."""
    issuer, subject = call.fields.get("issuer", ""), call.fields.get("subject", "")
    if await sign_in.disconnect(call.services.db, session.account_id, issuer, subject):
        return call.redirect(_SECURITY, call.say("The identity is not connected any more."))
    said = call.say("This identity is the last way to sign in: set a password first.")
    return call.redirect(_SECURITY, said, "bad")


async def sessions(call: PageCall, session: SignedIn) -> web.Response:
    """List the sessions of one's account."""
    found = await stored.of_account(call.services.db, session.account_id)
    listed = [(one, shown_agent(one.user_agent)) for one in found]
    title = [call.say("Sessions"), call.say("Settings")]
    return call.page("sessions.html", title=title, sessions=listed, own=session.token_id)


async def end_sessions(call: PageCall, session: SignedIn) -> web.Response:
    """End one session, or all others."""
    number = call.fields.get("session", "")
    if number == "others":
        await web_sessions.end_others(call.services.db, session.stored)
        return call.redirect(_SESSIONS, call.say("All other sessions have ended."))
    session_id = number_of(number)
    if session_id is None:
        raise NotFound
    try:
        await web_sessions.end(call.services.db, session.account_id, session_id)
    except NotFound:
        return call.redirect(_SESSIONS, call.say("There is no such session any more."), "info")
    return call.redirect(_SESSIONS, call.say("The session has ended."))


async def language(call: PageCall, _session: SignedIn) -> web.Response:
    """Show the languages and themes."""
    return call.page("language.html", title=[call.say("Language and theme"), call.say("Settings")])


ROUTES: Final = (
    Route("GET", "/settings/profile", signed_in(profile)),
    Route("GET", "/settings/security", signed_in(security, recently=True)),
    Route("POST", "/settings/security/password", signed_in(set_password, recently=True, page=_SECURITY)),
    Route("POST", "/settings/security/disconnect", signed_in(disconnect, recently=True, page=_SECURITY)),
    Route("GET", "/settings/sessions", signed_in(sessions)),
    Route("POST", "/settings/sessions", signed_in(end_sessions)),
    Route("GET", "/settings/language", signed_in(language)),
)

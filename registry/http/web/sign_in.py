"""Sign-in by password and by one-time code, and sign-out. One answer for a wrong, unknown and suspended account."""

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from registry.accounts import sign_in as rules
from registry.accounts import web_sessions
from registry.accounts.sign_in import SignInRefused
from registry.errors import NotFound
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.forms import next_path
from registry.http.web.routes import Route
from registry.http.web.sessions import is_secure
from registry.http.web.signed_in import UNSTORED, address_of, begin, drop_cookie, keep

_LOGIN_MAX: Final = 100
_WRONG: Final = key("The login or the password is wrong, or this account cannot sign in.")
_WRONG_CODE: Final = key("This code is wrong, was used, or has expired.")


async def page(call: PageCall) -> web.Response:
    """Show the form to sign in."""
    return form(call, call.query("next"))


def form(
    call: PageCall, next_text: str, *, login: str = "", errors: Mapping[str, str] | None = None, status: int = 200
) -> web.Response:
    """Render the form to sign in, with what was typed but for the password."""
    oidc = call.services.oidc
    return call.page(
        "login.html",
        title=[call.say("Sign in")],
        status=status,
        headers=UNSTORED,
        next=next_path(next_text),
        login=login or call.viewer.login or "",
        errors=errors or {},
        providers=() if oidc is None else oidc.providers,
        is_open=_is_open(call),
    )


async def sign_in(call: PageCall) -> web.Response:
    """Sign in with a login and a password."""
    login, following = call.fields.get("login", "").strip(), call.fields.get("next", "")
    try:
        person = await rules.by_password(
            call.services.db, call.services.hasher(), login, call.fields.get("password", ""), address_of(call)
        )
    except SignInRefused:
        return _refused(call, following, login)
    session = await begin(call, person.id, "password", password_hash=person.password_hash)
    if session is None:
        return _refused(call, following, login)
    return keep(call, session, next_path(following))


def _refused(call: PageCall, following: str, login: str) -> web.Response:
    return form(call, following, login=login[:_LOGIN_MAX], errors={"password": call.say(_WRONG)}, status=422)


async def code_page(call: PageCall) -> web.Response:
    """Show the form for a one-time code; a script fills it in from behind the hash of a link."""
    return _code_form(call)


def _code_form(call: PageCall, errors: Mapping[str, str] | None = None, status: int = 200) -> web.Response:
    title = [call.say("Sign in with a code")]
    return call.page(
        "code.html", title=title, status=status, headers=UNSTORED, errors=errors or {}, is_open=_is_open(call)
    )


async def use_code(call: PageCall) -> web.Response:
    """Sign in with a one-time code, and lead to where a password is set."""
    try:
        account_id = await rules.by_code(call.services.db, call.fields.get("code", ""), address_of(call))
    except SignInRefused:
        return _code_form(call, {"code": call.say(_WRONG_CODE)}, 422)
    session = await begin(call, account_id, "code")
    if session is None:
        return _code_form(call, {"code": call.say(_WRONG_CODE)}, 422)
    said = call.say("You are signed in. Set a password for the next time.")
    return keep(call, session, "/settings/security", said)


async def sign_out(call: PageCall) -> web.Response:
    """Sign out: the session ends, on every replica."""
    session = call.viewer.session
    if session is not None:
        with suppress(NotFound):  # in another window, a moment ago
            await web_sessions.end(call.services.db, session.account_id, session.token_id)
    call.viewer = call.viewer.with_session(call.services, "")
    response = call.redirect("/", call.say("You are signed out."))
    drop_cookie(call, response)
    return response


def _is_open(call: PageCall) -> bool:
    """Return whether a password travels here in clear text, and not within this machine alone."""
    if is_secure(call.request, call.services):
        return False
    host = call.host.rpartition(":")[0] or call.host
    try:
        return not ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")


ROUTES: Final = (
    Route("GET", "/login", page),
    Route("POST", "/login", sign_in, account=False),
    Route("GET", "/login/code", code_page),
    Route("POST", "/login/code", use_code, account=False),
    Route("POST", "/logout", sign_out, account=False),
)

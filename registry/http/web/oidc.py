"""Sign-in by an OpenID Connect provider, and the connection of an account with an identity there."""

from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from registry.accounts.oidc_sign_in import FLOW_SECONDS, Finished, OidcRefused, OidcSignIn, Pending, Why
from registry.errors import NotFound
from registry.http.web import sign_in
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.forms import next_path
from registry.http.web.routes import Route
from registry.http.web.sessions import SignedIn, cookie_name
from registry.http.web.signed_in import begin, drop_cookie, keep, set_cookie, signed_in

_FLOW: Final = "moorage_flow"
_PENDING: Final = "moorage_identity"
_SECURITY: Final = "/settings/security"
_TOLD: Final[dict[Why, str]] = {
    "expired": key("This sign-in was begun too long ago, or in another browser. Try it again."),
    "denied": key("The provider did not sign you in."),
    "unverified": key("What the provider sent cannot be verified. Tell the operator of this registry."),
    "unknown": key("You have no account here. Ask the operator of this registry for one."),
    "login": key("An account for you cannot be made: the login is taken, or cannot be one here."),
    "suspended": key("The login or the password is wrong, or this account cannot sign in."),
    "taken": key("This identity belongs to another account here."),
}


def _providers(call: PageCall) -> OidcSignIn:
    if call.services.oidc is None:
        raise NotFound
    return call.services.oidc


def _callback(call: PageCall) -> str:
    return f"{call.origin}/login/oidc/{call.param('provider')}/callback"


async def start(call: PageCall) -> web.Response:
    """Lead to a provider, to sign in, or with ``connect`` to connect the account that is signed in."""
    session = call.viewer.session
    connecting = session is not None and bool(call.query("connect"))
    url, cookie = await _providers(call).begin(
        call.param("provider"),
        _callback(call),
        next_path(call.query("next")),
        call.services.now(),
        again=session is not None and not connecting,
        session_id=session.token_id if session is not None and connecting else None,
    )
    response = call.redirect(url)
    set_cookie(call, response, _FLOW, cookie, FLOW_SECONDS)
    return response


async def callback(call: PageCall) -> web.Response:
    """Take what a provider sent the browser back with."""
    try:
        finished = await _providers(call).finish(
            call.param("provider"),
            _callback(call),
            call.http.cookies.get(cookie_name(call.request, call.services, _FLOW)),
            dict(call.http.query),
            call.services.now(),
        )
        response = await (_signed_in if finished.flow.session_id is None else _to_connect)(call, finished)
    except OidcRefused as refused:
        response = sign_in.form(call, "", errors={"login": call.say(_TOLD[refused.why])}, status=422)
    drop_cookie(call, response, _FLOW)
    return response


async def _signed_in(call: PageCall, finished: Finished) -> web.Response:
    account_id = await _providers(call).account_of(call.services.db, finished)
    proved_at = datetime.fromtimestamp(finished.person.proved_at, UTC)
    session = await begin(call, account_id, "oidc", proved_at=proved_at)
    if session is None:
        raise OidcRefused("suspended")
    return keep(call, session, finished.flow.next)


async def _to_connect(call: PageCall, finished: Finished) -> web.Response:
    """Ask whether to connect: who made this browser come here need not be its person."""
    session = call.viewer.session
    if session is None or session.token_id != finished.flow.session_id:
        raise OidcRefused("expired")
    person, provider = finished.person, finished.provider
    ends_at = call.services.now() + FLOW_SECONDS
    pending = Pending(provider.name, person.subject, person.email, session.token_id, ends_at)
    response = call.page(
        "connect.html",
        title=[call.say("Connect an identity")],
        provider=provider.shown,
        who=person.email or person.login or person.subject,
    )
    set_cookie(call, response, _PENDING, _providers(call).seal.sealed(pending), FLOW_SECONDS)
    return response


async def connect(call: PageCall, session: SignedIn) -> web.Response:
    """Connect the account that is signed in with the identity that was verified for this session."""
    oidc = _providers(call)
    pending = oidc.seal.opened(call.http.cookies.get(cookie_name(call.request, call.services, _PENDING)), Pending)
    why: Why = "expired"
    if pending is not None and pending.session_id == session.token_id and call.services.now() < pending.ends_at:
        try:
            await oidc.connect(call.services.db, pending, session.account_id)
        except OidcRefused as refused:
            why = refused.why
        else:
            response = call.redirect(_SECURITY, call.say("The identity is connected."))
            drop_cookie(call, response, _PENDING)
            return response
    return call.redirect(_SECURITY, call.say(_TOLD[why]), "bad")


ROUTES: Final = (
    Route("GET", "/login/oidc/{provider}", start),
    Route("GET", "/login/oidc/{provider}/callback", callback),
    Route("POST", "/settings/security/connect", signed_in(connect, recently=True, page=_SECURITY)),
)

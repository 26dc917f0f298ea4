"""Sign-in of devices (RFC 8628): two addresses for the device, which speak JSON, and a page for its person."""

from collections.abc import Mapping
from typing import Final

import orjson
from aiohttp import web

from registry.accounts import devices as rules
from registry.accounts.devices import DeviceError, DeviceUnknown
from registry.errors import TooManyRequests
from registry.http.web.call import PageCall
from registry.http.web.routes import Route
from registry.http.web.sessions import SignedIn, now_of
from registry.http.web.signed_in import UNSTORED, address_of, signed_in

_BAD_REQUEST: Final = 400
_TOO_MANY: Final = 429


async def begin(call: PageCall) -> web.Response:
    """Give a device its two codes."""
    try:
        started = await rules.start(
            call.services.db,
            host=call.fields.get("client_name", ""),
            scopes=call.fields.get("scope", "").split(),
            address=address_of(call),
        )
    except (DeviceError, TooManyRequests) as error:
        return _error(error)
    return _json(
        {
            "device_code": started.device_code,
            "user_code": started.user_code.reveal(),
            "verification_uri": f"{call.origin}/login/device",
            "expires_in": rules.LIVES_SECONDS,
            "interval": rules.INTERVAL_SECONDS,
        }
    )


async def poll(call: PageCall) -> web.Response:
    """Give an approved device its token, once."""
    if call.fields.get("grant_type") != "urn:ietf:params:oauth:grant-type:device_code":
        return _json({"error": "unsupported_grant_type"}, _BAD_REQUEST)
    try:
        token, scopes = await rules.poll(call.services.db, call.fields.get("device_code", ""), now_of(call.services))
    except DeviceError as error:
        return _error(error)
    return _json({"access_token": token.reveal(), "token_type": "bearer", "scope": " ".join(scopes)})


def _error(error: DeviceError | TooManyRequests) -> web.Response:
    """Render an error as RFC 6749 §5.2 does."""
    if isinstance(error, DeviceError):
        return _json({"error": error.error, "error_description": error.message}, _BAD_REQUEST)
    return _json({"error": "slow_down", "error_description": error.message}, _TOO_MANY, error.headers)


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
    )


async def page(call: PageCall, _session: SignedIn) -> web.Response:
    """Show the form for the code. It is empty whatever the link says: who types it looks at the device (phishing)."""
    return _form(call)


def _form(call: PageCall, *, wrong: bool = False) -> web.Response:
    told = call.say("No device waits with this code. It is wrong, was used, or has expired.")
    return call.page(
        "device.html",
        title=[call.say("Sign in a device")],
        status=422 if wrong else 200,
        errors={"user_code": told} if wrong else {},
    )


async def decide(call: PageCall, session: SignedIn) -> web.Response:
    """Show what waits under a code; with a decision, approve or deny it."""
    code, decision, db = call.fields.get("user_code", ""), call.fields.get("decision"), call.services.db
    try:
        if decision is None:
            device = await rules.waiting(db, code, session.account_id, address_of(call))
            title = [call.say("Sign in a device")]
            return call.page(
                "device_waiting.html",
                title=title,
                headers=UNSTORED,
                device=device,
                code=code,
                days=rules.TOKEN_LIFE.days,
            )
        approved = decision == "approve"
        device = await rules.decide(db, code, session.account_id, address_of(call), approved=approved)
    except DeviceUnknown:
        return _form(call, wrong=True)
    if approved:
        said = call.say("The device is signed in: %(host)s. Its token is in this list.", host=device.host)
        return call.redirect("/settings/tokens", said)
    return call.redirect("/login/device", call.say("The device was denied."))


ROUTES: Final = (
    Route("POST", "/login/device/code", begin, token=False),
    Route("POST", "/login/device/token", poll, token=False),
    Route("GET", "/login/device", signed_in(page, recently=True)),
    Route("POST", "/login/device", signed_in(decide, recently=True)),
)

"""``/token``: docker's token flow, as ``GET`` (Distribution token specification) and as ``POST`` (OAuth2 form).

What is granted is what the caller may do now, whatever of it was asked for: some clients ask once for pull and push
with the same token. It is an upper bound only; rights are read again with each request.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import orjson
from aiohttp import web

from auth import scopes
from auth.challenge import basic_challenge
from auth.credentials import BearerCredentials, OidcCredentials, TokenCredentials, of_password
from auth.errors import MalformedScope, Unauthenticated
from auth.identity import ANONYMOUS, Action, Identity
from auth.permissions import grantable
from auth.scopes import Grant
from registry.errors import ParameterInvalid, RegistryError, Unauthorized, UnavailableNow, Unsupported
from registry.http.answers import error_answer
from registry.http.asked import Asked, LongWay
from registry.http.authenticate import Counted, Holder, credentials_of, holder
from registry.http.bodies import no_early_continue, read_form
from registry.http.errors import FormInvalid
from registry.http.keys import SERVICES, VISIT
from registry.http.v2.call import HEADERS
from registry.services import Services
from storage.errors import Unavailable
from storage.names import InvalidName, PackageName

_ACTIONS: Final = frozenset({Action.PULL, Action.PUSH, Action.DELETE})


async def serve(http: Asked) -> web.Response:
    """Answer ``GET /token?service=…&scope=…`` with Basic ``user:token`` or anonymous, or the form of ``POST``."""
    try:
        if http.method in {"GET", "HEAD"}:
            return await _issued(http, await _by_header(http), http.query.getall("scope", []))
        if http.method == "POST":
            return await _by_form(http)
        raise Unsupported("this method", allow=("GET", "HEAD", "POST"))
    except Unauthenticated as error:
        return error_answer(Unauthorized(error.reason, basic_challenge("Moorage")), HEADERS)
    except RegistryError as error:
        return error_answer(error, HEADERS)
    except Unavailable:
        return error_answer(UnavailableNow(retry_after_seconds=2), HEADERS)


async def _by_form(http: Asked) -> web.Response:
    """Answer an OAuth2 form of docker or containerd: ``grant_type`` is ``password`` or ``refresh_token``.

    The refresh token that ``access_type=offline`` asks for is the access token itself: it is what a client may keep,
    and it is revoked where tokens are.
    """
    services = http.app[SERVICES]
    if not isinstance(http, web.Request):
        raise LongWay
    form = await read_form(http, services.settings.http.body_seconds)
    kind = _one(form, "grant_type") or "password"
    if kind not in {"password", "refresh_token"}:
        raise FormInvalid("expected the field grant_type to be password or refresh_token")
    secret = _one(form, kind)
    with Counted(http):
        credentials = of_password(_one(form, "username"), secret)
    offline = kind == "password" and _one(form, "access_type") == "offline"
    found = await holder(http, credentials)
    return await _issued(http, found, form.get("scope", ()), refresh=secret if offline else None, form=True)


def _one(form: Mapping[str, list[str]], name: str) -> str:
    values = form.get(name, [""])
    if len(values) > 1:
        raise FormInvalid(f"expected the field {name} once, got it {len(values)} times")
    return values[0]


async def _by_header(http: Asked) -> Holder | None:
    credentials = credentials_of(http)
    if isinstance(credentials, BearerCredentials):
        # The identity token of another issuer may come so too; one of ours is not exchanged for another.
        if http.app[SERVICES].bearer.mine(credentials.reveal()):
            raise Unauthenticated("expected Authorization: Basic with an access token as the password")
        credentials = OidcCredentials(credentials.reveal())
    elif isinstance(credentials, TokenCredentials) and credentials.scheme != "basic":
        # As GHCR does: a token is asked for with Basic.
        raise Unauthenticated("expected Authorization: Basic with an access token as the password")
    return None if credentials is None else await holder(http, credentials)


async def _issued(
    http: Asked,
    found: Holder | None,
    wanted: Sequence[str],
    *,
    refresh: str | None = None,
    form: bool = False,
) -> web.Response:
    services = http.app[SERVICES]
    identity = ANONYMOUS if found is None else found.identity
    http[VISIT].account_id = identity.account_id
    try:
        asked = scopes.parse(wanted)
    except MalformedScope as error:
        raise ParameterInvalid("scope", "type:name:actions", str(error)) from error
    grants = [grant for ask in asked if (grant := await _granted(services, identity, ask)) is not None]
    now, ttl = services.now(), services.bearer.settings.ttl_seconds
    if found is not None and found.seconds_left is not None:
        ttl = max(1, min(ttl, int(found.seconds_left)))
    try:
        token = services.bearer.issue(
            account_id=identity.account_id, token_id=identity.token_id, grants=grants, now=now, ttl_seconds=ttl
        )
    except MalformedScope as error:
        raise ParameterInvalid("scope", "fewer or shorter scopes", str(error)) from error
    answer = {
        "token": token,
        "access_token": token,
        "expires_in": ttl,
        "issued_at": _second(int(now)),
    }
    if form:
        answer["scope"] = scopes.render(grants)
    if refresh is not None:
        answer["refresh_token"] = refresh
    return web.Response(body=orjson.dumps(answer), content_type="application/json", headers=HEADERS)


@lru_cache(maxsize=2)
def _second(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _granted(services: Services, identity: Identity, ask: Grant) -> Grant | None:
    """Return the caller's allowed actions within the requested scope; None: no action is allowed."""
    if ask.type == "registry":
        known = identity.token_id is not None and ask.name == "catalog"
        return Grant("registry", "catalog", frozenset({"*"})) if known else None
    if ask.type != "repository":
        return None
    try:
        package = PackageName.parse(ask.name)
    except InvalidName:
        return None
    standing = await services.lookups.standing(identity.token_id, package)
    actions = frozenset(action.value for action in grantable(identity, package, standing) & _ACTIONS)
    return Grant("repository", str(package), actions) if actions else None


def add_routes(app: web.Application) -> None:
    """Register the routes of ``/token``."""
    app.router.add_route("*", "/token", serve, expect_handler=no_early_continue)

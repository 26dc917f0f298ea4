"""``/token``: docker's token flow, as ``GET`` (Distribution token specification) and as ``POST`` (OAuth2 form).

What is granted is what the caller may do now, whatever of it was asked for: some clients ask once for pull and push
with the same token. It is an upper bound only; rights are read again with each request.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import orjson
from aiohttp import web

from auth import scopes
from auth.credentials import TokenCredentials, parse_authorization
from auth.errors import MalformedScope, Unauthenticated
from auth.identity import ANONYMOUS, Action, Identity
from auth.permissions import grantable
from auth.scopes import Grant
from auth.tokens import hash_of, recognise
from registry.errors import ParameterInvalid, RegistryError, Unauthorized, UnavailableNow
from registry.http.keys import SERVICES
from registry.http.v2.call import HEADERS
from registry.services import Services
from storage.errors import Unavailable
from storage.metadata import packages, tokens
from storage.names import InvalidName, PackageName

_ACTIONS: Final = frozenset({Action.PULL, Action.PUSH, Action.DELETE})
_FORM_BYTES: Final = 64 * 1024


async def get(http: web.Request) -> web.Response:
    """``GET /token?service=…&scope=…``, with Basic ``user:token`` or as nobody."""
    try:
        identity = await _by_header(http)
        return await _issued(http, identity, http.query.getall("scope", []), refreshable=False)
    except Unauthenticated as error:
        return _rendered(_refused(error))
    except RegistryError as error:
        return _rendered(error)
    except Unavailable:
        return _rendered(UnavailableNow(retry_after_seconds=2))


async def post(http: web.Request) -> web.Response:
    """``POST /token`` with ``grant_type=password`` or ``refresh_token``; the refresh token is the access token."""
    try:
        if (http.content_length or 0) > _FORM_BYTES:
            raise ParameterInvalid("body", f"a form of at most {_FORM_BYTES} bytes", str(http.content_length))
        form = await http.post()
        kind = form.get("grant_type", "password")
        field = {"password": "password", "refresh_token": "refresh_token"}.get(str(kind))
        if field is None:
            raise ParameterInvalid("grant_type", "password or refresh_token", str(kind))
        secret = form.get(field, "")
        token = recognise(secret) if isinstance(secret, str) else None
        if token is None:
            raise Unauthenticated("the password is no access token of this registry")
        identity = await _by_token(http.app[SERVICES], TokenCredentials(token, None, "basic"))
        wanted = [text for text in form.getall("scope", []) if isinstance(text, str)]
        return await _issued(http, identity, wanted, refreshable=True)
    except Unauthenticated as error:
        return _rendered(_refused(error))
    except RegistryError as error:
        return _rendered(error)
    except Unavailable:
        return _rendered(UnavailableNow(retry_after_seconds=2))


async def _by_header(http: web.Request) -> Identity:
    credentials = parse_authorization(http.headers.getall("Authorization", ()))
    if credentials is None:
        return ANONYMOUS
    if not isinstance(credentials, TokenCredentials) or credentials.scheme != "basic":
        # As GHCR does: a token is asked for with Basic.
        raise Unauthenticated("expected Authorization: Basic with an access token as the password")
    return await _by_token(http.app[SERVICES], credentials)


async def _by_token(services: Services, credentials: TokenCredentials) -> Identity:
    stored = await tokens.by_hash(services.db, hash_of(credentials.token))
    if stored is None:
        raise Unauthenticated("the token is unknown, expired or revoked")
    await tokens.note_use(services.db, stored.id)
    return Identity(stored.id, stored.account_id)


async def _issued(
    http: web.Request, identity: Identity, wanted: Sequence[str], *, refreshable: bool
) -> web.Response:
    services = http.app[SERVICES]
    try:
        asked = scopes.parse(wanted)
    except MalformedScope as error:
        raise ParameterInvalid("scope", "type:name:actions", str(error)) from error
    grants = [grant for ask in asked if (grant := await _granted(services, identity, ask)) is not None]
    now = services.now()
    try:
        token = services.bearer.issue(
            account_id=identity.account_id, token_id=identity.token_id, grants=grants, now=now
        )
    except MalformedScope as error:
        raise ParameterInvalid("scope", "fewer or shorter scopes", str(error)) from error
    answer = {
        "token": token,
        "access_token": token,
        "expires_in": services.bearer.settings.ttl_seconds,
        "issued_at": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if refreshable:
        answer["scope"] = scopes.render(grants)
    return web.Response(body=orjson.dumps(answer), content_type="application/json", headers=HEADERS)


async def _granted(services: Services, identity: Identity, ask: Grant) -> Grant | None:
    """All that the caller may do with what is asked for; None: nothing."""
    if ask.type == "registry":
        known = identity.token_id is not None and ask.name == "catalog"
        return Grant("registry", "catalog", frozenset({"*"})) if known else None
    if ask.type != "repository":
        return None
    try:
        package = PackageName.parse(ask.name)
    except InvalidName:
        return None
    standing = await packages.standing_of(services.db, identity.token_id, package)
    actions = frozenset(action.value for action in grantable(identity, package, standing) & _ACTIONS)
    return Grant("repository", str(package), actions) if actions else None


def _refused(error: Unauthenticated) -> Unauthorized:
    return Unauthorized(error.reason, 'Basic realm="Moorage"')


def _rendered(error: RegistryError) -> web.Response:
    return web.Response(
        status=error.status,
        body=error.body(),
        content_type="application/json",
        headers={**HEADERS, **error.headers},
    )


def add_routes(app: web.Application) -> None:
    """``/token``."""
    app.router.add_get("/token", get)
    app.router.add_post("/token", post)

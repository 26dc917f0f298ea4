"""``/token``: docker's token flow, as ``GET`` (Distribution token specification) and as ``POST`` (OAuth2 form).

What is granted is what the caller may do now, whatever of it was asked for: some clients ask once for pull and push
with the same token. It is an upper bound only; rights are read again with each request. Where the scopes are more than
a token can name, it is for what the account may.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Final

import orjson

from auth import scopes
from auth.credentials import BearerCredentials, OidcCredentials, TokenCredentials
from auth.errors import MalformedScope, Unauthenticated
from auth.identity import ANONYMOUS, Action, Identity
from auth.permissions import grantable
from auth.scopes import Grant
from registry.errors import BadRequest, RegistryError, Unsupported
from registry.http import mirror_names
from registry.http.authenticate import Holder, credentials_of, holder, of_form
from registry.http.forms import read_form
from registry.http.login_throttle import LoginThrottle
from registry.http.server.message import Request, Response
from registry.http.v2 import mirrored
from registry.http.v2.call import HEADERS, refused_basic
from registry.services import Services
from storage.errors import Unavailable
from storage.names import InvalidName, PackageName

_ACTIONS: Final = frozenset({Action.PULL, Action.PUSH, Action.DELETE})


async def serve(services: Services, throttle: LoginThrottle, http: Request) -> Response:
    """``GET /token?service=…&scope=…`` with Basic ``user:token`` or as nobody, or the form by ``POST``."""
    try:
        if http.method in {"GET", "HEAD"}:
            found = await _by_header(services, throttle, http)
            return await _issued(services, http, found, http.query.getall("scope", []))
        if http.method == "POST":
            return await _by_form(services, throttle, http)
        raise Unsupported("this method", allow=("GET", "HEAD", "POST"))
    except (Unauthenticated, RegistryError, Unavailable) as error:
        return refused_basic(services, http, error, HEADERS)


async def _by_form(services: Services, throttle: LoginThrottle, http: Request) -> Response:
    """OAuth2, as docker's engine and containerd do it: ``grant_type`` is ``password`` or ``refresh_token``.

    The refresh token that ``access_type=offline`` asks for is the access token itself: it is what a client may keep,
    and it is revoked where tokens are.
    """
    form = await read_form(http, services.settings.http.body_seconds)
    kind = _one(form, "grant_type") or "password"
    if kind not in {"password", "refresh_token"}:
        raise BadRequest("expected the field grant_type to be password or refresh_token")
    secret = _one(form, kind)
    credentials = of_form(services, throttle, http, _one(form, "username"), secret)
    offline = kind == "password" and _one(form, "access_type") == "offline"
    found = None if credentials is None else await holder(services, throttle, http, credentials)
    return await _issued(services, http, found, form.get("scope", ()), refresh=secret if offline else None, form=True)


def _one(form: Mapping[str, list[str]], name: str) -> str:
    values = form.get(name, [""])
    if len(values) > 1:
        raise BadRequest(f"expected the field {name} once, got it {len(values)} times")
    return values[0]


async def _by_header(services: Services, throttle: LoginThrottle, http: Request) -> Holder | None:
    credentials = credentials_of(services, throttle, http)
    if isinstance(credentials, BearerCredentials):
        # The identity token of another issuer may come so too; one of ours is not exchanged for another.
        if services.bearer.mine(credentials.reveal()):
            raise Unauthenticated("expected Authorization: Basic with an access token as the password")
        credentials = OidcCredentials(credentials.reveal())
    elif isinstance(credentials, TokenCredentials) and credentials.scheme != "basic":
        # As GHCR does: a token is asked for with Basic.
        raise Unauthenticated("expected Authorization: Basic with an access token as the password")
    return None if credentials is None else await holder(services, throttle, http, credentials)


async def _issued(
    services: Services,
    http: Request,
    found: Holder | None,
    wanted: Sequence[str],
    *,
    refresh: str | None = None,
    form: bool = False,
) -> Response:
    identity = ANONYMOUS if found is None else found.identity
    http.account_id, http.token_id = identity.account_id, identity.token_id
    asked = mirror_names.grants_of(services, http, scopes.parse(wanted))
    grants = await _all_granted(services, identity, asked)
    now, ttl = services.now(), services.bearer.settings.ttl_seconds
    if found is not None and found.seconds_left is not None:
        ttl = max(1, min(ttl, int(found.seconds_left)))
    issue = partial(
        services.bearer.issue, account_id=identity.account_id, token_id=identity.token_id, now=now, ttl_seconds=ttl
    )
    try:
        token = issue(grants=grants)
    except MalformedScope:  # twenty long names
        grants = None
        token = issue(grants=None)
    answer = {
        "token": token,
        "access_token": token,
        "expires_in": ttl,
        "issued_at": _second(int(now)),
    }
    if form:
        answer["scope"] = "*" if grants is None else scopes.render(grants)
    if refresh is not None:
        answer["refresh_token"] = refresh
    return Response(200, {**HEADERS, "Content-Type": "application/json"}, orjson.dumps(answer))


@lru_cache(maxsize=2)
def _second(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _all_granted(services: Services, identity: Identity, asked: Sequence[Grant]) -> list[Grant] | None:
    """Return the grants for the scopes; None for more scopes than a token names: what the account may."""
    if len(asked) > scopes.SCOPES_MAX:
        return None
    return [grant for ask in asked if (grant := await _granted(services, identity, ask)) is not None]


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
    standing = await mirrored.as_made(services, identity, await services.lookups.standing(identity.token_id, package))
    actions = frozenset(action.value for action in grantable(identity, package, standing) & _ACTIONS)
    return Grant("repository", str(package), actions) if actions else None

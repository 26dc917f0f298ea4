"""Authentication: the Authorization header to an Identity, whose rights each request's own statement reads.

Credentials that fail are counted, here for all the dialects together (login_throttle); a bearer token of ours
that fails is not: an expired one is how clients learn that they need a new one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from auth.credentials import (
    BearerCredentials,
    Credentials,
    OidcCredentials,
    TokenCredentials,
    of_password,
    parse_for_registry,
)
from auth.errors import Unauthenticated, WorkloadRefused
from auth.identity import ANONYMOUS, Identity
from auth.tokens import hash_of
from registry.errors import TooManyRequests
from registry.http.login_throttle import LoginThrottle
from registry.http.mirror_names import of_host
from registry.http.proxies import client_address
from registry.http.server.message import Request
from registry.services import Services
from storage.metadata import tokens
from storage.metadata.tokens import StoredToken

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Holder:
    """A caller with credentials; ``seconds_left``: the lifetime of a token with an expiry of its own."""

    identity: Identity
    seconds_left: float | None = None


def credentials_of(
    services: Services,
    throttle: LoginThrottle,
    http: Request,
    parse: Callable[[Sequence[str]], Credentials | None] = parse_for_registry,
) -> Credentials | None:
    """Return the credentials in the request's headers; None at a mirror's host for those that are not ours.

    Raises Unauthenticated, TooManyRequests.
    """
    value = http.field(b"authorization")
    return _parsed(services, throttle, http, lambda: parse(() if value is None else (value,)))


def of_form(
    services: Services, throttle: LoginThrottle, http: Request, username: str, secret: str
) -> OidcCredentials | TokenCredentials | None:
    """Return the credentials of a form; None at a mirror's host for those that are not ours.

    Raises Unauthenticated, TooManyRequests.
    """
    return _parsed(services, throttle, http, lambda: of_password(username, secret))


def _parsed(services: Services, throttle: LoginThrottle, http: Request, parse: Callable[[], Parsed]) -> Parsed | None:
    if of_host(services, http) is None:
        with Counted(services, throttle, http):
            return parse()
    try:
        return parse()
    except Unauthenticated:  # docker sends a mirror what it has for the upstream
        return None


async def authenticate(
    services: Services, throttle: LoginThrottle, http: Request, *, expired_ok: bool = False
) -> Identity:
    """Identify the caller of ``/v2``. ``expired_ok``: a bearer token may have expired; the identity says so.

    Raises Unauthenticated, TooManyRequests, Unavailable.
    """
    credentials = credentials_of(services, throttle, http)
    if credentials is None:
        return ANONYMOUS
    if not isinstance(credentials, BearerCredentials):
        return (await holder(services, throttle, http, credentials)).identity
    text, now = credentials.reveal(), services.now()
    if not services.bearer.mine(text):
        return (await services.identity_tokens.identify(services.db, text, now)).identity
    claims = services.bearer.verify(text, now, expired_ok=expired_ok)
    end = services.bearer.end(claims)
    return Identity(claims.token_id, claims.account_id, claims.grants, end if now >= end else None)


async def holder(
    services: Services, throttle: LoginThrottle, http: Request, credentials: OidcCredentials | TokenCredentials
) -> Holder:
    """Return who has the credentials. Raises Unauthenticated, TooManyRequests, Unavailable."""
    if isinstance(credentials, TokenCredentials):
        token = await stored_token(services, throttle, http, credentials)
        return Holder(Identity(token.id, token.account_id))
    with Counted(services, throttle, http):
        known = await services.identity_tokens.identify(services.db, credentials.reveal(), services.now())
    return Holder(known.identity, known.seconds_left)


async def stored_token(
    services: Services, throttle: LoginThrottle, http: Request, credentials: TokenCredentials
) -> StoredToken:
    """Return the access token, and note its use. Raises Unauthenticated, TooManyRequests, Unavailable."""
    with Counted(services, throttle, http, credentials.username):
        found = await services.lookups.token(hash_of(credentials.token))
        if found is None:
            raise Unauthenticated(
                "the access token is unknown, expired or revoked: make another on the page /settings/tokens"
            )
    await tokens.note_use(services.db, found)
    return found


def identity_at_hand(services: Services, credentials: BearerCredentials | None) -> Identity:
    """Return who asks with a bearer token of ours, or as nobody, without waiting. Raises Unauthenticated."""
    if credentials is None:
        return ANONYMOUS
    claims = services.bearer.verify(credentials.reveal(), services.now())
    return Identity(claims.token_id, claims.account_id, claims.grants)


class Counted:
    """Count each Unauthenticated of the block by address and user name. Raises TooManyRequests in its place.

    No generator, which takes three times as long: it is on the way of every request.
    """

    __slots__ = ("_http", "_throttle", "_trusted", "_username")

    def __init__(self, services: Services, throttle: LoginThrottle, http: Request, username: str | None = None) -> None:
        self._trusted = services.settings.trusted_proxies
        self._throttle = throttle
        self._http = http
        self._username = username

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, Unauthenticated):
            return
        if isinstance(error, WorkloadRefused):
            self._throttle.note((), time.monotonic())  # counted for no key: never too many
            return
        keys = [f"address {client_address(self._http, self._trusted)}"]
        name = self._username or error.username
        if name is not None:
            keys.append(f"user {name.lower()[:255]}")
        wait = self._throttle.note(keys, time.monotonic())
        if wait is not None:
            raise TooManyRequests(wait, "failed logins from this address or under this name") from error

"""Keys and endpoints of OpenID Connect issuers, fetched from the issuer as configured, never from what a token says.

They are kept for a while, and kept on where the issuer does not answer; fetched again for an unknown key at most once a
minute.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
from jwt import PyJWK

from auth import oidc
from auth.errors import NoSuchKey
from auth.issuers import Trusted, check_url
from storage.errors import Unavailable

log = structlog.get_logger()

#: Gets a document, at most a few hundred KiB. Raises Unavailable.
Fetch = Callable[[str], Awaitable[bytes]]

_KEYS_SECONDS: Final = 3600.0
_KEYS_MAX_SECONDS: Final = 24 * 3600.0  # without an answer of their issuer
_UNKNOWN_KEY_SECONDS: Final = 60.0
_FAILED_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints by which an issuer signs people in; ``basic``: it takes the client's secret in a header."""

    authorization: str
    token: str
    basic: bool


class GivenKeys:
    """The signing keys that the configuration gives: nothing is fetched. ``document``: a JWKS."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._keys: Final = oidc.keys_of(msgspec.json.encode(document))

    async def key(self, kid: str) -> PyJWK:
        """Return the key with this id. Raises Unauthenticated."""
        if kid not in self._keys:
            raise NoSuchKey
        return self._keys[kid]


@dataclass(slots=True)
class IssuerKeys:
    """A cache of one issuer's signing keys and endpoints. ``clock``: monotonic seconds."""

    issuer: Trusted
    fetch: Fetch
    clock: Callable[[], float] = time.monotonic
    jwks_url: str | None = None  # None: the discovery document tells
    _keys: Mapping[str, PyJWK] = field(default_factory=dict)
    _endpoints: Endpoints | None = None
    _fetched_at: float = float("-inf")
    _tried_at: float = float("-inf")
    _failed: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def key(self, kid: str) -> PyJWK:
        """Return the key with this id, fetched if needed. Raises Unauthenticated, Unavailable."""
        if not self._good(kid):
            async with self._lock:
                # Meanwhile another request may have fetched them.
                if not self._good(kid) and self._rested():
                    await self._refresh()
        found = self._keys.get(kid)
        if found is not None:
            return found
        if self._failed:
            raise Unavailable(f"the issuer {self.issuer.issuer} cannot be asked for its keys now")
        raise NoSuchKey

    async def endpoints(self) -> Endpoints:
        """Return where people are sent, and where codes are exchanged. Raises Unavailable."""
        if not self._is_fresh():
            async with self._lock:
                if not self._is_fresh() and (not self._failed or self._rested()):
                    await self._refresh()
        if self._endpoints is None:
            raise Unavailable(f"the issuer {self.issuer.issuer} cannot be asked now, or signs nobody in")
        return self._endpoints

    def _is_fresh(self) -> bool:
        return self.clock() - self._fetched_at < _KEYS_SECONDS

    def _good(self, kid: str) -> bool:
        return kid in self._keys and self._is_fresh()

    def _rested(self) -> bool:
        """Return whether the keys may be fetched again: the rate is limited, since any client can cause a fetch."""
        return self.clock() - self._tried_at > (_FAILED_SECONDS if self._failed else _UNKNOWN_KEY_SECONDS)

    async def _refresh(self) -> None:
        self._tried_at = self.clock()
        try:
            self._keys = await self._fetched()
            self._fetched_at = self.clock()
            self._failed = False
        except Unavailable as error:
            if not self._failed:
                log.warning("oidc.issuer_unavailable", issuer=self.issuer.issuer, error=str(error))
            self._failed = True
            if self.clock() - self._fetched_at > _KEYS_MAX_SECONDS:
                self._keys = {}

    async def _fetched(self) -> Mapping[str, PyJWK]:
        try:
            if self.jwks_url is not None:
                return oidc.keys_of(await self.fetch(self.jwks_url))
            url = self.issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
            document = msgspec.json.decode(await self.fetch(url), type=dict[str, Any])
            # OpenID Connect Discovery §4.3: it must be the same, to the letter.
            if document.get("issuer") != self.issuer.issuer:
                raise Unavailable("the discovery document is of another issuer")
            where = str(document.get("jwks_uri"))
            check_url(where, insecure_http=self.issuer.insecure_http)
            self._endpoints = self._found(document)
            return oidc.keys_of(await self.fetch(where))
        except ValueError as error:  # msgspec.DecodeError is one
            raise Unavailable(f"the issuer's documents are malformed: {error}") from error

    def _found(self, document: Mapping[str, Any]) -> Endpoints | None:
        authorization, token = document.get("authorization_endpoint"), document.get("token_endpoint")
        if not isinstance(authorization, str) or not isinstance(token, str):
            return None  # an issuer of workloads has none
        for url in (authorization, token):
            check_url(url, insecure_http=self.issuer.insecure_http)
        methods = document.get("token_endpoint_auth_methods_supported")
        return Endpoints(authorization, token, not isinstance(methods, list) or "client_secret_basic" in methods)

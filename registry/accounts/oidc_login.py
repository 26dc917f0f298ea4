"""Keyless login: the identity token of a configured issuer is accepted as a workflow token of its repository.

The identity token is stored as tokens are, by its hash: it becomes one row however often it comes, and may be revoked.
The issuer's keys are fetched from the issuer as configured, never from what a token says; kept for a while, and kept
on where the issuer does not answer; fetched again for an unknown key at most once a minute.
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
from auth.errors import Unauthenticated
from auth.issuers import OidcIssuer, check_url
from auth.oidc import Workload
from auth.tokens import HashedToken, hash_of_text
from storage.errors import Unavailable
from storage.metadata import tokens
from storage.metadata.query import Executor
from storage.metadata.tokens import StoredToken

log = structlog.get_logger()

#: Gets a document, at most a few hundred KiB. Raises Unavailable.
Fetch = Callable[[str], Awaitable[bytes]]

_KEYS_SECONDS: Final = 3600.0
_KEYS_MAX_SECONDS: Final = 24 * 3600.0  # without an answer of their issuer
_UNKNOWN_KEY_SECONDS: Final = 60.0
_FAILED_SECONDS: Final = 5.0
_LIFE_SECONDS: Final = 3600.0
_CEILINGS: Final = {"read": 1, "write": 3}


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The workflow token that an identity token was exchanged for; the identity token is valid for ``seconds_left``."""

    token: StoredToken
    seconds_left: float


@dataclass(slots=True)
class IssuerKeys:
    """A cache of one issuer's signing keys. ``clock``: monotonic seconds."""

    issuer: OidcIssuer
    fetch: Fetch
    clock: Callable[[], float] = time.monotonic
    _keys: Mapping[str, PyJWK] = field(default_factory=dict)
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
        raise Unauthenticated("the identity token is signed with a key that its issuer does not have")

    def _good(self, kid: str) -> bool:
        return kid in self._keys and self.clock() - self._fetched_at < _KEYS_SECONDS

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
            log.warning("oidc.issuer_unavailable", issuer=self.issuer.issuer, error=str(error))
            self._failed = True
            if self.clock() - self._fetched_at > _KEYS_MAX_SECONDS:
                self._keys = {}

    async def _fetched(self) -> Mapping[str, PyJWK]:
        try:
            url = self.issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
            document = msgspec.json.decode(await self.fetch(url), type=dict[str, Any])
            # OpenID Connect Discovery §4.3: it must be the same, to the letter.
            if document.get("issuer") != self.issuer.issuer:
                raise Unavailable("the discovery document is of another issuer")
            where = str(document.get("jwks_uri"))
            check_url(where, insecure_http=self.issuer.insecure_http)
            return oidc.keys_of(await self.fetch(where))
        except ValueError as error:  # msgspec.DecodeError is one
            raise Unavailable(f"the issuer's documents are malformed: {error}") from error


class Keyless:
    """Login by the configured issuers. ``audience``: the one that tokens must have, where an issuer sets none.

    ``grace_seconds``: how long upload sessions may go on with what the token let them begin.
    """

    def __init__(self, issuers: tuple[OidcIssuer, ...], audience: str, fetch: Fetch, *, grace_seconds: float) -> None:
        self._issuers: Final = oidc.known(issuers)
        self._keys: Final = {issuer.issuer: IssuerKeys(issuer, fetch) for issuer in issuers}
        self._audience: Final = audience
        self._grace_seconds: Final = grace_seconds

    async def exchange(self, db: Executor, text: str, now: float) -> Exchanged:
        """Exchange an identity token for a workflow token; ``now``: Unix time. Raises Unauthenticated, Unavailable."""
        issuer = self._issuers.get(oidc.issuer_of(text))
        if issuer is None:
            raise Unauthenticated("the identity token is of an issuer that this registry does not trust")
        digest = hash_of_text(text)
        found = await tokens.by_hash(db, digest)
        if found is None:
            # Only what was verified is stored, so what is found need not be verified again.
            key = await self._keys[issuer.issuer].key(oidc.key_id(text, issuer))
            workload = oidc.verify(text, issuer, key, self._audience, now)
            found = await self._stored(db, digest, issuer, workload, now)
        assert found.expires_at is not None  # noqa: S101 - inserted so
        left = found.expires_at.timestamp() - self._grace_seconds - now
        if left <= 0:
            raise Unauthenticated("the identity token has expired")
        return Exchanged(found, left)

    async def _stored(
        self, db: Executor, digest: HashedToken, issuer: OidcIssuer, workload: Workload, now: float
    ) -> StoredToken:
        await tokens.insert_keyless(
            db,
            workload.owner,
            workload.repository,
            digest,
            note=f"keyless: {issuer.issuer}",
            subject=workload.subject,
            ceiling=_CEILINGS[issuer.permissions],
            lives_seconds=min(workload.expires_at - now, _LIFE_SECONDS) + self._grace_seconds,
        )
        found = await tokens.by_hash(db, digest)
        if found is None:
            name = f"{workload.owner}/{workload.repository}"
            raise Unauthenticated(f"there is no repository {name} here, or the identity token was revoked")
        return found

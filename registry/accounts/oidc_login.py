"""Keyless login: the identity token of a configured issuer is accepted as a workflow token of its repository.

The identity token is stored as tokens are, by its hash: it becomes one row however often it comes, and may be revoked.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from auth import oidc
from auth.errors import Unauthenticated
from auth.issuers import OidcIssuer
from auth.oidc import Workload
from auth.tokens import HashedToken, hash_of_text
from registry.accounts.issuer_keys import GivenKeys, IssuerKeys
from registry.errors import IssuerUnavailable
from storage.errors import Unavailable
from storage.metadata import tokens
from storage.metadata.query import Executor
from storage.metadata.tokens import StoredToken

_LIFE_SECONDS: Final = 3600.0
_CEILINGS: Final = {"read": 1, "write": 3}


#: Gets a document by its URL, with ``ca_file`` and ``token_file`` of the issuer. Raises Unavailable.
FetchAs = Callable[[str, str | None, str | None], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The workflow token that an identity token was exchanged for; the identity token is valid for ``seconds_left``."""

    token: StoredToken
    seconds_left: float


class Keyless:
    """Login by the configured issuers. ``audience``: the one that tokens must have, where an issuer sets none.

    ``grace_seconds``: how long upload sessions may go on with what the token let them begin.
    """

    def __init__(self, issuers: tuple[OidcIssuer, ...], audience: str, fetch: FetchAs, *, grace_seconds: float) -> None:
        self._issuers: Final = oidc.known(issuers)
        self._keys: Final = {id(issuer): _keys_of(issuer, fetch) for issuer in issuers}
        self._audience: Final = audience
        self._grace_seconds: Final = grace_seconds

    def knows(self, name: str) -> bool:
        """Return whether a configured issuer has this name."""
        return name in self._issuers

    def signer_of(self, text: str, name: str) -> OidcIssuer | None:
        """Return the configured issuer of this name that may have signed the token. Raises Unauthenticated."""
        return oidc.signer_of(text, self._issuers.get(name, ()))

    async def exchange(self, db: Executor, text: str, issuer: OidcIssuer, now: float) -> Exchanged:
        """Exchange an identity token for a workflow token; ``now``: Unix time.

        Raises Unauthenticated, Unavailable, IssuerUnavailable.
        """
        digest = hash_of_text(text)
        found = await tokens.by_hash(db, digest)
        if found is None:
            # Only what was verified is stored, so what is found need not be verified again.
            kid = oidc.key_id(text, issuer)
            try:
                key = await self._keys[id(issuer)].key(kid)
            except Unavailable as error:  # the log has said why
                raise IssuerUnavailable from error
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
            raise Unauthenticated(
                f"there is no repository {name} here (make it first), or the identity token is revoked"
            )
        return found


def _keys_of(issuer: OidcIssuer, fetch: FetchAs) -> GivenKeys | IssuerKeys:
    if issuer.jwks is not None:
        return GivenKeys(issuer.jwks)

    async def fetched(url: str) -> bytes:
        return await fetch(url, issuer.ca_file, issuer.token_file)

    return IssuerKeys(issuer, fetched, jwks_url=issuer.jwks_url)

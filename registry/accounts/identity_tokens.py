"""Identity tokens of other issuers: those that the operator's setting trusts, and clusters that owners registered.

What verifies them is imported with the first one that comes: it takes a process 2 MiB.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from auth.errors import NoSuchKey, Unauthenticated, WorkloadRefused
from auth.identity import Identity
from auth.issuers import OidcIssuer
from storage.metadata import tokens
from storage.metadata.query import Executor

if TYPE_CHECKING:
    from registry.accounts.cluster_login import ClusterLogin, FetchBy
    from registry.accounts.oidc_login import FetchAs, Keyless

_NOT_KNOWN: Final = (
    "MOORAGE_OIDC_ISSUERS of this registry does not name the issuer of the identity token,"
    " and nobody here has a cluster with this issuer"
)


@dataclass(frozen=True, slots=True)
class Known:
    """The caller that an identity token is of; the token is valid for ``seconds_left``."""

    identity: Identity
    seconds_left: float


class IdentityTokens:
    """Login with identity tokens. ``audience``: the one that they must have, where an issuer or cluster sets none.

    ``fetch`` gets the documents of the operator's issuers, ``fetch_named`` those of clusters. ``grace_seconds``: how
    long upload sessions may go on with what the token let them begin.
    """

    def __init__(
        self,
        issuers: tuple[OidcIssuer, ...],
        audience: str,
        *,
        fetch: "FetchAs",
        fetch_named: "FetchBy",
        grace_seconds: float,
    ) -> None:
        self._issuers: Final = issuers
        self._audience: Final = audience
        self._fetch: Final = fetch
        self._fetch_named: Final = fetch_named
        self._grace_seconds: Final = grace_seconds
        self._logins: tuple[Keyless, ClusterLogin] | None = None

    async def identify(self, db: Executor, text: str, now: float) -> Known:
        """Return who an identity token is of; ``now``: Unix time.

        What the operator trusts comes first: no owner can register a cluster in its place.
        Raises Unauthenticated, Unavailable, IssuerUnavailable.
        """
        if self._logins is None:
            self._logins = await asyncio.to_thread(self._opened)
        keyless, clusters = self._logins
        name = clusters.issuer_of(text)
        issuer = keyless.signer_of(text, name)
        if issuer is None:
            admitted = await clusters.admit(db, text, name, now)
            if admitted is not None:
                return Known(Identity(-admitted.id), admitted.seconds_left)
            if not keyless.knows(name):
                raise Unauthenticated(_NOT_KNOWN)
            raise WorkloadRefused(NoSuchKey().reason)
        try:
            exchanged = await keyless.exchange(db, text, issuer, now)
        except Unauthenticated as error:
            raise WorkloadRefused(error.reason) from error
        await tokens.note_use(db, exchanged.token)
        return Known(Identity(exchanged.token.id, exchanged.token.account_id), exchanged.seconds_left)

    def _opened(self) -> "tuple[Keyless, ClusterLogin]":
        from registry.accounts.cluster_login import ClusterLogin  # noqa: PLC0415 - see above
        from registry.accounts.oidc_login import Keyless  # noqa: PLC0415

        keyless = Keyless(self._issuers, self._audience, self._fetch, grace_seconds=self._grace_seconds)
        return keyless, ClusterLogin(self._audience, self._fetch_named)

"""Keyless pulls: a token of a service account is accepted for the clusters that owners of accounts have registered.

Which clusters a token is of, their keys say: all of them whose key has signed it. No row is written for a token, one
for each account; what it may do is read with each request (``storage.metadata.access_facts``).
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import orjson
import structlog

from auth import oidc
from auth.errors import NoSuchKey, Unauthenticated, WorkloadRefused
from auth.issuers import ALGORITHMS, Algorithm
from auth.oidc import ServiceAccount
from registry.accounts.issuer_keys import GivenKeys, IssuerKeys
from registry.errors import IssuerUnavailable
from storage.errors import Unavailable
from storage.metadata import clusters
from storage.metadata.clusters import Candidate
from storage.metadata.query import Executor

log = structlog.get_logger()

#: Gets the document of a URL that a user named, by these authorities (PEM) or those of the system. Raises Unavailable.
FetchBy = Callable[[str, str | None], Awaitable[bytes]]

_ISSUERS_MAX: Final = 256  # whose fetched keys are kept


@dataclass(frozen=True, slots=True)
class _Issuer:
    """The issuer of a cluster: any name, and by https only where its keys are fetched."""

    issuer: str
    algorithms: list[Algorithm] = field(default_factory=lambda: list(ALGORITHMS))
    insecure_http: bool = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """A service account that was let in: the id of its row, and how long its token is good for."""

    id: int
    seconds_left: float


class ClusterLogin:
    """Login by registered clusters. ``audience``: the one that tokens must have, where a cluster sets none."""

    def __init__(self, audience: str, fetch: FetchBy) -> None:
        self._audience: Final = audience
        self._fetch: Final = fetch
        self._fetched: OrderedDict[tuple[str, str | None], IssuerKeys] = OrderedDict()

    @staticmethod
    def issuer_of(text: str) -> str:
        """Return the issuer that an unverified token names. Raises Unauthenticated."""
        return oidc.issuer_of(text)

    async def admit(self, db: Executor, text: str, issuer: str, now: float) -> Admitted | None:
        """Admit the service account of a token; None: no cluster has its ``issuer``. ``now``: Unix time.

        Raises WorkloadRefused, Unavailable, IssuerUnavailable.
        """
        try:
            kid = oidc.key_id(text, _Issuer(issuer))
            found = await clusters.candidates(db, issuer, kid)
            account, trusts = await self._judged(text, found, kid, now)
        except Unauthenticated as error:
            if not await clusters.knows(db, issuer):
                return None
            log.info("cluster.token_refused", issuer=issuer, reason=error.reason)
            raise WorkloadRefused(error.reason) from error
        return Admitted(
            await clusters.account_id(db, account.namespace, account.name, trusts), account.expires_at - now
        )

    async def _judged(
        self, text: str, found: Sequence[Candidate], kid: str, now: float
    ) -> tuple[ServiceAccount, list[int]]:
        """Return the account, and all clusters whose key has signed. Raises Unauthenticated, IssuerUnavailable."""
        account, trusts, unavailable = None, list[int](), False
        refused: Unauthenticated = NoSuchKey()
        for cluster in found:
            try:
                account = await self._verified(text, cluster, kid, now)
                trusts.append(cluster.trust)
            except Unauthenticated as error:
                log.info("cluster.not_of", cluster=cluster.name, reason=error.reason)
                refused = error
            except Unavailable:  # the log has said why
                log.info("cluster.not_of", cluster=cluster.name, reason="its keys cannot be had")
                unavailable = True
        if account is None:
            raise IssuerUnavailable if unavailable else refused
        return account, trusts

    async def _verified(self, text: str, cluster: Candidate, kid: str, now: float) -> ServiceAccount:
        issuer = _Issuer(cluster.issuer)
        keys = self._keys(cluster, issuer) if cluster.jwks is None else _given(cluster.jwks)
        return oidc.verify_service_account(text, issuer, await keys.key(kid), cluster.audience or self._audience, now)

    def _keys(self, cluster: Candidate, issuer: _Issuer) -> IssuerKeys:
        """Return the keys that are fetched from an issuer, kept for the next token."""
        which = cluster.issuer, cluster.ca
        known = self._fetched.get(which)
        if known is None:

            async def fetched(url: str) -> bytes:
                return await self._fetch(url, cluster.ca)

            known = self._fetched[which] = IssuerKeys(issuer, fetched)
            if len(self._fetched) > _ISSUERS_MAX:
                self._fetched.popitem(last=False)
        return known


@lru_cache(maxsize=256)
def _given(jwks: str) -> GivenKeys:
    return GivenKeys(orjson.loads(jwks))

"""From the Authorization header to an Identity; what it is worth is asked with each request's own statement."""

from collections.abc import Sequence

from auth.credentials import BearerCredentials, parse_authorization
from auth.errors import Unauthenticated
from auth.identity import ANONYMOUS, Identity
from auth.tokens import hash_of
from registry.services import Services
from storage.metadata import tokens


async def authenticate(services: Services, authorization: Sequence[str]) -> Identity:
    """Who the header's values speak for. Raises Unauthenticated, Unavailable."""
    credentials = parse_authorization(authorization)
    if credentials is None:
        return ANONYMOUS
    if isinstance(credentials, BearerCredentials):
        claims = services.bearer.verify(credentials.reveal(), services.now())
        return Identity(claims.token_id, claims.account_id, claims.grants)
    stored = await tokens.by_hash(services.db, hash_of(credentials.token))
    if stored is None:
        raise Unauthenticated("the token is unknown, expired or revoked")
    await tokens.note_use(services.db, stored.id)
    return Identity(stored.id, stored.account_id)

"""Authorizations of tokens for organizations that require SSO."""

from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.query import Executor, command, select
from storage.metadata.tokens import NAMED, OWN, Counted


@dataclass(frozen=True, slots=True)
class Seat:
    """An organization, and whether the account counts as a member."""

    org_id: int
    member: bool


_SEAT: Final = select(
    Seat,
    """
    SELECT org.id AS org_id,
           caller.site_admin OR EXISTS (SELECT 1 FROM memberships
                                         WHERE org_id = org.id AND user_id = caller.id) AS member
      FROM accounts org, accounts caller
     WHERE lower(org.login) = lower($2) AND org.kind = 'Organization' AND org.deleted_at IS NULL AND caller.id = $1
    """,
)


async def seat(db: Executor, account_id: int, org: str) -> Seat | None:
    """Find an organization by login, with the account's membership; None: no such organization."""
    return await _SEAT.maybe(db, account_id, org)


@dataclass(frozen=True, slots=True)
class SsoOrganization:
    """An organization that requires SSO; ``authorized``: the token is authorized for it."""

    login: str
    authorized: bool


_SSO_ORGANIZATIONS: Final = select(
    SsoOrganization,
    """
    SELECT org.login,
           EXISTS (SELECT 1 FROM token_organizations WHERE token_id = $2 AND org_id = org.id) AS authorized
      FROM memberships seat JOIN accounts org ON org.id = seat.org_id
     WHERE seat.user_id = $1 AND org.packages_sso_required AND org.deleted_at IS NULL
     ORDER BY org.login LIMIT 100
    """,
)


async def sso_organizations(db: Executor, account_id: int, token_id: int) -> list[SsoOrganization]:
    """List the account's organizations that require SSO, and whether the token is authorized for them."""
    return await _SSO_ORGANIZATIONS.all(db, account_id, token_id)


def _credential(action: LiteralString, source: LiteralString) -> LiteralString:
    """Render the record of what an organization lets a token do."""
    return events.note(
        f"'org_credential_authorization.{action}'",
        f"{source} CROSS JOIN tokens token",
        owner=f"{source}.org_id",
        where=f"token.id = {source}.token_id",
        data=f"jsonb_build_object({NAMED.format('token')}, {events.user('token.account_id')})",
    )


_AUTHORIZE: Final = select(
    Counted,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    old AS (SELECT token_id FROM token_organizations WHERE token_id = $2 AND org_id = $3),
    put AS (
        INSERT INTO token_organizations (token_id, org_id)
        SELECT token.id, $3 FROM tokens token WHERE {OWN} AND token.id = $2
        ON CONFLICT (token_id, org_id) DO UPDATE SET authorized_at = token_organizations.authorized_at
        RETURNING token_id, org_id),
    new AS (SELECT * FROM put WHERE NOT EXISTS (SELECT 1 FROM old)),
    recorded AS ({_credential("grant", "new")})
    SELECT count(*) AS total FROM put
    """,
)


async def authorize(db: Executor, account_id: int, token_id: int, org_id: int) -> bool:
    """Authorize one of the account's own tokens for an organization that requires SSO; False: no such token."""
    return (await _AUTHORIZE.one(db, account_id, token_id, org_id, events.by())).total == 1


_DEAUTHORIZE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}),
    gone AS (
        DELETE FROM token_organizations
         WHERE org_id = $3 AND token_id = (SELECT token.id FROM tokens token WHERE {OWN} AND token.id = $2)
        RETURNING token_id, org_id)
    {_credential("deauthorize", "gone")}
    """
)


async def deauthorize(db: Executor, account_id: int, token_id: int, org_id: int) -> bool:
    """Revoke the token's SSO authorization; False: the token was not authorized, or is not the account's."""
    return await _DEAUTHORIZE.run(db, account_id, token_id, org_id, events.by()) == 1

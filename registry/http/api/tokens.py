"""``/user/tokens``: a person's own access tokens. All of it needs a classic token with the scope ``user``."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from registry.accounts import access_tokens as rules
from registry.accounts.access_tokens import TokenRule
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.paging import page_of
from registry.http.api.routes import Route
from registry.http.api.schemas import accounts as schemas
from storage.metadata import tokens
from storage.metadata.tokens import OwnToken

_SCOPE: Final = "user"


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A token to create: classic with ``scopes``, fine-grained with ``rules``; by default expires with the caller's."""

    note: Text = ""
    scopes: list[str] | None = None
    rules: list[TokenRule] | None = None
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


async def page(call: ApiCall) -> web.Response:
    """List the caller's tokens, the newest first."""
    page = page_of(call)
    found = await tokens.page(call.services.db, call.me.account_id, page.size, page.offset)
    total = await tokens.count(call.services.db, call.me.account_id)
    return answer([_shown(call, token) for token in found], headers=page.links(call, total))


async def create(call: ApiCall) -> web.Response:
    """Create a token; its text is shown in this response only."""
    new, db = call.body(NewToken), call.services.db
    now = datetime.fromtimestamp(call.services.now(), UTC)
    plain, stored = await rules.create(
        db, call.me, note=new.note, scopes=new.scopes, rules=new.rules, expires_at=new.expires_at, now=now
    )
    made = await rules.find(db, call.me.account_id, stored.id)
    return answer({**_shown(call, made), "token": plain.reveal()}, 201)


async def get(call: ApiCall) -> web.Response:
    """Return one of the caller's tokens."""
    return answer(_shown(call, await rules.find(call.services.db, call.me.account_id, call.number("token_id"))))


async def revoke(call: ApiCall) -> web.Response:
    """Revoke a token, and the tokens derived from it."""
    await rules.revoke(call.services.db, call.me.account_id, call.number("token_id"))
    return nothing()


async def authorize(call: ApiCall) -> web.Response:
    """Grant a token SSO authorization for an organization that requires one."""
    token_id, org = call.number("token_id"), call.param("org")
    await rules.authorize(call.services.db, call.me.account_id, token_id, org)
    return nothing()


async def deauthorize(call: ApiCall) -> web.Response:
    """Revoke a token's SSO authorization for an organization."""
    token_id, org = call.number("token_id"), call.param("org")
    await rules.deauthorize(call.services.db, call.me.account_id, token_id, org)
    return nothing()


def _shown(call: ApiCall, token: OwnToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "url": f"{call.base}/user/tokens/{token.id}",
        "kind": token.kind,
        "note": token.note,
        "token_last_eight": token.last_eight,
        "scopes": token.scopes if token.rules is None else None,
        "rules": None if token.rules is None else msgspec.json.decode(token.rules),
        "organizations": token.organizations,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    }


_ONE: Final = "/user/tokens/{token_id}"
_IN_ORG: Final = "/user/tokens/{token_id}/organizations/{org}"

ROUTES: Final = (
    Route(
        "GET",
        "/user/tokens",
        page,
        "List your tokens",
        scope=_SCOPE,
        query=("page", "per_page"),
        answer=list[schemas.PersonalToken],
    ),
    Route(
        "POST",
        "/user/tokens",
        create,
        "Create a token",
        scope=_SCOPE,
        body=NewToken,
        statuses=(201, 400, 403, 413, 422),
        answer=schemas.CreatedToken,
    ),
    Route("GET", _ONE, get, "Get one of your tokens", scope=_SCOPE, statuses=(200, 404), answer=schemas.PersonalToken),
    Route("DELETE", _ONE, revoke, "Revoke one of your tokens", scope=_SCOPE, statuses=(204, 404)),
    Route(
        "PUT",
        _IN_ORG,
        authorize,
        "Authorise a token for an organization",
        scope=_SCOPE,
        statuses=(204, 404),
        told_by=_ONE,
    ),
    Route(
        "DELETE",
        _IN_ORG,
        deauthorize,
        "Revoke a token's authorisation for an organization",
        scope=_SCOPE,
        statuses=(204, 404),
        told_by=_ONE,
    ),
)

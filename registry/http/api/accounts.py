"""Accounts by API: what an administrator makes (GitHub Enterprise Server's ``/admin``), and who one is."""

from typing import Any, Final

import msgspec
from aiohttp import web

from auth.errors import UnknownTokenScope
from registry import accounts as rules
from registry.http.api.call import ApiCall, answer
from registry.http.api.errors import validation_failed
from registry.http.api.routes import Access, Route
from registry.http.api.shapes import simple_user
from storage.metadata.accounts import Account


class NewUser(msgspec.Struct):
    login: str
    email: str | None = None
    site_admin: bool = False


class NewAuthorization(msgspec.Struct):
    scopes: list[str] = []
    note: str = ""


async def create_user(call: ApiCall) -> web.Response:
    """Makes a user."""
    new = call.body(NewUser)
    account = await rules.create_user(call.services.db, new.login, email=new.email, site_admin=new.site_admin)
    return answer(_simple(call, account), 201)


async def authorize_user(call: ApiCall) -> web.Response:
    """Makes an access token for a user; the only answer that shows it."""
    new = call.body(NewAuthorization)
    login = call.param("login")
    try:
        plain, stored = await rules.create_token(call.services.db, login, new.scopes, note=new.note)
    except UnknownTokenScope as error:
        raise validation_failed("Authorization", "scopes", "invalid", str(error)) from error
    body = {
        "id": stored.id,
        "url": f"{call.base}/authorizations/{stored.id}",
        "app": {"name": "Moorage", "url": call.origin, "client_id": "00000000000000000000"},
        "token": plain.reveal(),
        "hashed_token": "",
        "token_last_eight": plain.reveal()[-8:],
        "note": new.note or None,
        "note_url": None,
        "created_at": stored.created_at,
        "updated_at": stored.created_at,
        "scopes": new.scopes,
        "fingerprint": None,
        "expires_at": stored.expires_at,
    }
    return answer(body, 201)


def _simple(call: ApiCall, account: Account) -> dict[str, Any]:
    return simple_user(call, account.id, account.login, account.kind, site_admin=account.site_admin)


ROUTES: Final = (
    Route("POST", "/admin/users", create_user, "Create a user", Access.SITE_ADMIN, body=NewUser, statuses=(201, 422)),
    Route(
        "POST",
        "/admin/users/{login}/authorizations",
        authorize_user,
        "Create an access token for a user",
        Access.SITE_ADMIN,
        body=NewAuthorization,
        statuses=(201, 404, 422),
    ),
)

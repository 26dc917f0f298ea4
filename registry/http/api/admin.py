"""Site administration: GitHub Enterprise Server's ``/admin`` routes, and a few more."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from registry.accounts import accounts as rules
from registry.accounts import organizations
from registry.http.api import rights
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.routes import Access, Route
from registry.http.api.schemas import accounts as schemas
from registry.shapes import simple_organization, simple_user
from storage.metadata.accounts import Account


class NewUser(msgspec.Struct):
    login: str
    email: Text | None = None
    site_admin: bool = False


class NewLogin(msgspec.Struct):
    login: str


class NewAuthorization(msgspec.Struct, forbid_unknown_fields=True):
    """A token to create for a user; without ``expires_at`` the token never expires."""

    scopes: list[str] = []
    note: Text = ""
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class NewOrganization(msgspec.Struct):
    """``admin``: the login of its first owner."""

    login: str
    admin: str
    profile_name: Text | None = None


async def create_user(call: ApiCall) -> web.Response:
    """Create a user."""
    new = call.body(NewUser)
    account = await rules.create_user(call.services.db, new.login, email=new.email, site_admin=new.site_admin)
    return answer(_simple(call, account), 201)


async def rename_user(call: ApiCall) -> web.Response:
    """Rename a user; the user's packages are renamed too."""
    login = call.body(NewLogin).login
    account = await rules.rename(call.services.db, call.param("username"), login, kind="User")
    message = "Job queued to rename user. It may take a few minutes to complete."
    return answer({"message": message, "url": f"{call.base}/user/{account.id}"}, 202)


async def delete_user(call: ApiCall) -> web.Response:
    """Deletes a user and his packages."""
    await rules.delete(call.services.db, call.param("username"), kind="User", actor=call.actor)
    return nothing()


async def suspend_user(call: ApiCall) -> web.Response:
    """Suspend a user: all of the user's tokens are refused from now on."""
    await rules.suspend(call.services.db, call.param("username"), suspended=True)
    return nothing()


async def unsuspend_user(call: ApiCall) -> web.Response:
    """Unsuspend a user: the user's tokens work again."""
    await rules.suspend(call.services.db, call.param("username"), suspended=False)
    return nothing()


async def promote_user(call: ApiCall) -> web.Response:
    """Promote a user to site administrator."""
    await rules.promote(call.services.db, call.param("username"), site_admin=True)
    return nothing()


async def demote_user(call: ApiCall) -> web.Response:
    """Demote a site administrator to an ordinary user."""
    await rules.promote(call.services.db, call.param("username"), site_admin=False)
    return nothing()


async def authorize_user(call: ApiCall) -> web.Response:
    """Create an access token for a user; the token's text is shown in this response only."""
    new = call.body(NewAuthorization)
    user = await rights.user(call)
    now = datetime.fromtimestamp(call.services.now(), UTC)
    plain, stored = await rules.create_token(
        call.services.db, user.login, new.scopes, note=new.note, expires_at=new.expires_at, now=now
    )
    body = {
        "id": stored.id,
        "url": f"{call.base}/authorizations/{stored.id}",
        "app": {"name": "Moorage", "url": call.origin, "client_id": "00000000000000000000"},
        "token": plain.reveal(),
        "hashed_token": "",
        "token_last_eight": plain.last_eight,
        "note": new.note or None,
        "note_url": None,
        "created_at": stored.created_at,
        "updated_at": stored.created_at,
        "scopes": new.scopes,
        "fingerprint": None,
        "expires_at": stored.expires_at,
    }
    return answer(body, 201)


async def issue_sign_in_link(call: ApiCall) -> web.Response:
    """Make a link with which a user signs in to the pages once; the link is shown in this response only."""
    from registry.accounts import sign_in  # noqa: PLC0415 - of people in browsers, whom few processes see

    user = await rights.user(call)
    code = await sign_in.issue_code(call.services.db, user.login)
    expires_at = datetime.fromtimestamp(call.services.now() + sign_in.CODE_SECONDS, UTC)
    body = {"url": f"{call.origin}/login/code#{code.reveal()}", "expires_at": expires_at}
    return answer(body, 201)


async def list_sessions(call: ApiCall) -> web.Response:
    """List the sessions of a user in browsers, newest first."""
    from storage.metadata import web_sessions  # noqa: PLC0415 - as above

    user = await rights.user(call)
    body = [
        {
            "id": one.id,
            "way": one.way,
            "created_at": one.started_at,
            "last_seen_at": one.seen_at,
            "address": one.address,
            "user_agent": one.user_agent,
        }
        for one in await web_sessions.of_account(call.services.db, user.id)
    ]
    return answer(body)


async def end_sessions(call: ApiCall) -> web.Response:
    """End all sessions of a user in browsers, from the next request on; tokens stay valid."""
    from registry.accounts import web_sessions  # noqa: PLC0415 - as above

    user = await rights.user(call)
    await web_sessions.end_all(call.services.db, user.id)
    return nothing()


async def create_organization(call: ApiCall) -> web.Response:
    """Create an organization with its first owner."""
    new = call.body(NewOrganization)
    made = await organizations.create(call.services.db, new.login, new.admin, name=new.profile_name)
    return answer(simple_organization(call, made.id, made.login, made.description), 201)


async def rename_organization(call: ApiCall) -> web.Response:
    """Rename an organization; its packages are renamed too."""
    login = call.body(NewLogin).login
    account = await rules.rename(call.services.db, call.param("org"), login, kind="Organization")
    message = "Job queued to rename organization. It may take a few minutes to complete."
    return answer({"message": message, "url": f"{call.base}/user/{account.id}"}, 202)


def _simple(call: ApiCall, account: Account) -> dict[str, Any]:
    return simple_user(call, account.id, account.login, account.kind, site_admin=account.site_admin)


_ADMIN: Final = Access.SITE_ADMIN
_SUSPENDED: Final = "/users/{username}/suspended"
_SITE_ADMIN: Final = "/users/{username}/site_admin"
_USER: Final = "/admin/users/{username}"
_AUTHORIZATIONS: Final = f"{_USER}/authorizations"
_ORGS: Final = "/admin/organizations"
_TOLD: Final = "/users/{username}"

ROUTES: Final = (
    Route(
        "POST",
        "/admin/users",
        create_user,
        "Create a user",
        _ADMIN,
        body=NewUser,
        statuses=(201, 422),
        answer=schemas.SimpleUser,
    ),
    Route(
        "PATCH",
        _USER,
        rename_user,
        "Rename a user",
        _ADMIN,
        body=NewLogin,
        statuses=(202, 404, 422),
        told_by=_TOLD,
        answer=schemas.AcceptedChange,
    ),
    Route("DELETE", _USER, delete_user, "Delete a user", _ADMIN, statuses=(204, 404, 422), told_by=_TOLD),
    Route(
        "POST",
        _AUTHORIZATIONS,
        authorize_user,
        "Create an access token for a user",
        _ADMIN,
        body=NewAuthorization,
        statuses=(201, 404, 422),
        answer=schemas.Authorization,
    ),
    Route(
        "POST",
        f"{_USER}/sign-in-link",
        issue_sign_in_link,
        "Create a link that signs a user in once",
        _ADMIN,
        statuses=(201, 404),
        answer=schemas.SignInLink,
    ),
    Route(
        "GET",
        f"{_USER}/sessions",
        list_sessions,
        "List the sessions of a user",
        _ADMIN,
        statuses=(200, 404),
        answer=list[schemas.BrowserSession],
    ),
    Route("DELETE", f"{_USER}/sessions", end_sessions, "End the sessions of a user", _ADMIN, statuses=(204, 404)),
    Route("PUT", _SUSPENDED, suspend_user, "Suspend a user", _ADMIN, statuses=(204, 404, 422), told_by=_TOLD),
    Route("DELETE", _SUSPENDED, unsuspend_user, "End a user's suspension", _ADMIN, statuses=(204, 404), told_by=_TOLD),
    Route("PUT", _SITE_ADMIN, promote_user, "Make a user an administrator", _ADMIN, statuses=(204, 404), told_by=_TOLD),
    Route(
        "DELETE",
        _SITE_ADMIN,
        demote_user,
        "Make an administrator a user",
        _ADMIN,
        statuses=(204, 404, 422),
        told_by=_TOLD,
    ),
    Route(
        "POST",
        _ORGS,
        create_organization,
        "Create an organization",
        _ADMIN,
        body=NewOrganization,
        statuses=(201, 422),
        answer=schemas.SimpleOrganization,
    ),
    Route(
        "PATCH",
        f"{_ORGS}/{{org}}",
        rename_organization,
        "Rename an organization",
        _ADMIN,
        body=NewLogin,
        statuses=(202, 404, 422),
        told_by="/orgs/{org}",
        answer=schemas.AcceptedChange,
    ),
)

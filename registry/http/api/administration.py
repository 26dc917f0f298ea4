"""Lists of site administrators: accounts, tokens, counts; with the names of GitHub Enterprise Server, if it has one."""

from typing import Any, Final, cast

from aiohttp import web

from registry.accounts import accounts, administration
from registry.http.api.call import ApiCall, answer, nothing
from registry.http.api.families import one_of
from registry.http.api.paging import after_link, size_of
from registry.http.api.routes import Access, Route
from registry.http.api.schemas import accounts as accounts_schemas
from registry.http.api.schemas import site as site_schemas
from registry.http.numbers import number_of
from registry.shapes import simple_organization, simple_user
from storage.metadata import administration as stored
from storage.metadata.accounts import Account
from storage.metadata.administration import AnyToken

_FILTERS: Final = ("suspended", "site_admin")


async def list_users(call: ApiCall) -> web.Response:
    """List users by id, or those that are suspended or site administrators; with ``q`` accounts that begin so."""
    which = cast("administration.Which", one_of(call, "filter", _FILTERS) or "users")
    size = size_of(call)
    query = call.http.query
    page = await administration.list_accounts(
        call.services.db, which, query=query.get("q", ""), after=query.get("after", ""), limit=size
    )
    return answer([_account(call, one) for one in page.accounts], headers=after_link(call, size, page.after))


async def list_organizations_of_all(call: ApiCall) -> web.Response:
    """List all organizations by id."""
    size, after = size_of(call), call.http.query.get("after", "")
    page = await administration.list_accounts(call.services.db, "organizations", after=after, limit=size)
    body = [
        {
            **simple_organization(call, one.id, one.login, one.description),
            "name": one.name,
            "email": one.email,
            "created_at": one.created_at,
            "updated_at": one.updated_at,
        }
        for one in page.accounts
    ]
    return answer(body, headers=after_link(call, size, page.after))


def _account(call: ApiCall, one: Account) -> dict[str, Any]:
    return {
        **simple_user(call, one.id, one.login, one.kind, site_admin=one.site_admin),
        "name": one.name,
        "email": one.email,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "suspended_at": one.suspended_at,
    }


async def list_tokens(call: ApiCall) -> web.Response:
    """List the access tokens of people that are not revoked, the newest first; of ``user``, if given."""
    size, query = size_of(call), call.http.query
    login = query.get("user")
    account = await accounts.find(call.services.db, login) if login else None
    before = number_of(query.get("after", ""))
    page = await administration.list_tokens(call.services.db, account=account, before=before, limit=size)
    return answer([_token(call, one) for one in page.tokens], headers=after_link(call, size, page.before))


def _token(call: ApiCall, one: AnyToken) -> dict[str, Any]:
    """Render a token as «Authorization», as far as GitHub's lists show one."""
    return {
        "id": one.id,
        "url": f"{call.base}/authorizations/{one.id}",
        "app": {"name": "Moorage", "url": call.origin, "client_id": "00000000000000000000"},
        "token": "",
        "hashed_token": "",
        "token_last_eight": one.last_eight,
        "note": one.note or None,
        "note_url": None,
        "created_at": one.created_at,
        "updated_at": one.created_at,
        "scopes": one.scopes,
        "fingerprint": None,
        "expires_at": one.expires_at,
        "kind": one.kind,
        "last_used_at": one.last_used_at,
        "user": simple_user(call, one.account_id, one.login, "User", site_admin=one.site_admin),
    }


async def revoke_token(call: ApiCall) -> web.Response:
    """Revoke an access token of whomever, and the tokens derived from it."""
    await administration.revoke_token(call.services.db, call.number("token_id"))
    return nothing()


async def get_statistics(call: ApiCall) -> web.Response:
    """Tell how much there is of everything, and what waits for the jobs; above 10,000 estimated: ``estimated``."""
    found = await stored.counts(call.services.db)
    body = {
        "users": {
            "total_users": found.users,
            "admin_users": found.administrators,
            "suspended_users": found.suspended,
        },
        "orgs": {"total_orgs": found.organizations, "total_teams": found.teams},
        "packages": {"total_packages": found.packages, "total_versions": found.versions},
        "tokens": {"total_tokens": found.tokens},
        "storage": {"total_blobs": found.blobs, "stored_bytes": found.stored, "open_uploads": found.open_uploads},
        "jobs": {
            "dead_objects": found.dead_objects,
            "oldest_dead_object": found.oldest_dead_object,
            "reviews": found.reviews,
            "oldest_review": found.oldest_review,
        },
        "schema": found.schema,
        "estimated": found.estimated,
    }
    return answer(body)


_ADMIN: Final = Access.SITE_ADMIN

ROUTES: Final = (
    Route(
        "GET",
        "/admin/users",
        list_users,
        "List users",
        _ADMIN,
        query=("filter", "q", "after", "per_page"),
        statuses=(200, 422),
        answer=list[accounts_schemas.AdministeredUser],
    ),
    Route(
        "GET",
        "/admin/organizations",
        list_organizations_of_all,
        "List organizations",
        _ADMIN,
        query=("after", "per_page"),
        answer=list[accounts_schemas.AdministeredOrganization],
    ),
    Route(
        "GET",
        "/admin/tokens",
        list_tokens,
        "List personal access tokens",
        _ADMIN,
        query=("user", "after", "per_page"),
        statuses=(200, 404),
        answer=list[accounts_schemas.AdministeredToken],
    ),
    Route(
        "DELETE",
        "/admin/tokens/{token_id}",
        revoke_token,
        "Delete a personal access token",
        _ADMIN,
        statuses=(204, 404),
    ),
    Route("GET", "/enterprise/stats/all", get_statistics, "Get all statistics", _ADMIN, answer=site_schemas.Statistics),
)

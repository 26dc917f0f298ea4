"""The page of an account: its packages, as far as the viewer may read them."""

from typing import Final

from aiohttp import web

from registry.accounts import organizations as rules
from registry.accounts.names import is_login
from registry.errors import NotFound
from registry.http.web.call import PageCall, moved
from registry.http.web.routes import Route
from registry.packages.packages import VISIBILITIES
from storage.metadata import accounts, organizations, shown
from storage.metadata.accounts import Account

_ROWS: Final = 50


async def owner_of(call: PageCall) -> Account:
    """Return the account that the address names. Raises NotFound."""
    login = call.param("owner")
    found = await accounts.by_login(call.services.db, login) if is_login(login) else None
    if found is None:
        raise NotFound
    return found


async def own_or_member_of(call: PageCall) -> tuple[Account, str | None]:
    """Return the account of the address, which is the viewer's, or an organization with the viewer's role in it.

    Raises NotFound, SsoMissing.
    """
    account = await owner_of(call)
    if account.kind == "Organization":
        return account, (await rules.for_member(call.services.db, call.viewer.token_id, account.login)).role
    if account.id != call.viewer.account_id:
        raise NotFound
    return account, None


async def owner(call: PageCall) -> web.Response:
    """Show an account and its packages."""
    login = call.param("owner")
    try:
        found = await owner_of(call)
    except NotFound:
        renamed = await shown.present_login(call.services.db, login)
        if renamed is None:
            raise
        return moved(f"/{renamed.lower()}")
    after, query, visibility = call.query("after"), call.query("q").strip().lower(), call.query("visibility")
    rows = await shown.packages_of(
        call.services.db,
        call.viewer.token_id,
        login,
        after=after,
        limit=_ROWS + 1,
        prefix=query,
        visibility=visibility if visibility in VISIBILITIES else None,
    )
    role = None
    if found.kind == "Organization" and call.viewer.session is not None:
        seen = await organizations.seen(call.services.db, call.viewer.token_id, login)
        role = None if seen is None else seen.role
    kind = "orgs" if found.kind == "Organization" else "users"
    return call.page(
        "owner.html",
        title=[found.login],
        api=f"/{kind}/{login}/packages?package_type=container",
        command=f"moorage packages {login}",
        owner=found,
        role=role,
        packages=rows[:_ROWS],
        more=rows[_ROWS - 1].name if len(rows) > _ROWS else None,
        after=after,
        query=query,
        visibility=visibility if visibility in VISIBILITIES else "",
    )


ROUTES: Final = (Route("GET", "/{owner}", owner),)

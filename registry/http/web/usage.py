"""Usage: what an account has stored for its owners, and the accounts that store most for site administrators."""

from typing import Final

from aiohttp import web

from registry.errors import Denied
from registry.http.web.administration import PLACE, ROWS, page
from registry.http.web.call import PageCall
from registry.http.web.owner import opening, own_or_member_of
from registry.http.web.routes import Route
from storage.metadata import usage_reports

_LARGEST: Final = 50


async def of_owner(call: PageCall) -> web.Response:
    """Show what an account has stored, its quota, and its largest packages, to its owners."""
    owner = await own_or_member_of(call)
    if owner.role != "admin":
        raise Denied(f"owner of {owner.login}", ["member"], f"Ask an owner of {owner.login}.")
    used, largest = await usage_reports.of_owner(call.services.db, owner.id, _LARGEST)
    kind = "orgs" if owner.kind == "Organization" else "users"
    return call.page(
        "owner_usage.html",
        title=[call.say("Usage"), owner.login],
        api=f"/{kind}/{owner.login}/packages/usage",
        command=f"moorage usage {owner.login}",
        owner=owner,
        used=used,
        largest=largest,
    )


async def of_all(call: PageCall) -> web.Response:
    """Show the accounts that store most, and their quotas."""
    found = await usage_reports.owners(call.services.db, ROWS)
    command = "moorage usage --registry"
    return page(call, "admin_usage.html", call.say("Usage"), api="/admin/usage", command=command, owners=found)


ROUTES: Final = (
    Route("GET", f"{PLACE}/usage", of_all),
    Route("GET", "/{owner}/-/usage", of_owner, opening=opening),
)

"""Usage: what an account has stored for its owners, and the accounts that store most for site administrators."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from aiohttp import web

from registry.errors import Denied, Invalid
from registry.http.numbers import number_of
from registry.http.urls import family_of
from registry.http.web.administration import ACCOUNTS, PLACE, ROWS, changes, page
from registry.http.web.call import PageCall
from registry.http.web.owner import opening, own_or_member_of, owner_of
from registry.http.web.routes import Route
from registry.packages import quotas as rules
from registry.sizes import parse_size
from storage.metadata import quotas, usage_reports
from storage.metadata.owner_pages import SeenAccount
from storage.metadata.quotas import Quota
from storage.metadata.usage_reports import Used

_LARGEST: Final = 50


async def of_owner(call: PageCall) -> web.Response:
    """Show what an account has stored, its quota, and its largest packages, to its owners."""
    owner = await own_or_member_of(call)
    if owner.role != "admin":
        raise Denied(f"owner of {owner.login}", ["member"], f"Ask an owner of {owner.login}.")
    used, largest = await usage_reports.of_owner(call.services.db, owner.id, _LARGEST)
    return call.page(
        "owner_usage.html",
        title=[call.say("Usage"), owner.login],
        api=f"/{family_of(owner.kind)}/{owner.login}/packages/usage",
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


async def quota(call: PageCall) -> web.Response:
    """Show the form of the quota of an account."""
    account = await owner_of(call)
    used, _ = await usage_reports.of_owner(call.services.db, account.id, 0)
    return _form(call, account, used, {})


def _form(call: PageCall, account: SeenAccount, used: Used, errors: Mapping[str, str]) -> web.Response:
    return page(
        call,
        "admin_quota.html",
        call.say("Quota of %(login)s", login=account.login),
        status=422 if errors else 200,
        command=f"moorage quota set {account.login} 500GB",
        place=f"{ACCOUNTS}/{account.login.lower()}",
        used=used,
        warn_percent=used.warn_percent or rules.WARN_PERCENT,
        errors=errors,
        fields=call.fields,
    )


async def set_quota(call: PageCall) -> web.Response:
    """Set the quota of an account, or with an empty size remove the quota."""
    db, account = call.services.db, await owner_of(call)
    place, text = f"{ACCOUNTS}/{account.login.lower()}", call.fields.get("bytes", "").strip()
    if not text:
        await quotas.remove(db, account.id, None)
        return call.redirect(place, call.say("The quota is taken away: %(login)s", login=account.login))
    count, percent = parse_size(text), number_of(call.fields.get("warn_percent", "").strip())
    if count is not None and percent is not None:
        with suppress(Invalid):
            await rules.put(db, account.id, Quota(count, call.fields.get("hard") != "no", percent), None)
            return call.redirect(place, call.say("The quota is set: %(login)s", login=account.login))
    used, _ = await usage_reports.of_owner(db, account.id, 0)
    wrong = {"bytes": call.say("Expected a size such as 500GB or 1.5TiB, and a percentage from 1 to 100.")}
    return _form(call, account, used, wrong)


ROUTES: Final = (
    Route("GET", f"{PLACE}/usage", of_all),
    Route("GET", f"{ACCOUNTS}/{{owner}}/quota", changes(quota), opening=opening),
    Route("POST", f"{ACCOUNTS}/{{owner}}/quota", changes(set_quota)),
    Route("GET", "/{owner}/-/usage", of_owner, opening=opening),
)

"""The pull log of a package by API: who pulled what, from where; empty where the operator has not switched it on."""

from datetime import datetime
from typing import Any, Final

from aiohttp import web

from auth.identity import Action
from registry.errors import Invalid
from registry.events import who
from registry.http.api.call import ApiCall, answer
from registry.http.api.families import PACKAGE, allowed, family, moment_of, pusher
from registry.http.api.paging import after_link, after_number_of
from registry.http.api.schemas import packages as schemas
from registry.packages import pull_log
from storage.metadata.pulls import LoggedPull


async def list_pulls(call: ApiCall) -> web.Response:
    """List the pulls of a package, the newest first, to its admins; equal ones of some seconds are one."""
    (before, size), since = after_number_of(call), _since(call)
    package_id, _ = await allowed(call, Action.ADMIN)
    found = await pull_log.page(call.services.db, package_id, since=since, after=before, limit=size)
    return answer([_pull(call, one) for one in found.pulls], headers=after_link(call, size, found.after))


def _since(call: ApiCall) -> datetime:
    found = moment_of(call, "since")
    if found is None:
        return pull_log.BEGINNING
    if found.year < pull_log.BEGINNING.year:
        raise Invalid("Invalid request.\n\nFor 'since', expected a time in ISO 8601 with its offset, from 2000 on.")
    return found


def _pull(call: ApiCall, found: LoggedPull) -> dict[str, Any]:
    actor = who(found.actor_id, found.actor_login, found.via, found.token_name, detailed=True)
    return {
        "id": found.id,
        "created_at": found.at,
        "digest": found.digest,
        "tag": found.tag,
        "version_id": found.version_id,
        "actor": None if found.actor_id is None else pusher(call, actor),
        "actor_ip": found.remote,
        "user_agent": found.user_agent,
        "count": found.count,
    }


ROUTES: Final = family(
    "GET",
    f"{PACKAGE}/pulls",
    list_pulls,
    "List the pulls of a package",
    scope="read:packages",
    query=("since", "after", "per_page"),
    statuses=(200, 401, 403, 404, 422),
    answer=list[schemas.LoggedPull],
)

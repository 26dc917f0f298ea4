"""The pull log of a package: who pulled what and from where, for the package's admins."""

from typing import Final

from aiohttp import web

from registry.http.numbers import number_of
from registry.http.web.activity import WAYS
from registry.http.web.call import PageCall
from registry.http.web.package import administered, opening
from registry.http.web.routes import Route
from registry.packages import pull_log

_ROWS: Final = 50


async def pulls(call: PageCall) -> web.Response:
    """Show the pulls of a package."""
    head, _ = await administered(call)
    text = call.query("after")
    after = number_of(text)
    found = await pull_log.page(call.services.db, head.package_id, after=after, limit=_ROWS)
    return call.page(
        "pulls.html",
        title=[call.say("Pulls"), str(head.name)],
        api=f"{head.api}/pulls",
        head=head,
        pulls=[(one, call.say(WAYS.get(one.via, one.via))) for one in found.pulls],
        days=call.services.settings.audit.pull_days,
        after=text if after is not None else "",
        more=None if found.after is None else str(found.after),
    )


ROUTES: Final = (Route("GET", "/{owner}/{image}/-/pulls", pulls, opening=opening),)

"""Access tokens of all people for site administrators: the list, and the end of one."""

import shlex
from typing import Final

from aiohttp import web

from registry.accounts import accounts, administration
from registry.errors import AccountUnknown
from registry.http.numbers import number_of
from registry.http.web.administration import PLACE, ROWS, changes, page
from registry.http.web.call import PageCall, queried
from registry.http.web.confirming import Question, ask
from registry.http.web.routes import Route

_LIST: Final = f"{PLACE}/tokens"


async def listed(call: PageCall) -> web.Response:
    """List the tokens that are not revoked, the newest first; of ``user``, if given."""
    login, after = call.query("user").strip(), call.query("after")
    before = number_of(after)
    account, found = None, administration.TokenPage([], None)
    try:
        account = await accounts.find(call.services.db, login) if login else None
        found = await administration.list_tokens(call.services.db, account=account, before=before, limit=ROWS)
    except AccountUnknown:
        pass  # of nobody there are none
    return page(
        call,
        "admin_tokens.html",
        call.say("Access tokens"),
        api=queried("/admin/tokens", user=login),
        command=f"moorage admin token list{' --user ' + shlex.quote(login) if login else ''}",
        found=found,
        login=login,
        after=after,
    )


async def asked(call: PageCall) -> web.Response:
    """Ask before a token is revoked."""
    token = await administration.find_token(call.services.db, int(call.param("number")))
    name = token.note or f"…{token.last_eight}"
    return ask(
        call,
        Question(
            part=call.say("Administration"),
            heading=call.say("Revoke a token of %(login)s", login=token.login),
            consequences=[
                call.say("The token is refused from the next request on, on every replica: %(name)s", name=name),
                call.say("What uses it stops working. It cannot be brought back; its owner can make another one."),
            ],
            button=call.say("Revoke the token"),
            cancel=f"{_LIST}?user={token.login}",
        ),
    )


async def revoke(call: PageCall) -> web.Response:
    """Revoke a token of whomever."""
    token = await administration.find_token(call.services.db, int(call.param("number")))
    await administration.revoke_token(call.services.db, token.id)
    said = call.say("The token is revoked: %(name)s", name=token.note or token.last_eight)
    return call.redirect(f"{_LIST}?user={token.login}", said)


ROUTES: Final = (
    Route("GET", _LIST, listed),
    Route("GET", f"{_LIST}/{{number}}/revoke", changes(asked, back=_LIST)),
    Route("POST", f"{_LIST}/{{number}}/revoke", changes(revoke, back=_LIST)),
)

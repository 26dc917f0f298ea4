"""Conditions of the API: the ETag of what a GET tells, and If-Match and If-None-Match of the requests that write."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from aiohttp import web

from registry.http.api.call import ApiCall
from registry.http.api.routes import Handler
from registry.http.conditions import condition_of
from registry.http.numbers import number_of
from registry.oci.headers import none_match
from registry.packages.conditions import Check, DeletionCheck
from storage.metadata import naming
from storage.metadata.database import Database, Transaction

_DIGEST_BYTES: Final = 16
#: Reads what a GET tells in a transaction; None: nothing.
Read = Callable[[Transaction], Awaitable[web.Response | None]]


def tagged(call: ApiCall, response: web.StreamResponse) -> web.StreamResponse:
    """Return ``response`` with the entity tag of its JSON; 304 without it, if a GET says that it has this one.

    A handler may have set another.
    """
    if response.status != 200 or not isinstance(response, web.Response) or not isinstance(response.body, bytes):  # noqa: PLR2004
        return response
    tag = response.headers.setdefault("ETag", _etag(response.body))
    lines = call.request.headers.getall("If-None-Match", [])
    if call.request.method not in {"GET", "HEAD"} or not none_match(lines, tag):
        return response
    kept = {name: value for name, value in response.headers.items() if name != "Content-Type"}
    return web.Response(status=304, headers=kept)


def check_of(call: ApiCall, read: Read | None) -> Check | None:
    """The check of the request's condition against what ``read`` tells under a rule's lock; None: no condition.

    ``read`` is told the transaction that holds the lock; None: no GET tells what is changed. The check raises
    PreconditionFailed.
    """
    condition = condition_of(call.request)
    if condition is None:
        return None

    async def check(tx: Transaction) -> None:
        condition.check(await _current(read, tx))

    return check


def deletion_check_of(call: ApiCall, read: Read | None) -> DeletionCheck | None:
    """Return the check of a deletion's condition, which the entity tag of its preview meets as well; None: none."""
    condition = condition_of(call.request)
    if condition is None:
        return None

    async def check(tx: Transaction, preview: str) -> None:
        condition.check(await _current(read, tx), preview)

    return check


async def _current(read: Read | None, tx: Transaction) -> str | None:
    told = None if read is None else await read(tx)
    return _etag(told.body) if told is not None and isinstance(told.body, bytes) else None


async def on_condition(
    call: ApiCall, read: Callable[[ApiCall], Awaitable[web.Response | None]], write: Handler
) -> web.Response:
    """Run ``write`` in one transaction with the check of the request's condition. Raises PreconditionFailed.

    What the path names is locked before it is read, so that what was compared still holds when it is changed.

    ``read`` gives what a GET tells, or None where there is nothing to be read. What would be refused anyhow is refused
    without a look at the condition (RFC 9110 §13.2.1): PATCH and DELETE of what is not there are the handler's.
    """
    condition = condition_of(call.request)
    if condition is None:
        return await write(call)

    async def work(db: Database) -> web.Response:
        named = call.http.match_info
        await naming.lock(db, named, call.me.account_id, number_of(named.get("token_id", "")))
        joined = replace(call, services=call.services.joined(db))
        told = await read(joined)
        if told is not None:
            condition.check(_etag(told.body if isinstance(told.body, bytes) else b""))
        elif call.request.method == "PUT":
            condition.check(None)
        return await write(joined)

    return await call.services.db.join(work)


def _etag(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()}"'

"""List endpoints: tags (end-8a, end-8b) and the catalog."""

from typing import Final

from aiohttp import web

from auth.identity import Action
from registry.http.v2.call import HEADERS, Call, unauthorized
from registry.oci.headers import MAX_PAGE
from registry.oci.responses import catalog as catalog_body
from registry.oci.responses import tags_list
from storage.metadata import packages, tags

_PAGE: Final = 100


async def page(call: Call) -> web.Response:  # end-8a, end-8b
    """List tags in byte order, after ``last``."""
    size = MAX_PAGE if call.oci.n is None else call.oci.n
    found = await tags.page(call.services.db, call.identity.token_id, call.oci.package, call.oci.last or "", size + 1)
    call.authorize(Action.PULL, found)
    headers = {**HEADERS, "Content-Type": "application/json"}
    names = found.names[:size]
    if names and len(found.names) > size:
        headers["Link"] = call.next_page(names[-1], size)
    return web.Response(body=tags_list(call.oci.package, names), headers=headers)


async def catalog(call: Call) -> web.Response:
    """List the packages that the caller may read: Docker's ``_catalog``, absent from the specification."""
    granted = call.identity.grants is None or any(g.type == "registry" for g in call.identity.grants)
    if call.identity.token_id is None or not granted:
        raise unauthorized(call.http, call.services, call.oci, None if granted else "insufficient_scope")
    size = _PAGE if call.oci.n is None else call.oci.n
    names = await packages.readable(call.services.db, call.identity.token_id, call.oci.last or "", size + 1)
    headers = {**HEADERS, "Content-Type": "application/json"}
    if size and len(names) > size:
        headers["Link"] = call.next_page(names[size - 1], size)
    return web.Response(body=catalog_body(names[:size]), headers=headers)

"""List endpoints: tags (end-8a, end-8b) and the catalog."""

from typing import Final

from auth.identity import Action
from auth.permissions import may_list
from registry.http.server.message import Response
from registry.http.v2.call import HEADERS, Call, unauthorized
from registry.oci.headers import MAX_PAGE
from registry.oci.responses import catalog as catalog_body
from registry.oci.responses import tags_list
from storage.metadata import packages, tags

_PAGE: Final = 100


async def page(call: Call) -> Response:  # end-8a, end-8b
    """Tags in byte order, past ``last``."""
    size = MAX_PAGE if call.oci.n is None else call.oci.n
    found = await tags.page(call.services.db, call.identity.token_id, call.oci.package, call.oci.last or "", size + 1)
    call.authorize(Action.PULL, found)
    headers = {**HEADERS, "Content-Type": "application/json"}
    names = found.names[:size]
    if names and len(found.names) > size:
        headers["Link"] = call.next_page(names[-1], size)
    return Response(200, headers, tags_list(call.oci.package, names))


async def catalog(call: Call) -> Response:
    """List the packages that the caller may read. Docker's ``_catalog``; the specification leaves it out."""
    granted = may_list(call.identity)
    if call.identity.token_id is None or not granted:
        error, nobody = None if granted else "insufficient_scope", call.identity.token_id is None
        raise unauthorized(call.http, call.services, call.oci, error, nobody=nobody)
    size = _PAGE if call.oci.n is None else call.oci.n
    names = await packages.readable(call.services.db, call.identity.token_id, call.oci.last or "", size + 1)
    headers = {**HEADERS, "Content-Type": "application/json"}
    if size and len(names) > size:
        headers["Link"] = call.next_page(names[size - 1], size)
    return Response(200, headers, catalog_body(names[:size]))

"""Deletion of a blob: end-10."""

from auth.identity import Action
from registry.http.conditions import condition_of
from registry.http.server.message import Response
from registry.http.v2.call import HEADERS, Call
from registry.oci.headers import etag


async def delete(call: Call) -> Response:  # end-10
    """Delete the package's link to a blob, unless a manifest names the blob."""
    digest = call.oci.digest
    assert digest is not None  # noqa: S101 - the parser sets it for every kind that comes here
    blob = await call.services.lookups.blob(call.identity.token_id, call.oci.package, digest)
    call.authorize(Action.DELETE, blob)
    condition = condition_of(call.http)
    if condition is not None and blob.size is not None:
        condition.check(etag(digest))
    await call.services.blobs.delete(blob, digest)
    return Response(202, HEADERS)

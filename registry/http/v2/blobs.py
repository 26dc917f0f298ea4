"""Deletion of a blob: end-10."""

from auth.identity import Action
from registry.errors import BlobInUse, BlobUnknown
from registry.http.server.message import Response
from registry.http.v2.call import HEADERS, Call
from storage.metadata import blobs, packages
from storage.metadata.blobs import Unlinking
from storage.metadata.database import Transaction
from storage.names import Digest


async def delete(call: Call) -> Response:  # end-10
    """Takes the blob out of this package, unless a manifest needs it."""
    digest = call.oci.digest
    assert digest is not None  # noqa: S101 - the parser sets it for every kind that comes here
    blob = await call.services.lookups.blob(call.identity.token_id, call.oci.package, digest)
    package_id = call.authorize(Action.DELETE, blob).package_id
    if package_id is None or blob.size is None:
        raise BlobUnknown(digest)

    async def work(tx: Transaction) -> Unlinking:
        # A manifest that is being published or restored is seen behind the lock, and its blobs stay.
        await packages.lock(tx, package_id)
        return await blobs.unlink(tx, package_id, digest)

    outcome = await call.services.db.repeat(work)
    if outcome.users:
        raise BlobInUse(digest, [Digest(user) for user in outcome.users])
    if not outcome.gone:
        raise BlobUnknown(digest)
    return Response(202, HEADERS)

"""The rules of blobs in packages: mount from another package, delete what no manifest needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from auth.identity import ANONYMOUS, Action, Identity
from auth.permissions import may
from registry.errors import BlobUnknown, InUse
from storage.metadata import blobs, packages
from storage.metadata.blobs import LocatedBlob, Unlinking
from storage.metadata.database import Database, Transaction
from storage.metadata.reads.lookups import Lookups
from storage.names import Digest, PackageName


class BlobInUse(InUse):
    """Manifests of the package name the blob."""

    def __init__(self, digest: Digest, manifests: Sequence[Digest]) -> None:
        message = f"manifests of this package need the blob ({len(manifests)} named in detail); delete them first"
        super().__init__(message, {"digest": digest, "manifests": list(manifests)}, {"Allow": "GET, HEAD"})


@dataclass(frozen=True, slots=True)
class Blobs:
    """The rules of blobs; the callers check access to the package before. ``grace_seconds``: of a new link."""

    db: Database
    lookups: Lookups
    grace_seconds: float

    async def mount(self, identity: Identity, package_id: int, digest: Digest, source: PackageName | None) -> bool:
        """Link a blob of a package that the caller may read into another package; False: the bytes must be uploaded."""
        source_id: int | None = package_id  # what the package has already
        if source is None:
            source = await blobs.readable_source(self.db, identity.token_id, digest, identity.granted_names)
        if source is not None:
            source_id = await self._readable(identity, source)
        if source_id is None:
            return False
        return await blobs.mount(self.db, source_id, package_id, digest, grace_seconds=self.grace_seconds)

    async def _readable(self, identity: Identity, source: PackageName) -> int | None:
        """Return the id of a package that the caller, or everybody, may read."""
        for reader in (identity, ANONYMOUS):
            found = await self.lookups.standing(reader.token_id, source)
            if may(reader, Action.PULL, source, found):
                return found.package_id
        return None

    async def delete(self, blob: LocatedBlob, digest: Digest) -> None:
        """Remove a blob from its package, unless manifests need the blob. Raises BlobUnknown, BlobInUse."""
        package_id = blob.package_id
        if package_id is None or blob.size is None:
            raise BlobUnknown(digest)

        async def work(tx: Transaction) -> Unlinking:
            # A manifest that is being published or restored is seen behind the lock, and its blobs stay.
            await packages.lock(tx, package_id)
            return await blobs.unlink(tx, package_id, digest)

        outcome = await self.db.repeat(work, package_id)
        if outcome.users:
            raise BlobInUse(digest, [Digest(user) for user in outcome.users])
        if not outcome.gone:
            raise BlobUnknown(digest)

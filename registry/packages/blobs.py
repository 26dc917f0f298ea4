"""The rules of blobs in packages: mount from another package, delete what no manifest needs."""

from dataclasses import dataclass

from auth.identity import Action, Identity
from auth.permissions import may
from registry.errors import BlobInUse, BlobUnknown
from storage.metadata import blobs, packages
from storage.metadata.blobs import LocatedBlob, Unlinking
from storage.metadata.database import Database, Transaction
from storage.metadata.reads.lookups import Lookups
from storage.names import Digest, PackageName


@dataclass(frozen=True, slots=True)
class Blobs:
    """The rules of blobs; the callers check access to the package before. ``grace_seconds``: of a new link."""

    db: Database
    lookups: Lookups
    grace_seconds: float

    async def mount(self, identity: Identity, package_id: int, digest: Digest, source: PackageName | None) -> bool:
        """Link a blob of a package that the caller may read into another package; False: the bytes must be uploaded."""
        if source is None:
            # Over what the caller's account may read, whatever the bearer token was asked for: a client that mounts
            # blindly cannot know which repository to name.
            source_id = await blobs.readable_source(self.db, identity.token_id, digest) or package_id
        else:
            found = await self.lookups.standing(identity.token_id, source)
            if found.package_id is None or not may(identity, Action.PULL, source, found):
                return False
            source_id = found.package_id
        return await blobs.mount(self.db, source_id, package_id, digest, grace_seconds=self.grace_seconds)

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

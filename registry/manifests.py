"""Manifests: a manifest, its references and its tags land together or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from registry.errors import ManifestBlobUnknown
from registry.oci.manifest import Manifest
from storage.metadata import manifests
from storage.metadata.database import Database, ForeignKeyMissing, Transaction
from storage.metadata.manifests import NewManifest
from storage.names import Digest, TagName


@dataclass(frozen=True, slots=True)
class Manifests:
    """The rules of manifests."""

    db: Database

    async def publish(
        self, package_id: int, digest: Digest, manifest: Manifest, body: bytes, tags: Sequence[TagName]
    ) -> None:
        """Stores ``body``, byte for byte, and moves ``tags`` to it. Raises ManifestBlobUnknown, Unavailable."""
        foreign = set(manifest.foreign)
        absent = set[str]()
        if foreign:
            absent = set(await manifests.missing(self.db, package_id, sorted(foreign), []))
        blobs = sorted({*manifest.blobs, *(d for d in foreign if d not in absent)})
        new = NewManifest(
            digest=digest,
            media_type=manifest.media_type,
            artifact_type=manifest.artifact_type,
            subject=None if manifest.subject is None else manifest.subject.digest,
            annotations=None if manifest.subject is None else _json(manifest.annotations),
            body=body,
            blobs=blobs,
            children=sorted(set(manifest.children)),
        )

        async def work(tx: Transaction) -> None:
            stored = await manifests.insert(tx, package_id, new)
            if stored.blobs < len(new.blobs) or stored.children < len(new.children):
                raise ManifestBlobUnknown(await manifests.missing(tx, package_id, new.blobs, new.children))
            if tags:
                await manifests.tag(tx, package_id, digest, tags)

        try:
            await self.db.repeat(work)
        except ForeignKeyMissing as error:
            gone = await manifests.missing(self.db, package_id, new.blobs, new.children)
            raise ManifestBlobUnknown(gone) from error


def _json(annotations: Mapping[str, str]) -> str | None:
    # Postgres has no \u0000 in jsonb; nothing that is listed needs it.
    return orjson.dumps(annotations).decode().replace("\\u0000", "") if annotations else None

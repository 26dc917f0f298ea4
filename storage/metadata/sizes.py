"""Sizes of images that were stored without one."""

from typing import Final

from storage.metadata.query import Executor, command

# The older first: a child has a lower id than an index that is made of it. An index waits for its children, which are
# sized by this batch or by one before.
_ADD: Final = command(
    """
    UPDATE manifests version SET image_size = due.bytes
      FROM (SELECT unsized.id,
                   (SELECT least(coalesce(sum(blob.size), 0) + children.bytes, 9223372036854775807)::bigint
                      FROM manifest_blobs uses
                     CROSS JOIN LATERAL (SELECT size FROM blobs WHERE digest = uses.blob LIMIT 1) AS blob
                     WHERE uses.package_id = unsized.package_id AND uses.manifest = unsized.digest) AS bytes
              FROM (SELECT id, package_id, digest FROM manifests
                     WHERE image_size IS NULL ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) AS unsized
             CROSS JOIN LATERAL (
                    SELECT coalesce(sum(child.image_size), 0) AS bytes, count(*) = count(child.image_size) AS known
                      FROM manifest_children nesting
                     CROSS JOIN LATERAL (SELECT image_size FROM manifests
                                          WHERE package_id = nesting.package_id AND digest = nesting.child
                                          LIMIT 1) AS child
                     WHERE nesting.package_id = unsized.package_id AND nesting.parent = unsized.digest
                   ) AS children
             WHERE children.known) AS due
     WHERE version.id = due.id
    """
)


async def add(db: Executor, limit: int) -> int:
    """Add up the sizes of at most ``limit`` images; returns the number of those that have one now."""
    return await _ADD.run(db, limit)

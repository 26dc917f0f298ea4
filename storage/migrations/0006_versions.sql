-- Versions are listed and counted without those that were deleted, and a count need not touch the manifests.

CREATE INDEX manifests_live ON manifests (package_id, id) WHERE deleted_at IS NULL;
DROP INDEX manifests_versions;

-- The bytes of an image: its config and layers, each once; of an index the sum of its children. NULL: not yet added up,
-- which a job does for what was pushed before, or is by the release before this one while both run.
ALTER TABLE manifests ADD COLUMN image_size bigint;
CREATE INDEX manifests_unsized ON manifests (id) WHERE image_size IS NULL;
-- The newest tags of a package, page by page.
CREATE INDEX tags_newest ON tags (package_id, updated_at, name);

-- Apart from the columns, so that nobody who reads waits while these are made.
CREATE INDEX manifests_unsized ON manifests (id) WHERE image_size IS NULL;
-- The newest tags of a package, page by page.
CREATE INDEX tags_newest ON tags (package_id, updated_at, name);

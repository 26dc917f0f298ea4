-- Lists of repositories by when they were created or changed read the first of an owner, instead of sorting all.
CREATE INDEX repositories_created ON repositories (owner_id, id) WHERE deleted_at IS NULL;
CREATE INDEX repositories_updated ON repositories (owner_id, updated_at, id) WHERE deleted_at IS NULL;

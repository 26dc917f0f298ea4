-- What a large registry looks up, and found only by reading whole tables (docs/scale.md).

-- Who administers: locked whenever one comes or goes.
CREATE INDEX accounts_site_admins ON accounts (id) WHERE site_admin;

-- The tokens of a repository end with it.
CREATE INDEX tokens_repository ON tokens (repository_id) WHERE repository_id IS NOT NULL;

-- What an organization authorised ends with it.
CREATE INDEX token_organizations_org ON token_organizations (org_id);

-- Packages that were only begun, and those that are being purged: what the sweepers look for.
CREATE INDEX packages_unpublished ON packages (created_at) WHERE published_at IS NULL;

-- Of one package, what can be restored, the last deleted first.
CREATE INDEX manifests_restorable ON manifests (package_id, deleted_at, id) WHERE deleted_at IS NOT NULL;

-- How many public repositories an account has, which its profile tells.
CREATE INDEX repositories_public ON repositories (owner_id) WHERE visibility = 'public' AND deleted_at IS NULL;

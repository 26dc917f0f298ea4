-- Deleting, restoring and purging packages and versions.

-- Grants have no life of their own.
ALTER TABLE package_users
    DROP CONSTRAINT package_users_package_id_fkey,
    ADD CONSTRAINT package_users_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages ON DELETE CASCADE;
ALTER TABLE package_teams
    DROP CONSTRAINT package_teams_package_id_fkey,
    ADD CONSTRAINT package_teams_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages ON DELETE CASCADE;
ALTER TABLE package_repositories
    DROP CONSTRAINT package_repositories_package_id_fkey,
    ADD CONSTRAINT package_repositories_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages ON DELETE CASCADE;

ALTER TABLE packages
    ADD licenses_spdx boolean;
-- A deleted package that is published can be restored; one that is not is being purged, or never was published.
CREATE INDEX packages_deleted_name ON packages (owner_id, name, deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE manifests
    -- Whether licenses is an SPDX expression; NULL where there is none.
    ADD licenses_spdx boolean,
    -- The id of the version that took this one along when it was deleted: signatures go and come with their subject.
    ADD deleted_with bigint;
CREATE INDEX manifests_deleted_with ON manifests (package_id, deleted_with) WHERE deleted_with IS NOT NULL;

-- While the registry is read-only a user can be suspended, and no longer be: like the end of a token, which went on before.
-- Of the columns of accounts these are all but suspended_at and updated_at.
DROP TRIGGER read_only ON accounts;
CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE OF
    id, kind, login, name, email, site_admin, created_at, deleted_at, description, packages_inherit_access,
    packages_sso_required, members_can_create_public_packages, members_can_create_private_packages,
    members_can_create_internal_packages
    ON accounts FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

-- What a device calls itself whose sign-in (RFC 8628) the token is: sign-in goes on while the registry is read-only.
ALTER TABLE tokens ADD COLUMN device text;
DROP TRIGGER read_only ON tokens;
CREATE TRIGGER read_only BEFORE INSERT ON tokens FOR EACH ROW
    WHEN (NEW.kind IN ('classic', 'fine_grained') AND NEW.device IS NULL)
    EXECUTE FUNCTION refuse_while_read_only();

-- Seals are signed with a key that is not in the database. Those without a signature say nothing: they are made anew.
ALTER TABLE event_seals ADD COLUMN signature bytea CHECK (octet_length(signature) = 64);
DELETE FROM event_seals;

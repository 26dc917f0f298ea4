-- What takes a right away from a token goes on while the registry is read-only; and the end of a token, of a session
-- among them, deletes here by its foreign key: no one could sign out, or in again.
DROP TRIGGER read_only ON token_organizations;
CREATE TRIGGER read_only BEFORE INSERT OR UPDATE ON token_organizations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();
-- A blob leaves its package by this alone; the links that uploads under way make, and renew, go on.
CREATE TRIGGER read_only BEFORE UPDATE OF deleted_at ON package_blobs FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION refuse_while_read_only();

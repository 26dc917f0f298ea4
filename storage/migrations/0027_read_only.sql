-- The registry is read-only while this table has its one row: from the next statement on, on every replica.
CREATE TABLE read_only (
    one    boolean     PRIMARY KEY DEFAULT true CHECK (one),
    since  timestamptz NOT NULL DEFAULT now(),
    reason text        NOT NULL
);

-- MR001 is ours: whoever gets it is told the message. EXISTS takes 3 us of a statement, SELECT INTO 6.
CREATE FUNCTION refuse_while_read_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM read_only) THEN
        RAISE EXCEPTION USING ERRCODE = 'MR001', MESSAGE = (SELECT reason FROM read_only);
    END IF;
    RETURN NEW;  -- NULL for a statement
END $$;

-- What people and clients change. Not in it: an upload that has begun, sign-in, what a pull leaves (downloads, the last
-- use of a token, the tokens of workflows), and the records of jobs; those that delete anything ask before.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'accounts', 'memberships', 'teams', 'team_members', 'repositories', 'repository_users', 'repository_teams',
        'packages', 'package_users', 'package_teams', 'package_repositories', 'manifests', 'tags'
    ] LOOP
        EXECUTE format('CREATE TRIGGER read_only BEFORE INSERT OR UPDATE OR DELETE ON %I'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only()', name);
    END LOOP;
END $$;
CREATE TRIGGER read_only BEFORE INSERT ON uploads FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();
-- A blob leaves its package by this alone; the links that uploads under way make, and renew, go on.
CREATE TRIGGER read_only BEFORE UPDATE OF deleted_at ON package_blobs FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION refuse_while_read_only();
-- What takes a right away from a token goes on; and the end of a token, of a session among them, deletes here by its
-- foreign key: else no one could sign out, or in again.
CREATE TRIGGER read_only BEFORE INSERT OR UPDATE ON token_organizations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();
CREATE TRIGGER read_only BEFORE INSERT ON tokens FOR EACH ROW WHEN (NEW.kind IN ('classic', 'fine_grained'))
    EXECUTE FUNCTION refuse_while_read_only();

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

-- Who pulled what, where an operator wants to know (MOORAGE_PULL_LOG): equal pulls of some seconds are one row. Written with the
-- counts of downloads, in their transaction; dropped by the day.
CREATE SEQUENCE pulls_id;
CREATE TABLE pulls (
    id         bigint      NOT NULL DEFAULT nextval('pulls_id'),
    at         timestamptz NOT NULL DEFAULT now(),
    package_id bigint      NOT NULL,
    version_id bigint      NOT NULL,
    digest     bytea       NOT NULL,  -- without its algorithm, which its length tells
    tag        text COLLATE "C",      -- NULL: pulled by its digest
    actor_id   bigint,                -- NULL: nobody was signed in
    via        text        NOT NULL,  -- the kind of the token
    token_id   bigint,
    token_name text,                  -- what its owner calls it, or the repository that it is of
    remote     text        NOT NULL,  -- as the trusted proxies tell it; of IPv6 the /64
    user_agent text        NOT NULL,  -- the first 64 characters
    count      bigint      NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX pulls_package ON pulls (package_id, id);
-- Takes what no day has: where no worker runs.
CREATE TABLE pulls_default PARTITION OF pulls DEFAULT;

-- The partitions of the day of `moment` and of the two that follow, and none that ended `kept_days` before; with 0 none is made, and
-- what was is dropped. How many were made or dropped. One that finds nothing to do writes nothing.
CREATE FUNCTION turn_pulls(moment timestamptz, kept_days integer) RETURNS integer LANGUAGE plpgsql
    SET lock_timeout = '1s' AS $$
DECLARE
    today     timestamp := date_trunc('day', moment AT TIME ZONE 'UTC');
    kept_from timestamp := today - make_interval(days => kept_days);
    begins    timestamptz;
    ends      timestamptz;
    part      text;
    done      integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('turn_pulls')) THEN
        RETURN 0;
    END IF;
    FOR ahead IN 0 .. CASE WHEN kept_days > 0 THEN 2 ELSE -1 END LOOP
        part := to_char(today + make_interval(days => ahead), '"pulls_"YYYY_MM_DD');
        begins := (today + make_interval(days => ahead)) AT TIME ZONE 'UTC';
        ends := (today + make_interval(days => ahead + 1)) AT TIME ZONE 'UTC';
        IF to_regclass(part) IS NULL
           AND NOT EXISTS (SELECT 1 FROM pulls_default WHERE at >= begins AND at < ends) THEN
            EXECUTE format('CREATE TABLE %I (LIKE pulls INCLUDING DEFAULTS)', part);
            EXECUTE format('ALTER TABLE pulls ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, begins, ends);
            done := done + 1;
        END IF;
    END LOOP;
    FOR part IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'pulls'::regclass AND relname ~ '^pulls_[0-9]{4}_[0-9]{2}_[0-9]{2}$'
           AND (kept_days = 0 OR relname < to_char(kept_from, '"pulls_"YYYY_MM_DD'))
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        done := done + 1;
    END LOOP;
    DELETE FROM pulls_default WHERE kept_days = 0 OR at < kept_from AT TIME ZONE 'UTC';
    RETURN done + FOUND::integer;
END $$;

-- What happened to packages: who, with what token, what it was before. Written by the statement that makes the change;
-- never changed, and dropped by the month. `xid` puts those who read on in the order of commits: ids are given out before.
CREATE SEQUENCE events_id;
CREATE TABLE events (
    id            bigint      NOT NULL DEFAULT nextval('events_id'),
    xid           xid8        NOT NULL DEFAULT pg_current_xact_id(),
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    action        text        NOT NULL,  -- as GitHub's audit log names it
    owner_id      bigint      NOT NULL,
    package_id    bigint,
    version_id    bigint,
    digest        bytea,                 -- without its algorithm, which its length tells
    before_digest bytea,
    tag           text COLLATE "C",
    actor_id      bigint,
    via           text        NOT NULL,  -- the kind of the token, or session
    token_id      bigint,
    token_name    text,                  -- what its owner calls it, or the repository that it is of: tokens of those go
    data          jsonb
) PARTITION BY RANGE (at);
CREATE INDEX events_package ON events (package_id, id);
CREATE INDEX events_tag ON events (package_id, tag, id) WHERE tag IS NOT NULL;

CREATE FUNCTION refuse_change_of_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_events();

-- Takes what no month has: where no worker runs, changes are made and recorded all the same.
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- The partitions of the month of `moment` and of the two that follow, and none that ended `kept_months` before; how many
-- were made or dropped. One that finds nothing to do writes nothing.
CREATE FUNCTION turn_events(moment timestamptz, kept_months integer) RETURNS integer LANGUAGE plpgsql
    SET lock_timeout = '1s' AS $$
DECLARE
    this_month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    begins     timestamptz;
    ends       timestamptz;
    kept_from  timestamptz := (this_month - make_interval(months => kept_months)) AT TIME ZONE 'UTC';
    part       text;
    done       integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('turn_events')) THEN
        RETURN 0;
    END IF;
    FOR ahead IN 0..2 LOOP
        part := to_char(this_month + make_interval(months => ahead), '"events_"YYYY_MM');
        begins := (this_month + make_interval(months => ahead)) AT TIME ZONE 'UTC';
        ends := (this_month + make_interval(months => ahead + 1)) AT TIME ZONE 'UTC';
        IF to_regclass(part) IS NULL
           AND NOT EXISTS (SELECT 1 FROM events_default WHERE at >= begins AND at < ends) THEN
            EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS)', part);
            EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, begins, ends);
            done := done + 1;
        END IF;
    END LOOP;
    FOR part IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'events'::regclass AND relname ~ '^events_[0-9]{4}_[0-9]{2}$'
           AND relname < to_char(kept_from AT TIME ZONE 'UTC', '"events_"YYYY_MM')
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        done := done + 1;
    END LOOP;
    IF EXISTS (SELECT 1 FROM events_default) AND NOT EXISTS (SELECT 1 FROM events_default WHERE at >= kept_from) THEN
        DROP TABLE events_default;
        CREATE TABLE events_default PARTITION OF events DEFAULT;
        done := done + 1;
    END IF;
    RETURN done;
END $$;
SELECT turn_events(now(), 6);

-- Who pushed what is there now, for as long as it is there. NULL: it was pushed before this was recorded. And the bytes
-- of an image: its config and layers, each once; of an index the sum of its children. NULL: not yet added up, which a job
-- does for what was pushed before, or is by the release before this one while both run.
ALTER TABLE manifests ADD COLUMN pusher_id bigint, ADD COLUMN pusher_via text, ADD COLUMN pusher_token text,
    ADD COLUMN image_size bigint;
ALTER TABLE tags ADD COLUMN pusher_id bigint, ADD COLUMN pusher_via text, ADD COLUMN pusher_token text;

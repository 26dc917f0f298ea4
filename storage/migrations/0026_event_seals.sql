-- Seals of the audit log: each of the events behind the former one up to a place, by the SHA-256 of the former seal and of
-- them. A row that is changed, missing or added since then shows.
CREATE TABLE event_seals (
    number   bigint      PRIMARY KEY,
    xid      xid8        NOT NULL,  -- of the last event
    id       bigint      NOT NULL,
    count    bigint      NOT NULL,
    first_at timestamptz NOT NULL,  -- of the oldest: its partition may be dropped since
    hash     bytea       NOT NULL CHECK (octet_length(hash) = 32),
    at       timestamptz NOT NULL DEFAULT now()
);

-- Events are ordered by transaction. A cluster into which a dump was restored counts its transactions from the beginning: so
-- that what it records is behind what was restored, both numbers below are raised then, by continue_events().
CREATE FUNCTION event_xid() RETURNS xid8 LANGUAGE sql STABLE AS 'SELECT pg_current_xact_id()';
CREATE FUNCTION event_horizon() RETURNS xid8 LANGUAGE sql STABLE AS 'SELECT pg_snapshot_xmin(pg_current_snapshot())';
ALTER TABLE events ALTER COLUMN xid SET DEFAULT event_xid();

-- Whether there are events of transactions to come, which another cluster has recorded. Called while nothing is.
CREATE FUNCTION continue_events() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    highest numeric := (SELECT xid::text::numeric FROM events ORDER BY xid DESC, id DESC LIMIT 1);
    ahead   text;
BEGIN
    IF highest IS NULL OR highest < event_xid()::text::numeric THEN
        RETURN false;
    END IF;
    ahead := format('SELECT (%%s::text::numeric + %s)::text::xid8', highest);
    EXECUTE format('CREATE OR REPLACE FUNCTION event_xid() RETURNS xid8 LANGUAGE sql STABLE AS %L',
                   format(ahead, 'pg_current_xact_id()'));
    EXECUTE format('CREATE OR REPLACE FUNCTION event_horizon() RETURNS xid8 LANGUAGE sql STABLE AS %L',
                   format(ahead, 'pg_snapshot_xmin(pg_current_snapshot())'));
    RETURN true;
END $$;

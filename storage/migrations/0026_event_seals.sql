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

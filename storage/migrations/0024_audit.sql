-- Events of accounts, rights, tokens and settings too, with the request that each came by; and where those who read them
-- all go on. Last of all the indexes: what writes events waits until they are there.
ALTER TABLE events
    ALTER COLUMN owner_id DROP NOT NULL,  -- of the registry itself, or of a login that nobody has
    ADD COLUMN repository_id bigint,
    ADD COLUMN request_id    text,
    ADD COLUMN remote        text,  -- as the trusted proxies tell it; of IPv6 the /64
    ADD COLUMN user_agent    text;  -- the first 64 characters

-- A reader of all events: it has seen what is not behind its place. Ids are given out before the commit, so the place is
-- of the transaction, and nothing is read of those that began after one that is open still.
CREATE TABLE event_readers (
    reader     text        PRIMARY KEY,
    xid        xid8        NOT NULL,
    id         bigint      NOT NULL,
    read_at    timestamptz NOT NULL DEFAULT now(),
    held_until timestamptz NOT NULL DEFAULT now()  -- by the worker that reads now
);

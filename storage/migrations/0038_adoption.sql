-- Folders of a bucket that another registry wrote, taken over in place. Until one is sealed the other registry may serve from it:
-- no job deletes an object of it, not even one of the release before.
CREATE TABLE adoptions (
    root      text        PRIMARY KEY,  -- with a slash, the keys of its objects begin with it
    begun_at  timestamptz NOT NULL DEFAULT now(),
    sealed_at timestamptz               -- NULL: its objects are held
);

-- What the last scan has found: read by the run that scans, and nothing is lost with it.
CREATE UNLOGGED TABLE adopted_blobs (
    root   text   NOT NULL,
    digest text   NOT NULL COLLATE "C",
    size   bigint NOT NULL,
    PRIMARY KEY (root, digest)
);

-- Objects without a blob that are deleted only once their folder is sealed.
CREATE TABLE held_objects (object_key text PRIMARY KEY);

CREATE FUNCTION hold_adopted_objects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM adoptions WHERE sealed_at IS NULL AND starts_with(NEW.object_key, root || '/') FOR SHARE;
    IF NOT FOUND THEN
        RETURN NEW;
    END IF;
    INSERT INTO held_objects (object_key) VALUES (NEW.object_key) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
-- Keys of our own begin with b/ and cost nothing here.
CREATE TRIGGER adopted_objects BEFORE INSERT ON dead_objects FOR EACH ROW
    WHEN (NOT starts_with(NEW.object_key, 'b/')) EXECUTE FUNCTION hold_adopted_objects();

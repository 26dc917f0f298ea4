-- The open sessions of an account, which are counted when one more is asked for. A session is looked up by its id and
-- written while it is open; an index of all that are open looked to the planner like the shortest way to one of them,
-- whenever few had been open at the last count. The second condition says nothing new (only what is done has a digest),
-- but is asked by who counts alone, so that nobody else can use the index.
DROP INDEX uploads_account;
CREATE INDEX uploads_account ON uploads (account_id) WHERE state = 'open' AND digest IS NULL;

-- Room for the next write of a row that is written three times in a second; and a key that has its id in it is unique.
ALTER TABLE uploads SET (fillfactor = 60), DROP CONSTRAINT uploads_object_key_key;

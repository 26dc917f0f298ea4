-- Whether the objects of a session have been deleted once. What the store was still busy with then is deleted when the
-- row is due again; only then does the row go, which is all that knows the key.
ALTER TABLE uploads ADD COLUMN swept boolean NOT NULL DEFAULT false;

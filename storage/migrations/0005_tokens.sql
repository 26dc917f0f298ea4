-- Keyless: the subject of the identity token that stands behind a workflow token, for those who look at what happened.

ALTER TABLE tokens ADD subject text;

-- A token of a repository is deleted once its time is over and no session needs it.
CREATE INDEX uploads_token ON uploads (token_id) WHERE token_id IS NOT NULL;

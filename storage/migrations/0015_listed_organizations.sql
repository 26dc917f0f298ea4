-- GET /organizations lists them in the order in which they were made, without going through the users between them.
CREATE INDEX accounts_organizations ON accounts (id) WHERE kind = 'Organization' AND deleted_at IS NULL;

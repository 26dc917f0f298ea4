-- What a search finds a package by: its full name, and its name from each component on (tools/app: acme/tools/app,
-- tools/app, app). Of packages that are there and published, and with what decides who sees them, so that a search
-- reads only what its viewer may see. Triggers keep it: no statement of any release can forget to.
CREATE TABLE package_words (
    package_id bigint NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    word text COLLATE "C" NOT NULL,
    owner_id bigint NOT NULL,
    visibility text NOT NULL,
    full_name boolean NOT NULL,
    PRIMARY KEY (package_id, word)
);

CREATE FUNCTION package_words_of(login text, name text) RETURNS TABLE (word text, full_name boolean)
LANGUAGE sql IMMUTABLE AS $$
    SELECT lower(login) || '/' || name, true
     UNION ALL
    SELECT array_to_string(parts[n:], '/'), false
      FROM (SELECT string_to_array(name, '/') AS parts) AS split, generate_series(1, cardinality(parts)) AS n
$$;

-- What of a package decides its words. The triggers name no column, so that a later migration may change the type of one.
CREATE FUNCTION package_seen(package packages) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(' ', package.owner_id, package.name, package.visibility,
                     package.deleted_at IS NULL, package.published_at IS NULL)
$$;

-- The share lock waits for a rename of the owner that is under way, and sees its end.
CREATE FUNCTION index_package() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM package_words WHERE package_id = NEW.id;
    PERFORM 1 FROM accounts
      WHERE id IN (SELECT owner_id FROM packages
                    WHERE packages.id = NEW.id AND packages.deleted_at IS NULL AND published_at IS NOT NULL)
        FOR SHARE;
    INSERT INTO package_words (package_id, word, owner_id, visibility, full_name)
    SELECT package.id, words.word, package.owner_id, package.visibility, words.full_name
      FROM packages package
      JOIN accounts owner ON owner.id = package.owner_id
     CROSS JOIN LATERAL package_words_of(owner.login, package.name) AS words
     WHERE package.id = NEW.id AND package.deleted_at IS NULL AND package.published_at IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE FUNCTION index_renamed_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM package_words WHERE owner_id = NEW.id AND full_name;
    INSERT INTO package_words (package_id, word, owner_id, visibility, full_name)
    SELECT id, lower(NEW.login) || '/' || name, owner_id, visibility, true
      FROM packages WHERE owner_id = NEW.id AND deleted_at IS NULL AND published_at IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER packages_made AFTER INSERT ON packages
    FOR EACH ROW WHEN (NEW.published_at IS NOT NULL) EXECUTE FUNCTION index_package();
CREATE TRIGGER packages_changed AFTER UPDATE ON packages
    FOR EACH ROW WHEN (package_seen(OLD) <> package_seen(NEW)) EXECUTE FUNCTION index_package();
CREATE TRIGGER accounts_renamed AFTER UPDATE ON accounts
    FOR EACH ROW WHEN (lower(OLD.login) <> lower(NEW.login)) EXECUTE FUNCTION index_renamed_owner();

INSERT INTO package_words (package_id, word, owner_id, visibility, full_name)
SELECT package.id, words.word, package.owner_id, package.visibility, words.full_name
  FROM packages package
  JOIN accounts owner ON owner.id = package.owner_id
 CROSS JOIN LATERAL package_words_of(owner.login, package.name) AS words
 WHERE package.deleted_at IS NULL AND package.published_at IS NOT NULL;

CREATE INDEX package_words_seen ON package_words (visibility, word, package_id);
CREATE INDEX package_words_named ON package_words (visibility, word, package_id) WHERE full_name;
CREATE INDEX package_words_owner ON package_words (owner_id, visibility, word, package_id);

-- The newest first, of all and of an owner.
CREATE INDEX packages_newest ON packages (visibility, published_at, id)
    WHERE deleted_at IS NULL AND published_at IS NOT NULL;
CREATE INDEX packages_owner_newest ON packages (owner_id, visibility, published_at, id)
    WHERE deleted_at IS NULL AND published_at IS NOT NULL;

-- For administrators: which accounts are suspended.
CREATE INDEX accounts_suspended ON accounts (id) WHERE suspended_at IS NOT NULL AND deleted_at IS NULL;
-- The tokens of people, the last made first, without going through those of workflows.
CREATE INDEX tokens_personal ON tokens (id) WHERE kind IN ('classic', 'fine_grained') AND revoked_at IS NULL;

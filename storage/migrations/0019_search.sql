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

-- The share lock waits for a rename of the owner that is under way, and sees its end.
CREATE FUNCTION index_package() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM package_words WHERE package_id = NEW.id;
    END IF;
    IF NEW.deleted_at IS NULL AND NEW.published_at IS NOT NULL THEN
        PERFORM 1 FROM accounts WHERE id = NEW.owner_id FOR SHARE;
        INSERT INTO package_words (package_id, word, owner_id, visibility, full_name)
        SELECT NEW.id, words.word, NEW.owner_id, NEW.visibility, words.full_name
          FROM accounts owner CROSS JOIN LATERAL package_words_of(owner.login, NEW.name) AS words
         WHERE owner.id = NEW.owner_id;
    END IF;
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
    FOR EACH ROW WHEN (
        (OLD.owner_id, OLD.name, OLD.visibility, OLD.deleted_at IS NULL, OLD.published_at IS NULL)
        IS DISTINCT FROM (NEW.owner_id, NEW.name, NEW.visibility, NEW.deleted_at IS NULL, NEW.published_at IS NULL))
    EXECUTE FUNCTION index_package();
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

-- For administrators: whose tokens there are in order, and which accounts are suspended.
CREATE INDEX accounts_suspended ON accounts (id) WHERE suspended_at IS NOT NULL AND deleted_at IS NULL;

-- What a link or a manifest that comes or goes adds and takes, written by the statement that does so. Nothing refers to
-- it and nobody waits for a row of it; a job folds it into the sums below. links: 1 or -1 of a blob, 0 of a manifest.
CREATE TABLE usage_deltas (
    owner_id   bigint   NOT NULL,
    package_id bigint   NOT NULL,
    digest     text     NOT NULL COLLATE "C",
    links      smallint NOT NULL,
    bytes      bigint   NOT NULL
);
CREATE INDEX usage_deltas_keys ON usage_deltas (owner_id, digest);

-- Written by jobs alone. counted_at: of the last recount, NULL where none has been; noted_at: as in usage_days.
CREATE TABLE owner_usage (
    owner_id   bigint      PRIMARY KEY,
    bytes      bigint      NOT NULL DEFAULT 0,
    counted_at timestamptz,
    noted_at   timestamptz NOT NULL DEFAULT now()
);
-- The recount finds what is stored already.
INSERT INTO owner_usage (owner_id) SELECT DISTINCT owner_id FROM packages;
CREATE INDEX owner_usage_largest ON owner_usage (bytes);
CREATE INDEX owner_usage_due ON owner_usage (counted_at NULLS FIRST);
CREATE INDEX owner_usage_noted ON owner_usage (noted_at);

CREATE TABLE package_usage (
    package_id bigint PRIMARY KEY,
    owner_id   bigint NOT NULL,
    bytes      bigint NOT NULL
);
CREATE INDEX package_usage_largest ON package_usage (owner_id, bytes);
CREATE INDEX package_usage_empty ON package_usage (package_id) WHERE bytes = 0;

-- What an account had stored, in bytes times hours, by the day in UTC.
CREATE TABLE usage_days (
    owner_id   bigint NOT NULL,
    day        date   NOT NULL,
    byte_hours bigint NOT NULL,
    PRIMARY KEY (owner_id, day)
);

CREATE TABLE quotas (
    owner_id     bigint      PRIMARY KEY REFERENCES accounts (id),
    bytes        bigint      NOT NULL CHECK (bytes >= 0),
    hard         boolean     NOT NULL,
    warn_percent smallint    NOT NULL CHECK (warn_percent BETWEEN 1 AND 100),
    warned_at    timestamptz
);
CREATE TRIGGER read_only BEFORE INSERT OR UPDATE OF bytes, hard, warn_percent OR DELETE ON quotas
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

-- The quota of the owner of a package, if there is one: with tabs between them, ! where it has no place for so many bytes
-- more (0 are one), the owner, what is used, the quota, and from what percentage on is warned. What the open uploads of an
-- account have received counts with it. A function, and text, for whoever has no quota is to pay for none of this.
CREATE FUNCTION quota_room(package bigint, account bigint, more bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT concat_ws(E'\t', CASE WHEN hard AND total.used + greatest(more, 1) > quota.bytes THEN '!' ELSE '' END,
                         owner.login, total.used, quota.bytes, quota.warn_percent)
          FROM packages target
          JOIN quotas quota ON quota.owner_id = target.owner_id
          JOIN accounts owner ON owner.id = quota.owner_id
          LEFT JOIN owner_usage known ON known.owner_id = quota.owner_id
         CROSS JOIN LATERAL (
                SELECT greatest(coalesce(known.bytes, 0), 0) + coalesce(sum(opened.received), 0)::bigint AS used
                  FROM (SELECT package_id, received FROM uploads
                         WHERE account_id = account AND state = 'open' AND digest IS NULL AND expires_at > now()
                         LIMIT 1000) AS opened
                  JOIN packages other ON other.id = opened.package_id
                 WHERE other.owner_id = quota.owner_id
               ) AS total
         WHERE target.id = package);
END $$;

-- The clusters whose workloads an account lets pull with tokens of their service accounts, and what they may read.
CREATE SEQUENCE cluster_trusts;

CREATE TABLE clusters (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id   bigint      NOT NULL REFERENCES accounts,
    name       text        NOT NULL COLLATE "C",
    issuer     text        NOT NULL COLLATE "C",
    audience   text,                   -- NULL: the registry's own host
    jwks       jsonb,                  -- NULL: the keys are fetched from the issuer
    kids       text[]      COLLATE "C" CHECK ((jwks IS NULL) = (kids IS NULL)),
    ca         text,                   -- PEM: the authorities of the issuer's certificate; NULL: those of the system
    -- Another number whenever issuer, audience or keys change: whoever was let in by the former ones is out.
    trust      bigint      NOT NULL DEFAULT nextval('cluster_trusts') UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner_id, name)
);
CREATE INDEX clusters_issuer ON clusters (issuer);

CREATE TABLE cluster_grants (
    id                bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster_id        bigint      NOT NULL REFERENCES clusters ON DELETE CASCADE,
    namespace         text        NOT NULL COLLATE "C",
    account           text        NOT NULL COLLATE "C",
    package           text        NOT NULL COLLATE "C",
    namespace_pattern text        NOT NULL COLLATE "C",
    account_pattern   text        NOT NULL COLLATE "C",
    package_pattern   text        NOT NULL COLLATE "C",
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (cluster_id, namespace, account, package)
);

-- A row for each account that was let in, however many tokens it had. Bearer tokens name it by its id below zero, so that
-- no statement takes it for a row of tokens.
CREATE TABLE service_accounts (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trusts       bigint[]    NOT NULL,  -- those clusters whose key has signed, in order
    namespace    text        NOT NULL COLLATE "C",
    name         text        NOT NULL COLLATE "C",
    last_used_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (namespace, name, trusts)
);
CREATE INDEX service_accounts_used ON service_accounts (last_used_at);

CREATE TRIGGER read_only BEFORE INSERT OR UPDATE OR DELETE ON clusters
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();
CREATE TRIGGER read_only BEFORE INSERT OR UPDATE OR DELETE ON cluster_grants
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

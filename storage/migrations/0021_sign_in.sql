-- Sign-in with a browser. What is secret is kept as a hash only.

CREATE INDEX tokens_sessions ON tokens (account_id, id) WHERE kind = 'session';
CREATE INDEX tokens_sessions_expired ON tokens (expires_at) WHERE kind = 'session';

CREATE TABLE web_sessions (
    token_id   bigint      PRIMARY KEY REFERENCES tokens ON DELETE CASCADE,
    way        text        NOT NULL CHECK (way IN ('password', 'code', 'oidc')),
    -- As the account was when the session began: a session ends when that changes.
    site_admin boolean     NOT NULL,
    proved_at  timestamptz NOT NULL,
    address    text        NOT NULL,
    user_agent text        NOT NULL
);

CREATE TABLE passwords (
    account_id bigint      PRIMARY KEY REFERENCES accounts,
    hash       text        NOT NULL,  -- argon2id, as a PHC string
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- One at most of an account; whoever has the code signs in once.
CREATE TABLE sign_in_codes (
    account_id bigint      PRIMARY KEY REFERENCES accounts,
    hash       bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    expires_at timestamptz NOT NULL
);

-- Failed sign-ins, by the hash of what they are counted for: a login, an address, or all together.
CREATE TABLE sign_in_attempts (
    key      bytea       PRIMARY KEY,
    count    integer     NOT NULL,
    began_at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_began ON sign_in_attempts (began_at);

-- Who a person is at an OpenID Connect provider: issuer and subject, never the e-mail.
CREATE TABLE identities (
    issuer     text        NOT NULL,
    subject    text        NOT NULL,
    account_id bigint      NOT NULL REFERENCES accounts,
    email      text,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_account ON identities (account_id);

-- A session is a token of its account, so that rights are read as for every other; it cannot be sent in a header. Last
-- of all, as nobody may read tokens from here to the end.
ALTER TABLE tokens
    DROP CONSTRAINT tokens_kind_check,
    ADD CONSTRAINT tokens_kind_check
        CHECK (kind IN ('classic', 'fine_grained', 'workflow', 'workspace', 'session')) NOT VALID;

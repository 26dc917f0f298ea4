-- What was renamed or moved is found by its former names, as long as nothing else has them.
CREATE TABLE former_logins (
    login text PRIMARY KEY,  -- in lower case
    account_id bigint NOT NULL REFERENCES accounts (id)
);
CREATE TABLE former_repositories (
    owner_id bigint NOT NULL REFERENCES accounts (id),
    name text NOT NULL,  -- in lower case
    repository_id bigint NOT NULL REFERENCES repositories (id),
    PRIMARY KEY (owner_id, name)
);

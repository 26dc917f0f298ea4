-- The registry itself: who owns what, which bytes there are, and which package may reach them.
-- The chain of foreign keys is the rule that content is reached only through its own package:
--   tags → manifests → manifest_blobs → package_blobs → blobs

CREATE TABLE accounts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('User', 'Organization')),
    login        text        NOT NULL,
    name         text,
    email        text,
    site_admin   boolean     NOT NULL DEFAULT false,
    suspended_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    deleted_at   timestamptz
);
CREATE UNIQUE INDEX accounts_login_key ON accounts (lower(login)) WHERE deleted_at IS NULL;

CREATE TABLE tokens (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   bigint      NOT NULL REFERENCES accounts,
    kind         text        NOT NULL CHECK (kind IN ('classic')),
    hash         bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    last_eight   text        NOT NULL,
    note         text        NOT NULL DEFAULT '',
    scopes       text[]      NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX tokens_account ON tokens (account_id);

CREATE TABLE packages (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id     bigint      NOT NULL REFERENCES accounts,
    name         text        NOT NULL COLLATE "C",
    visibility   text        NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'internal', 'public')),
    creator_id   bigint REFERENCES accounts,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    -- The first manifest publishes a package; before that it is only a place for blobs on their way.
    published_at timestamptz,
    deleted_at   timestamptz
);
CREATE UNIQUE INDEX packages_name_key ON packages (owner_id, name) WHERE deleted_at IS NULL;

-- One row a digest, whoever pushed it. Tiny blobs are kept here, all others under a key that is never used twice.
CREATE TABLE blobs (
    digest     text        NOT NULL COLLATE "C" PRIMARY KEY,
    size       bigint      NOT NULL,
    object_key text        UNIQUE,
    body       bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((object_key IS NULL) <> (body IS NULL))
);

CREATE TABLE package_blobs (
    package_id bigint      NOT NULL REFERENCES packages,
    digest     text        NOT NULL COLLATE "C" REFERENCES blobs,
    linked_at  timestamptz NOT NULL DEFAULT now(),
    -- Deleted by its user, but a deleted manifest that can still be restored needs it.
    deleted_at timestamptz,
    PRIMARY KEY (package_id, digest)
);
CREATE INDEX package_blobs_digest ON package_blobs (digest);

CREATE TABLE manifests (
    package_id    bigint      NOT NULL REFERENCES packages,
    digest        text        NOT NULL COLLATE "C",
    id            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    media_type    text        NOT NULL,
    artifact_type text,
    subject       text        COLLATE "C",
    annotations   jsonb,
    size          integer     NOT NULL,
    body          bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    deleted_at    timestamptz,
    -- The tags that went with it when it was deleted, for its restoring.
    deleted_tags  text[]      NOT NULL DEFAULT '{}',
    PRIMARY KEY (package_id, digest)
);
CREATE INDEX manifests_subject ON manifests (package_id, subject, digest) WHERE subject IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE manifest_blobs (
    package_id bigint NOT NULL,
    manifest   text   NOT NULL COLLATE "C",
    blob       text   NOT NULL COLLATE "C",
    PRIMARY KEY (package_id, manifest, blob),
    FOREIGN KEY (package_id, manifest) REFERENCES manifests,
    FOREIGN KEY (package_id, blob) REFERENCES package_blobs
);
CREATE INDEX manifest_blobs_blob ON manifest_blobs (package_id, blob);

CREATE TABLE manifest_children (
    package_id bigint NOT NULL,
    parent     text   NOT NULL COLLATE "C",
    child      text   NOT NULL COLLATE "C",
    PRIMARY KEY (package_id, parent, child),
    FOREIGN KEY (package_id, parent) REFERENCES manifests,
    FOREIGN KEY (package_id, child) REFERENCES manifests
);
CREATE INDEX manifest_children_child ON manifest_children (package_id, child);

CREATE TABLE tags (
    package_id bigint      NOT NULL REFERENCES packages,
    name       text        NOT NULL COLLATE "C",
    digest     text        NOT NULL COLLATE "C",
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package_id, name),
    FOREIGN KEY (package_id, digest) REFERENCES manifests
);
CREATE INDEX tags_digest ON tags (package_id, digest);

-- An upload between its requests: everything that another process needs to go on with it.
CREATE TABLE uploads (
    id           uuid        NOT NULL PRIMARY KEY,
    package_id   bigint      NOT NULL REFERENCES packages,
    account_id   bigint      NOT NULL REFERENCES accounts,
    token_id     bigint      REFERENCES tokens,
    algorithm    text        NOT NULL,
    state        text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'completing', 'done', 'aborted')),
    digest       text        COLLATE "C",
    -- Every object of this upload has a key that begins so; it was here before the object was there.
    object_key   text        NOT NULL UNIQUE,
    multipart_id text,
    received     bigint      NOT NULL DEFAULT 0,
    hash_state   bytea,
    tail         bytea       NOT NULL DEFAULT '',
    next_part    integer     NOT NULL DEFAULT 1,
    in_store     boolean     NOT NULL DEFAULT false,
    lease_until  timestamptz,
    fence        bigint      NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX uploads_expiry ON uploads (expires_at);
CREATE INDEX uploads_account ON uploads (account_id) WHERE state = 'open';
CREATE INDEX uploads_package ON uploads (package_id);

CREATE TABLE upload_parts (
    upload_id uuid    NOT NULL REFERENCES uploads ON DELETE CASCADE,
    number    integer NOT NULL,
    etag      text    NOT NULL,
    size      bigint  NOT NULL,
    PRIMARY KEY (upload_id, number)
);

-- Bytes too many for the row and too few for a part, each in an object of its own until more have come.
CREATE TABLE upload_segments (
    upload_id  uuid    NOT NULL REFERENCES uploads ON DELETE CASCADE,
    position   integer NOT NULL,
    object_key text    NOT NULL,
    size       bigint  NOT NULL,
    PRIMARY KEY (upload_id, position)
);

-- Keys whose objects are to be deleted from the store; the row goes last.
CREATE TABLE dead_objects (
    object_key text        NOT NULL PRIMARY KEY,
    not_before timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_objects_due ON dead_objects (not_before);

-- Links that may be garbage: looked at once their grace is over.
CREATE TABLE link_reviews (
    package_id bigint      NOT NULL,
    digest     text        NOT NULL COLLATE "C",
    due_at     timestamptz NOT NULL,
    PRIMARY KEY (package_id, digest)
);
CREATE INDEX link_reviews_due ON link_reviews (due_at);

-- Organizations that are a mirror of another registry: pulls of what is not here fetch it from there. Their packages are packages
-- like all others.
CREATE TABLE mirrors (
    owner_id        bigint      PRIMARY KEY REFERENCES accounts (id),
    url             text        NOT NULL,
    username        text,
    secret          bytea,                              -- sealed
    realm_hosts     text[]      NOT NULL DEFAULT '{}',  -- where the upstream's tokens come from, beside its own host
    allow           text[]      NOT NULL DEFAULT '{}',  -- empty: all
    deny            text[]      NOT NULL DEFAULT '{}',
    tag_seconds     integer     NOT NULL DEFAULT 300 CHECK (tag_seconds >= 0),
    stale_seconds   integer     CHECK (stale_seconds >= 0),  -- NULL: forever
    missing_seconds integer     NOT NULL DEFAULT 60 CHECK (missing_seconds >= 0),
    fetch_by        text        NOT NULL DEFAULT 'read' CHECK (fetch_by IN ('read', 'write', 'anonymous')),
    idle_days       integer     NOT NULL DEFAULT 30 CHECK (idle_days >= 0),
    max_bytes       bigint      CHECK (max_bytes > 0),
    paused          boolean     NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    changed_at      timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON mirrors
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

-- The names by which clients find a mirror without its organization's: what they call the upstream in ns= (the first of them is
-- shown), and hosts of ours that stand for the upstream. A name leads to one mirror of the whole registry.
CREATE TABLE mirror_names (
    name     text    NOT NULL COLLATE "C",
    is_host  boolean NOT NULL,
    owner_id bigint  NOT NULL REFERENCES mirrors ON DELETE CASCADE,
    place    integer NOT NULL,  -- in the order of the owner's list
    PRIMARY KEY (name, is_host)
);
CREATE INDEX mirror_names_owner ON mirror_names (owner_id, is_host, place);

-- What the upstream of a mirror last said, as the processes write it down now and then.
CREATE TABLE mirror_states (
    owner_id    bigint      PRIMARY KEY REFERENCES mirrors ON DELETE CASCADE,
    answered_at timestamptz,  -- when it last gave what it was asked for, or said that there is none
    failed_at   timestamptz,  -- and when it last did not
    failure     text,
    pulls_left  text          -- of its rate limit, in its own words
);

-- What is known of the upstream's tags, and of digests that it does not have; what is served stands in tags.
CREATE TABLE mirror_tags (
    package_id   bigint      NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    name         text        NOT NULL COLLATE "C",
    digest       text        COLLATE "C",           -- NULL: never seen there
    checked_at   timestamptz,                       -- when the upstream last told what the tag is
    failed_at    timestamptz,                       -- when it last did not
    retry_at     timestamptz,                       -- and nobody asks again before
    failures     integer     NOT NULL DEFAULT 0,    -- in a row
    failure      text,
    kept_deleted boolean     NOT NULL DEFAULT false, -- gone there, kept here
    PRIMARY KEY (package_id, name)
);
CREATE INDEX mirror_tags_failing ON mirror_tags (package_id) WHERE failure IS NOT NULL;

-- What the manifests of mirrors name and is not here yet: a blob, or the manifest of a platform. It moves to manifest_blobs and
-- manifest_children as it arrives.
CREATE TABLE mirror_wanted (
    package_id bigint  NOT NULL,
    digest     text    NOT NULL COLLATE "C",
    manifest   text    NOT NULL COLLATE "C",  -- by which it is named
    size       bigint  NOT NULL,
    media_type text    NOT NULL,
    is_blob    boolean NOT NULL,
    PRIMARY KEY (package_id, digest, manifest),
    FOREIGN KEY (package_id, manifest) REFERENCES manifests (package_id, digest) ON DELETE CASCADE
);
CREATE INDEX mirror_wanted_manifest ON mirror_wanted (package_id, manifest);

-- The one fetch of a blob in the whole cluster: an upload session, whose lease says who is at it.
CREATE TABLE mirror_fetches (
    package_id bigint      NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    digest     text        NOT NULL COLLATE "C",
    upload_id  uuid        NOT NULL,
    size       bigint      NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package_id, digest)
);

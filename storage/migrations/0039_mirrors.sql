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
    owner_id bigint  NOT NULL REFERENCES mirrors (owner_id) ON DELETE CASCADE,
    place    integer NOT NULL,  -- in the order of the owner's list
    PRIMARY KEY (name, is_host)
);
CREATE INDEX mirror_names_owner ON mirror_names (owner_id, is_host, place);

-- What the upstreams last told of tags, of digests that are not here, and of referrers; what is served stands in tags.
CREATE TABLE mirror_answers (
    owner_id     bigint      NOT NULL REFERENCES mirrors (owner_id) ON DELETE CASCADE,
    image        text        NOT NULL COLLATE "C",
    reference    text        NOT NULL COLLATE "C",  -- a tag, a digest, or referrers:DIGEST
    asking_until timestamptz,                       -- a process is asking; all others wait for what it hears
    told_at      timestamptz,                       -- of the last answer
    checked_at   timestamptz,                       -- of the last good one
    retry_at     timestamptz,                       -- nobody asks again before
    failures     integer     NOT NULL DEFAULT 0,    -- in a row
    kind         text        CHECK (kind IN ('missing', 'denied', 'limited', 'away', 'wrong')),  -- NULL: it is there
    why          text,
    PRIMARY KEY (owner_id, image, reference)
);
CREATE INDEX mirror_answers_told ON mirror_answers (told_at);
CREATE INDEX mirror_answers_good ON mirror_answers (owner_id, told_at) WHERE kind IS NULL OR kind = 'missing';
CREATE INDEX mirror_answers_failed ON mirror_answers (owner_id, told_at) WHERE kind <> 'missing';

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
    failed_at  timestamptz,
    retry_at   timestamptz,                       -- nobody asks again before
    kind       text,                              -- as of mirror_answers
    why        text,
    PRIMARY KEY (package_id, digest)
);

-- Webhooks of organizations and repositories. The URL, whose path may be a secret, and the secret that signs are sealed with
-- a key of the settings.
CREATE SEQUENCE hooks_id;  -- what is sealed is sealed for its id
CREATE TABLE hooks (
    id              bigint      PRIMARY KEY,
    owner_id        bigint      REFERENCES accounts (id),      -- of all packages of an organization
    repository_id   bigint      REFERENCES repositories (id),  -- of those that are linked to a repository
    sealed          bytea       NOT NULL,
    content_type    text        NOT NULL CHECK (content_type IN ('json', 'form')),
    format          text        NOT NULL CHECK (format IN ('github', 'distribution', 'cloudevents')),
    events          text[]      NOT NULL,
    children        boolean     NOT NULL,  -- tell of each image of an index too
    active          boolean     NOT NULL,
    since           xid8        NOT NULL DEFAULT event_xid(),  -- nothing older is told
    creator_id      bigint,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- As deliveries go: failures in a row, since when, and until when none is tried.
    failures        integer     NOT NULL DEFAULT 0,
    failing_since   timestamptz,
    rests_until     timestamptz NOT NULL DEFAULT now(),
    disabled_reason text,       -- by itself, until somebody makes it active again
    last_code       integer,
    last_status     text,
    CHECK ((owner_id IS NULL) <> (repository_id IS NULL))
);
CREATE INDEX hooks_owner ON hooks (owner_id, id) WHERE owner_id IS NOT NULL;
CREATE INDEX hooks_repository ON hooks (repository_id, id) WHERE repository_id IS NOT NULL;
CREATE TRIGGER read_only BEFORE INSERT OR DELETE
    OR UPDATE OF sealed, content_type, format, events, children, active ON hooks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

-- What a hook is told. Those of one lane, the id of the package, go in their order; 0: pings and what is sent again; one
-- that fails for long gets a lane of its own, and holds up no other.
CREATE TABLE hook_deliveries (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hook_id          bigint      NOT NULL,
    guid             uuid        NOT NULL DEFAULT gen_random_uuid(),
    redelivery       boolean     NOT NULL DEFAULT false,
    event            text        NOT NULL,
    action           text,
    lane             bigint      NOT NULL,
    -- What happened; NULL: a ping.
    xid              xid8,
    event_id         bigint,
    at               timestamptz,
    package_id       bigint,
    version_id       bigint,
    digest           text,
    tag              text COLLATE "C",
    actor_id         bigint,
    data             jsonb,
    -- held: an image that an index may name; then waiting, sending, and delivered or failed.
    state            text        NOT NULL CHECK (state IN ('held', 'waiting', 'sending', 'delivered', 'failed')),
    due_at           timestamptz NOT NULL DEFAULT now(),  -- of one that is being sent: whoever sends it has died
    attempts         integer     NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL DEFAULT now(),
    delivered_at     timestamptz,
    duration_ms      integer,
    status_code      integer,
    status           text,
    request_headers  jsonb,
    payload          bytea,
    response_headers jsonb,
    response         bytea
);
CREATE UNIQUE INDEX hook_deliveries_once ON hook_deliveries (hook_id, xid, event_id, event) WHERE NOT redelivery;
CREATE INDEX hook_deliveries_hook ON hook_deliveries (hook_id, id);
CREATE INDEX hook_deliveries_open ON hook_deliveries (hook_id, lane, id) WHERE state IN ('waiting', 'sending');
CREATE INDEX hook_deliveries_sending ON hook_deliveries (hook_id) WHERE state = 'sending';
CREATE INDEX hook_deliveries_held ON hook_deliveries (due_at) WHERE state = 'held';
CREATE INDEX hook_deliveries_held_version ON hook_deliveries (version_id) WHERE state = 'held';
CREATE INDEX hook_deliveries_created ON hook_deliveries (created_at);

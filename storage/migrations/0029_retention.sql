-- What is kept of packages, and what goes. A plan has the policy as it was, so that it can be read after a change.
CREATE TABLE retention_policies (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id   bigint      NOT NULL REFERENCES accounts (id),
    name       text        NOT NULL,
    body       jsonb       NOT NULL,
    schedule   text        NOT NULL CHECK (schedule IN ('hourly', 'daily', 'weekly')),
    enabled    boolean     NOT NULL,
    next_at    timestamptz NOT NULL DEFAULT now() + interval '1 hour',  -- time to look at a plan
    updated_by bigint      REFERENCES accounts (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX retention_policies_name ON retention_policies (owner_id, lower(name));
CREATE INDEX retention_policies_due ON retention_policies (next_at) WHERE enabled;

-- A worker goes through the packages of a plan by their ids, from behind package_id, as long as it holds the plan.
CREATE TABLE retention_plans (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id   bigint      NOT NULL REFERENCES accounts (id),
    policy_id  bigint      REFERENCES retention_policies (id) ON DELETE SET NULL,
    body       jsonb       NOT NULL,
    state      text        NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'planned', 'needs_approval', 'applying', 'applied', 'undoing', 'undone')),
    scheduled  boolean     NOT NULL,
    actor_id   bigint      REFERENCES accounts (id),
    package_id bigint      NOT NULL DEFAULT 0,
    held_until timestamptz NOT NULL DEFAULT now(),
    packages   integer     NOT NULL DEFAULT 0,
    guarded    integer     NOT NULL DEFAULT 0,
    untags     integer     NOT NULL DEFAULT 0,
    deletes    integer     NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    planned_at timestamptz,
    applied_at timestamptz,
    ended_at   timestamptz
);
CREATE INDEX retention_plans_owner ON retention_plans (owner_id, id);
CREATE INDEX retention_plans_policy ON retention_plans (policy_id) WHERE policy_id IS NOT NULL;
CREATE INDEX retention_plans_open ON retention_plans (id) WHERE state IN ('queued', 'applying', 'undoing');
CREATE INDEX retention_plans_made ON retention_plans (created_at);

CREATE TABLE retention_decisions (
    plan_id    bigint  NOT NULL REFERENCES retention_plans (id),
    package_id bigint  NOT NULL,
    place      integer NOT NULL,
    version_id bigint  NOT NULL,
    digest     text    COLLATE "C" NOT NULL,
    tag        text    COLLATE "C",
    tags       text[]  NOT NULL,
    decision   text    NOT NULL CHECK (decision IN ('keep', 'untag', 'delete')),
    because    jsonb   NOT NULL,
    outcome    text    CHECK (outcome IN ('done', 'changed', 'refused', 'undone', 'lost')),
    told       text,
    PRIMARY KEY (plan_id, package_id, place)
);
CREATE INDEX retention_decisions_version ON retention_decisions (version_id, plan_id);

CREATE TRIGGER read_only BEFORE INSERT OR UPDATE OR DELETE ON retention_policies
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();
CREATE TRIGGER read_only BEFORE INSERT OR UPDATE OR DELETE ON retention_plans
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

-- When a client last asked for the version: a HEAD, too, is somebody who uses it. NULL: before it was noted.
ALTER TABLE download_totals ADD COLUMN last_at timestamptz;

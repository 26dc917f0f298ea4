-- What the migrations add up to. Written by `make schema`; nothing reads it but people, and a test.

CREATE FUNCTION continue_events() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
    highest numeric := (SELECT xid::text::numeric FROM events ORDER BY xid DESC, id DESC LIMIT 1);
    ahead   text;
BEGIN
    IF highest IS NULL OR highest < event_xid()::text::numeric THEN
        RETURN false;
    END IF;
    ahead := format('SELECT (%%s::text::numeric + %s)::text::xid8', highest);
    EXECUTE format('CREATE OR REPLACE FUNCTION event_xid() RETURNS xid8 LANGUAGE sql STABLE AS %L',
                   format(ahead, 'pg_current_xact_id()'));
    EXECUTE format('CREATE OR REPLACE FUNCTION event_horizon() RETURNS xid8 LANGUAGE sql STABLE AS %L',
                   format(ahead, 'pg_snapshot_xmin(pg_current_snapshot())'));
    RETURN true;
END $$;

CREATE FUNCTION event_horizon() RETURNS xid8
    LANGUAGE sql STABLE
    AS $$SELECT pg_snapshot_xmin(pg_current_snapshot())$$;

CREATE FUNCTION event_xid() RETURNS xid8
    LANGUAGE sql STABLE
    AS $$SELECT pg_current_xact_id()$$;

CREATE FUNCTION hold_adopted_objects() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM 1 FROM adoptions WHERE sealed_at IS NULL AND starts_with(NEW.object_key, root || '/') FOR SHARE;
    IF NOT FOUND THEN
        RETURN NEW;
    END IF;
    INSERT INTO held_objects (object_key) VALUES (NEW.object_key) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE FUNCTION index_package() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM package_words WHERE package_id = NEW.id;
    PERFORM 1 FROM accounts
      WHERE id IN (SELECT owner_id FROM packages
                    WHERE packages.id = NEW.id AND packages.deleted_at IS NULL AND published_at IS NOT NULL)
        FOR SHARE;
    INSERT INTO package_words (package_id, word, owner_id, visibility, full_name)
    SELECT package.id, words.word, package.owner_id, package.visibility, words.full_name
      FROM packages package
      JOIN accounts owner ON owner.id = package.owner_id
     CROSS JOIN LATERAL package_words_of(owner.login, package.name) AS words
     WHERE package.id = NEW.id AND package.deleted_at IS NULL AND package.published_at IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION index_renamed_owner() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM package_words WHERE owner_id = NEW.id AND full_name;
    INSERT INTO package_words (package_id, word, owner_id, visibility, full_name)
    SELECT id, lower(NEW.login) || '/' || name, owner_id, visibility, true
      FROM packages WHERE owner_id = NEW.id AND deleted_at IS NULL AND published_at IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION judge_tag(package bigint, change text, tag text, digest text, spared text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
    judged bigint := tag_rule_of(package, ARRAY[change], tag, spared);
BEGIN
    IF judged IS NULL THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'MR002', MESSAGE = 'a rule forbids this change of a tag', DETAIL = (
        SELECT jsonb_build_object('rule', rules.name, 'owner', lower(owner.login), 'package', packages.name,
                                  'change', change, 'tag', tag, 'digest', digest, 'unless_role', rules.unless_role)
          FROM tag_rules rules
          JOIN accounts owner ON owner.id = rules.owner_id
          JOIN packages ON packages.id = judge_tag.package
         WHERE rules.id = judged);
END $$;

CREATE TABLE packages (
    id bigint NOT NULL,
    owner_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    visibility text DEFAULT 'private'::text NOT NULL,
    creator_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    published_at timestamp with time zone,
    deleted_at timestamp with time zone,
    repository_id bigint,
    inherit_access boolean DEFAULT false NOT NULL,
    description text,
    licenses text,
    source_url text,
    deleted_by bigint,
    licenses_spdx boolean,
    CONSTRAINT packages_visibility_check CHECK ((visibility = ANY (ARRAY['private'::text, 'internal'::text, 'public'::text])))
)
WITH (fillfactor='90');

CREATE FUNCTION package_seen(package packages) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT concat_ws(' ', package.owner_id, package.name, package.visibility,
                     package.deleted_at IS NULL, package.published_at IS NULL)
$$;

CREATE FUNCTION package_words_of(login text, name text) RETURNS TABLE(word text, full_name boolean)
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT lower(login) || '/' || name, true
     UNION ALL
    SELECT array_to_string(parts[n:], '/'), false
      FROM (SELECT string_to_array(name, '/') AS parts) AS split, generate_series(1, cardinality(parts)) AS n
$$;

CREATE FUNCTION quota_room(package bigint, account bigint, more bigint) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
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

CREATE FUNCTION refuse_change_of_events() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION refuse_while_read_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM read_only) THEN
        RAISE EXCEPTION USING ERRCODE = 'MR001', MESSAGE = (SELECT reason FROM read_only);
    END IF;
    RETURN NEW;  -- NULL for a statement
END $$;

CREATE FUNCTION tag_rule_of(package bigint, changes text[], tag text, spared text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tag_rules) THEN  -- nobody uses them: that is cheaper to know
        RETURN NULL;
    END IF;
    RETURN (SELECT rule.id
              FROM packages JOIN tag_rules rule ON rule.owner_id = packages.owner_id
             WHERE packages.id = tag_rule_of.package AND rule.enabled AND rule.forbid && changes
               AND spared NOT IN ('all', coalesce(rule.unless_role, '-'))
               AND packages.name ~ rule.package_pattern AND tag_rule_of.tag ~ rule.tag_pattern
             ORDER BY rule.id LIMIT 1);
END $$;

CREATE FUNCTION turn_events(moment timestamp with time zone, kept_months integer) RETURNS integer
    LANGUAGE plpgsql
    SET lock_timeout TO '1s'
    AS $_$
DECLARE
    this_month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    begins     timestamptz;
    ends       timestamptz;
    kept_from  timestamptz := (this_month - make_interval(months => kept_months)) AT TIME ZONE 'UTC';
    part       text;
    done       integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('turn_events')) THEN
        RETURN 0;
    END IF;
    FOR ahead IN 0..2 LOOP
        part := to_char(this_month + make_interval(months => ahead), '"events_"YYYY_MM');
        begins := (this_month + make_interval(months => ahead)) AT TIME ZONE 'UTC';
        ends := (this_month + make_interval(months => ahead + 1)) AT TIME ZONE 'UTC';
        IF to_regclass(part) IS NULL
           AND NOT EXISTS (SELECT 1 FROM events_default WHERE at >= begins AND at < ends) THEN
            EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS)', part);
            EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, begins, ends);
            done := done + 1;
        END IF;
    END LOOP;
    FOR part IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'events'::regclass AND relname ~ '^events_[0-9]{4}_[0-9]{2}$'
           AND relname < to_char(kept_from AT TIME ZONE 'UTC', '"events_"YYYY_MM')
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        done := done + 1;
    END LOOP;
    IF EXISTS (SELECT 1 FROM events_default) AND NOT EXISTS (SELECT 1 FROM events_default WHERE at >= kept_from) THEN
        DROP TABLE events_default;
        CREATE TABLE events_default PARTITION OF events DEFAULT;
        done := done + 1;
    END IF;
    RETURN done;
END $_$;

CREATE FUNCTION turn_pulls(moment timestamp with time zone, kept_days integer) RETURNS integer
    LANGUAGE plpgsql
    SET lock_timeout TO '1s'
    AS $_$
DECLARE
    today     timestamp := date_trunc('day', moment AT TIME ZONE 'UTC');
    kept_from timestamp := today - make_interval(days => kept_days);
    begins    timestamptz;
    ends      timestamptz;
    part      text;
    done      integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('turn_pulls')) THEN
        RETURN 0;
    END IF;
    FOR ahead IN 0 .. CASE WHEN kept_days > 0 THEN 2 ELSE -1 END LOOP
        part := to_char(today + make_interval(days => ahead), '"pulls_"YYYY_MM_DD');
        begins := (today + make_interval(days => ahead)) AT TIME ZONE 'UTC';
        ends := (today + make_interval(days => ahead + 1)) AT TIME ZONE 'UTC';
        IF to_regclass(part) IS NULL
           AND NOT EXISTS (SELECT 1 FROM pulls_default WHERE at >= begins AND at < ends) THEN
            EXECUTE format('CREATE TABLE %I (LIKE pulls INCLUDING DEFAULTS)', part);
            EXECUTE format('ALTER TABLE pulls ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, begins, ends);
            done := done + 1;
        END IF;
    END LOOP;
    FOR part IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'pulls'::regclass AND relname ~ '^pulls_[0-9]{4}_[0-9]{2}_[0-9]{2}$'
           AND (kept_days = 0 OR relname < to_char(kept_from, '"pulls_"YYYY_MM_DD'))
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        done := done + 1;
    END LOOP;
    DELETE FROM pulls_default WHERE kept_days = 0 OR at < kept_from AT TIME ZONE 'UTC';
    RETURN done + FOUND::integer;
END $_$;

CREATE TABLE accounts (
    id bigint NOT NULL,
    kind text NOT NULL,
    login text NOT NULL,
    name text,
    email text,
    site_admin boolean DEFAULT false NOT NULL,
    suspended_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    description text,
    packages_inherit_access boolean DEFAULT true NOT NULL,
    packages_sso_required boolean DEFAULT false NOT NULL,
    members_can_create_public_packages boolean DEFAULT true NOT NULL,
    members_can_create_private_packages boolean DEFAULT true NOT NULL,
    members_can_create_internal_packages boolean DEFAULT true NOT NULL,
    CONSTRAINT accounts_kind_check CHECK ((kind = ANY (ARRAY['User'::text, 'Organization'::text])))
);

ALTER TABLE accounts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE UNLOGGED TABLE adopted_blobs (
    root text NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL
);

CREATE TABLE adoptions (
    root text NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    sealed_at timestamp with time zone
);

CREATE TABLE blobs (
    digest text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    object_key text,
    body bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    suspect_since timestamp with time zone,
    CONSTRAINT blobs_check CHECK (((object_key IS NULL) <> (body IS NULL)))
);

CREATE TABLE cluster_grants (
    id bigint NOT NULL,
    cluster_id bigint NOT NULL,
    namespace text NOT NULL COLLATE pg_catalog."C",
    account text NOT NULL COLLATE pg_catalog."C",
    package text NOT NULL COLLATE pg_catalog."C",
    namespace_pattern text NOT NULL COLLATE pg_catalog."C",
    account_pattern text NOT NULL COLLATE pg_catalog."C",
    package_pattern text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE cluster_grants ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE SEQUENCE cluster_trusts
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE clusters (
    id bigint NOT NULL,
    owner_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    issuer text NOT NULL COLLATE pg_catalog."C",
    audience text,
    jwks jsonb,
    kids text[] COLLATE pg_catalog."C",
    ca text,
    trust bigint DEFAULT nextval('cluster_trusts'::regclass) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT clusters_check CHECK (((jwks IS NULL) = (kids IS NULL)))
);

ALTER TABLE clusters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE dead_objects (
    object_key text NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE device_sign_ins (
    id bigint NOT NULL,
    device_hash bytea NOT NULL,
    user_hash bytea NOT NULL,
    host text NOT NULL,
    address text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    polled_at timestamp with time zone,
    interval_seconds integer DEFAULT 5 NOT NULL,
    account_id bigint,
    approved boolean,
    CONSTRAINT device_sign_ins_device_hash_check CHECK ((octet_length(device_hash) = 32)),
    CONSTRAINT device_sign_ins_user_hash_check CHECK ((octet_length(user_hash) = 32))
);

ALTER TABLE device_sign_ins ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE download_totals (
    version_id bigint NOT NULL,
    package_id bigint NOT NULL,
    count bigint NOT NULL,
    last_at timestamp with time zone
)
WITH (fillfactor='90');

CREATE TABLE downloads (
    version_id bigint NOT NULL,
    day date NOT NULL,
    count bigint NOT NULL
)
WITH (fillfactor='90');

CREATE TABLE event_readers (
    reader text NOT NULL,
    xid xid8 NOT NULL,
    id bigint NOT NULL,
    read_at timestamp with time zone DEFAULT now() NOT NULL,
    held_until timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE event_seals (
    number bigint NOT NULL,
    xid xid8 NOT NULL,
    id bigint NOT NULL,
    count bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    hash bytea NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    signature bytea,
    CONSTRAINT event_seals_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT event_seals_signature_check CHECK ((octet_length(signature) = 64))
);

CREATE SEQUENCE events_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE events (
    id bigint DEFAULT nextval('events_id'::regclass) NOT NULL,
    xid xid8 DEFAULT event_xid() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    action text NOT NULL,
    owner_id bigint,
    package_id bigint,
    version_id bigint,
    digest bytea,
    before_digest bytea,
    tag text COLLATE pg_catalog."C",
    actor_id bigint,
    via text NOT NULL,
    token_id bigint,
    token_name text,
    data jsonb,
    repository_id bigint,
    request_id text,
    remote text,
    user_agent text
)
PARTITION BY RANGE (at);

CREATE TABLE events_default (
    id bigint DEFAULT nextval('events_id'::regclass) NOT NULL,
    xid xid8 DEFAULT event_xid() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    action text NOT NULL,
    owner_id bigint,
    package_id bigint,
    version_id bigint,
    digest bytea,
    before_digest bytea,
    tag text COLLATE pg_catalog."C",
    actor_id bigint,
    via text NOT NULL,
    token_id bigint,
    token_name text,
    data jsonb,
    repository_id bigint,
    request_id text,
    remote text,
    user_agent text
);

CREATE TABLE former_logins (
    login text NOT NULL,
    account_id bigint NOT NULL
);

CREATE TABLE former_repositories (
    owner_id bigint NOT NULL,
    name text NOT NULL,
    repository_id bigint NOT NULL
);

CREATE TABLE held_objects (
    object_key text NOT NULL
);

CREATE TABLE hook_deliveries (
    id bigint NOT NULL,
    hook_id bigint NOT NULL,
    guid uuid DEFAULT gen_random_uuid() NOT NULL,
    redelivery boolean DEFAULT false NOT NULL,
    event text NOT NULL,
    action text,
    lane bigint NOT NULL,
    xid xid8,
    event_id bigint,
    at timestamp with time zone,
    package_id bigint,
    version_id bigint,
    digest text,
    tag text COLLATE pg_catalog."C",
    actor_id bigint,
    data jsonb,
    state text NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    delivered_at timestamp with time zone,
    duration_ms integer,
    status_code integer,
    status text,
    request_headers jsonb,
    payload bytea,
    response_headers jsonb,
    response bytea,
    CONSTRAINT hook_deliveries_state_check CHECK ((state = ANY (ARRAY['held'::text, 'waiting'::text, 'sending'::text, 'delivered'::text, 'failed'::text])))
);

ALTER TABLE hook_deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE hooks (
    id bigint NOT NULL,
    owner_id bigint,
    repository_id bigint,
    sealed bytea NOT NULL,
    content_type text NOT NULL,
    format text NOT NULL,
    events text[] NOT NULL,
    children boolean NOT NULL,
    active boolean NOT NULL,
    since xid8 DEFAULT event_xid() NOT NULL,
    creator_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    rests_until timestamp with time zone DEFAULT now() NOT NULL,
    disabled_reason text,
    last_code integer,
    last_status text,
    CONSTRAINT hooks_check CHECK (((owner_id IS NULL) <> (repository_id IS NULL))),
    CONSTRAINT hooks_content_type_check CHECK ((content_type = ANY (ARRAY['json'::text, 'form'::text]))),
    CONSTRAINT hooks_format_check CHECK ((format = ANY (ARRAY['github'::text, 'distribution'::text, 'cloudevents'::text])))
);

CREATE SEQUENCE hooks_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    account_id bigint NOT NULL,
    email text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone
);

CREATE TABLE job_runs (
    job text NOT NULL,
    pause_seconds double precision NOT NULL,
    ran_at timestamp with time zone,
    worked_at timestamp with time zone,
    items bigint DEFAULT 0 NOT NULL,
    failed_at timestamp with time zone,
    failure text
);

CREATE TABLE link_reviews (
    package_id bigint NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    due_at timestamp with time zone NOT NULL
);

CREATE TABLE manifest_blobs (
    package_id bigint NOT NULL,
    manifest text NOT NULL COLLATE pg_catalog."C",
    blob text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE manifest_children (
    package_id bigint NOT NULL,
    parent text NOT NULL COLLATE pg_catalog."C",
    child text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE manifests (
    package_id bigint NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    id bigint NOT NULL,
    media_type text NOT NULL,
    artifact_type text,
    subject text COLLATE pg_catalog."C",
    annotations jsonb,
    size integer NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_tags text[] DEFAULT '{}'::text[] NOT NULL,
    description text,
    licenses text,
    source_url text,
    sort text DEFAULT 'image'::text NOT NULL,
    platforms text[] DEFAULT '{}'::text[] NOT NULL,
    deleted_by bigint,
    licenses_spdx boolean,
    deleted_with bigint,
    pusher_id bigint,
    pusher_via text,
    pusher_token text,
    image_size bigint,
    CONSTRAINT manifests_sort_check CHECK ((sort = ANY (ARRAY['image'::text, 'signature'::text])))
);

ALTER TABLE manifests ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE memberships (
    org_id bigint NOT NULL,
    user_id bigint NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT memberships_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'member'::text])))
);

CREATE TABLE migrations (
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE mirror_answers (
    owner_id bigint NOT NULL,
    image text NOT NULL COLLATE pg_catalog."C",
    reference text NOT NULL COLLATE pg_catalog."C",
    asking_until timestamp with time zone,
    told_at timestamp with time zone,
    checked_at timestamp with time zone,
    retry_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    kind text,
    why text,
    CONSTRAINT mirror_answers_kind_check CHECK ((kind = ANY (ARRAY['missing'::text, 'denied'::text, 'limited'::text, 'away'::text, 'wrong'::text])))
);

CREATE TABLE mirror_fetches (
    package_id bigint NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    upload_id uuid NOT NULL,
    size bigint NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    failed_at timestamp with time zone,
    retry_at timestamp with time zone,
    kind text,
    why text
);

CREATE TABLE mirror_names (
    name text NOT NULL COLLATE pg_catalog."C",
    is_host boolean NOT NULL,
    owner_id bigint NOT NULL,
    place integer NOT NULL
);

CREATE TABLE mirror_wanted (
    package_id bigint NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    manifest text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    media_type text NOT NULL,
    is_blob boolean NOT NULL
);

CREATE TABLE mirrors (
    owner_id bigint NOT NULL,
    url text NOT NULL,
    username text,
    secret bytea,
    realm_hosts text[] DEFAULT '{}'::text[] NOT NULL,
    allow text[] DEFAULT '{}'::text[] NOT NULL,
    deny text[] DEFAULT '{}'::text[] NOT NULL,
    tag_seconds integer DEFAULT 300 NOT NULL,
    stale_seconds integer,
    missing_seconds integer DEFAULT 60 NOT NULL,
    fetch_by text DEFAULT 'read'::text NOT NULL,
    idle_days integer DEFAULT 30 NOT NULL,
    max_bytes bigint,
    paused boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT mirrors_fetch_by_check CHECK ((fetch_by = ANY (ARRAY['read'::text, 'write'::text, 'anonymous'::text]))),
    CONSTRAINT mirrors_idle_days_check CHECK ((idle_days >= 0)),
    CONSTRAINT mirrors_max_bytes_check CHECK ((max_bytes > 0)),
    CONSTRAINT mirrors_missing_seconds_check CHECK ((missing_seconds >= 0)),
    CONSTRAINT mirrors_stale_seconds_check CHECK ((stale_seconds >= 0)),
    CONSTRAINT mirrors_tag_seconds_check CHECK ((tag_seconds >= 0))
);

CREATE TABLE owner_usage (
    owner_id bigint NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    counted_at timestamp with time zone,
    noted_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE package_blobs (
    package_id bigint NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    linked_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
)
WITH (fillfactor='90');

CREATE TABLE package_repositories (
    package_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    audience text NOT NULL,
    role smallint NOT NULL,
    CONSTRAINT package_repositories_audience_check CHECK ((audience = ANY (ARRAY['actions'::text, 'codespaces'::text]))),
    CONSTRAINT package_repositories_role_check CHECK (((role >= 1) AND (role <= 3)))
);

CREATE TABLE package_teams (
    package_id bigint NOT NULL,
    team_id bigint NOT NULL,
    role smallint NOT NULL,
    CONSTRAINT package_teams_role_check CHECK (((role >= 1) AND (role <= 3)))
);

CREATE TABLE package_usage (
    package_id bigint NOT NULL,
    owner_id bigint NOT NULL,
    bytes bigint NOT NULL
);

CREATE TABLE package_users (
    package_id bigint NOT NULL,
    user_id bigint NOT NULL,
    role smallint NOT NULL,
    CONSTRAINT package_users_role_check CHECK (((role >= 1) AND (role <= 3)))
);

CREATE TABLE package_words (
    package_id bigint NOT NULL,
    word text NOT NULL COLLATE pg_catalog."C",
    owner_id bigint NOT NULL,
    visibility text NOT NULL,
    full_name boolean NOT NULL
);

ALTER TABLE packages ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE passwords (
    account_id bigint NOT NULL,
    hash text NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE pulls_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE pulls (
    id bigint DEFAULT nextval('pulls_id'::regclass) NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    package_id bigint NOT NULL,
    version_id bigint NOT NULL,
    digest bytea NOT NULL,
    tag text COLLATE pg_catalog."C",
    actor_id bigint,
    via text NOT NULL,
    token_id bigint,
    token_name text,
    remote text NOT NULL,
    user_agent text NOT NULL,
    count bigint NOT NULL
)
PARTITION BY RANGE (at);

CREATE TABLE pulls_default (
    id bigint DEFAULT nextval('pulls_id'::regclass) NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    package_id bigint NOT NULL,
    version_id bigint NOT NULL,
    digest bytea NOT NULL,
    tag text COLLATE pg_catalog."C",
    actor_id bigint,
    via text NOT NULL,
    token_id bigint,
    token_name text,
    remote text NOT NULL,
    user_agent text NOT NULL,
    count bigint NOT NULL
);

CREATE TABLE quotas (
    owner_id bigint NOT NULL,
    bytes bigint NOT NULL,
    hard boolean NOT NULL,
    warn_percent smallint NOT NULL,
    warned_at timestamp with time zone,
    CONSTRAINT quotas_bytes_check CHECK ((bytes >= 0)),
    CONSTRAINT quotas_warn_percent_check CHECK (((warn_percent >= 1) AND (warn_percent <= 100)))
);

CREATE TABLE read_only (
    one boolean DEFAULT true NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    reason text NOT NULL,
    CONSTRAINT read_only_one_check CHECK (one)
);

CREATE TABLE repositories (
    id bigint NOT NULL,
    owner_id bigint NOT NULL,
    name text NOT NULL,
    visibility text DEFAULT 'private'::text NOT NULL,
    description text,
    homepage text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT repositories_visibility_check CHECK ((visibility = ANY (ARRAY['private'::text, 'internal'::text, 'public'::text])))
);

ALTER TABLE repositories ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE repository_teams (
    repository_id bigint NOT NULL,
    team_id bigint NOT NULL,
    role smallint NOT NULL,
    CONSTRAINT repository_teams_role_check CHECK (((role >= 1) AND (role <= 3)))
);

CREATE TABLE repository_users (
    repository_id bigint NOT NULL,
    user_id bigint NOT NULL,
    role smallint NOT NULL,
    CONSTRAINT repository_users_role_check CHECK (((role >= 1) AND (role <= 3)))
);

CREATE TABLE retention_decisions (
    plan_id bigint NOT NULL,
    package_id bigint NOT NULL,
    place integer NOT NULL,
    version_id bigint NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    tag text COLLATE pg_catalog."C",
    tags text[] NOT NULL,
    decision text NOT NULL,
    because jsonb NOT NULL,
    outcome text,
    told text,
    CONSTRAINT retention_decisions_decision_check CHECK ((decision = ANY (ARRAY['keep'::text, 'untag'::text, 'delete'::text]))),
    CONSTRAINT retention_decisions_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'changed'::text, 'refused'::text, 'undone'::text, 'lost'::text])))
);

CREATE TABLE retention_plans (
    id bigint NOT NULL,
    owner_id bigint NOT NULL,
    policy_id bigint,
    body jsonb NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    scheduled boolean NOT NULL,
    actor_id bigint,
    package_id bigint DEFAULT 0 NOT NULL,
    held_until timestamp with time zone DEFAULT now() NOT NULL,
    packages integer DEFAULT 0 NOT NULL,
    guarded integer DEFAULT 0 NOT NULL,
    untags integer DEFAULT 0 NOT NULL,
    deletes integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    planned_at timestamp with time zone,
    applied_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT retention_plans_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'planned'::text, 'needs_approval'::text, 'applying'::text, 'applied'::text, 'undoing'::text, 'undone'::text])))
);

ALTER TABLE retention_plans ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE retention_policies (
    id bigint NOT NULL,
    owner_id bigint NOT NULL,
    name text NOT NULL,
    body jsonb NOT NULL,
    schedule text NOT NULL,
    enabled boolean NOT NULL,
    next_at timestamp with time zone DEFAULT (now() + '01:00:00'::interval) NOT NULL,
    updated_by bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT retention_policies_schedule_check CHECK ((schedule = ANY (ARRAY['hourly'::text, 'daily'::text, 'weekly'::text])))
);

ALTER TABLE retention_policies ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE retired_names (
    owner_login text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    retired_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE service_accounts (
    id bigint NOT NULL,
    trusts bigint[] NOT NULL,
    namespace text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    last_used_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE service_accounts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE sign_in_attempts (
    key bytea NOT NULL,
    count integer NOT NULL,
    began_at timestamp with time zone NOT NULL
);

CREATE TABLE sign_in_codes (
    account_id bigint NOT NULL,
    hash bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sign_in_codes_hash_check CHECK ((octet_length(hash) = 32))
);

CREATE TABLE tag_rules (
    id bigint NOT NULL,
    owner_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    package text NOT NULL,
    tags text[] NOT NULL,
    except_tags text[] NOT NULL,
    forbid text[] NOT NULL,
    unless_role text,
    enabled boolean NOT NULL,
    package_pattern text NOT NULL COLLATE pg_catalog."C",
    tag_pattern text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tag_rules_forbid_check CHECK (((forbid <> '{}'::text[]) AND (forbid <@ '{move,delete,create}'::text[]))),
    CONSTRAINT tag_rules_unless_role_check CHECK ((unless_role = 'admin'::text))
);

ALTER TABLE tag_rules ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE tags (
    package_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL COLLATE pg_catalog."C",
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    pusher_id bigint,
    pusher_via text,
    pusher_token text
);

CREATE TABLE team_members (
    team_id bigint NOT NULL,
    user_id bigint NOT NULL
);

CREATE TABLE teams (
    id bigint NOT NULL,
    org_id bigint NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    description text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE teams ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE token_organizations (
    token_id bigint NOT NULL,
    org_id bigint NOT NULL,
    authorized_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE tokens (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    kind text NOT NULL,
    hash bytea NOT NULL,
    last_eight text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    scopes text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    repository_id bigint,
    ceiling smallint,
    rules jsonb,
    subject text,
    device text,
    CONSTRAINT tokens_ceiling_check CHECK (((ceiling >= 1) AND (ceiling <= 3))),
    CONSTRAINT tokens_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT tokens_repository_check CHECK (((repository_id IS NOT NULL) = (kind = ANY (ARRAY['workflow'::text, 'workspace'::text])))),
    CONSTRAINT tokens_rules_check CHECK (((rules IS NOT NULL) = (kind = 'fine_grained'::text)))
)
WITH (fillfactor='90');

ALTER TABLE tokens ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE upload_parts (
    upload_id uuid NOT NULL,
    number integer NOT NULL,
    etag text NOT NULL,
    size bigint NOT NULL
);

CREATE TABLE upload_segments (
    upload_id uuid NOT NULL,
    "position" integer NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL
);

CREATE TABLE uploads (
    id uuid NOT NULL,
    package_id bigint NOT NULL,
    account_id bigint NOT NULL,
    token_id bigint,
    algorithm text NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    digest text COLLATE pg_catalog."C",
    object_key text NOT NULL,
    multipart_id text,
    received bigint DEFAULT 0 NOT NULL,
    hash_state bytea,
    tail bytea DEFAULT '\x'::bytea NOT NULL,
    next_part integer DEFAULT 1 NOT NULL,
    in_store boolean DEFAULT false NOT NULL,
    lease_until timestamp with time zone,
    fence bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    swept boolean DEFAULT false NOT NULL,
    CONSTRAINT uploads_state_check CHECK ((state = ANY (ARRAY['open'::text, 'completing'::text, 'done'::text, 'aborted'::text])))
)
WITH (fillfactor='60');

CREATE TABLE usage_days (
    owner_id bigint NOT NULL,
    day date NOT NULL,
    byte_hours bigint NOT NULL
);

CREATE TABLE usage_deltas (
    owner_id bigint NOT NULL,
    package_id bigint NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    links smallint NOT NULL,
    bytes bigint NOT NULL
);

CREATE TABLE web_sessions (
    token_id bigint NOT NULL,
    way text NOT NULL,
    site_admin boolean NOT NULL,
    proved_at timestamp with time zone NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL,
    CONSTRAINT web_sessions_way_check CHECK ((way = ANY (ARRAY['password'::text, 'code'::text, 'oidc'::text])))
);

ALTER TABLE ONLY events ATTACH PARTITION events_default DEFAULT;

ALTER TABLE ONLY pulls ATTACH PARTITION pulls_default DEFAULT;

ALTER TABLE ONLY accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY adopted_blobs
    ADD CONSTRAINT adopted_blobs_pkey PRIMARY KEY (root, digest);

ALTER TABLE ONLY adoptions
    ADD CONSTRAINT adoptions_pkey PRIMARY KEY (root);

ALTER TABLE ONLY blobs
    ADD CONSTRAINT blobs_object_key_key UNIQUE (object_key);

ALTER TABLE ONLY blobs
    ADD CONSTRAINT blobs_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY cluster_grants
    ADD CONSTRAINT cluster_grants_cluster_id_namespace_account_package_key UNIQUE (cluster_id, namespace, account, package);

ALTER TABLE ONLY cluster_grants
    ADD CONSTRAINT cluster_grants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY clusters
    ADD CONSTRAINT clusters_owner_id_name_key UNIQUE (owner_id, name);

ALTER TABLE ONLY clusters
    ADD CONSTRAINT clusters_pkey PRIMARY KEY (id);

ALTER TABLE ONLY clusters
    ADD CONSTRAINT clusters_trust_key UNIQUE (trust);

ALTER TABLE ONLY dead_objects
    ADD CONSTRAINT dead_objects_pkey PRIMARY KEY (object_key);

ALTER TABLE ONLY device_sign_ins
    ADD CONSTRAINT device_sign_ins_device_hash_key UNIQUE (device_hash);

ALTER TABLE ONLY device_sign_ins
    ADD CONSTRAINT device_sign_ins_pkey PRIMARY KEY (id);

ALTER TABLE ONLY device_sign_ins
    ADD CONSTRAINT device_sign_ins_user_hash_key UNIQUE (user_hash);

ALTER TABLE ONLY download_totals
    ADD CONSTRAINT download_totals_pkey PRIMARY KEY (version_id);

ALTER TABLE ONLY downloads
    ADD CONSTRAINT downloads_pkey PRIMARY KEY (version_id, day);

ALTER TABLE ONLY event_readers
    ADD CONSTRAINT event_readers_pkey PRIMARY KEY (reader);

ALTER TABLE ONLY event_seals
    ADD CONSTRAINT event_seals_pkey PRIMARY KEY (number);

ALTER TABLE ONLY former_logins
    ADD CONSTRAINT former_logins_pkey PRIMARY KEY (login);

ALTER TABLE ONLY former_repositories
    ADD CONSTRAINT former_repositories_pkey PRIMARY KEY (owner_id, name);

ALTER TABLE ONLY held_objects
    ADD CONSTRAINT held_objects_pkey PRIMARY KEY (object_key);

ALTER TABLE ONLY hook_deliveries
    ADD CONSTRAINT hook_deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY hooks
    ADD CONSTRAINT hooks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identities
    ADD CONSTRAINT identities_pkey PRIMARY KEY (issuer, subject);

ALTER TABLE ONLY job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (job);

ALTER TABLE ONLY link_reviews
    ADD CONSTRAINT link_reviews_pkey PRIMARY KEY (package_id, digest);

ALTER TABLE ONLY manifest_blobs
    ADD CONSTRAINT manifest_blobs_pkey PRIMARY KEY (package_id, manifest, blob);

ALTER TABLE ONLY manifest_children
    ADD CONSTRAINT manifest_children_pkey PRIMARY KEY (package_id, parent, child);

ALTER TABLE ONLY manifests
    ADD CONSTRAINT manifests_id_key UNIQUE (id);

ALTER TABLE ONLY manifests
    ADD CONSTRAINT manifests_pkey PRIMARY KEY (package_id, digest);

ALTER TABLE ONLY memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (org_id, user_id);

ALTER TABLE ONLY migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY mirror_answers
    ADD CONSTRAINT mirror_answers_pkey PRIMARY KEY (owner_id, image, reference);

ALTER TABLE ONLY mirror_fetches
    ADD CONSTRAINT mirror_fetches_pkey PRIMARY KEY (package_id, digest);

ALTER TABLE ONLY mirror_names
    ADD CONSTRAINT mirror_names_pkey PRIMARY KEY (name, is_host);

ALTER TABLE ONLY mirror_wanted
    ADD CONSTRAINT mirror_wanted_pkey PRIMARY KEY (package_id, digest, manifest);

ALTER TABLE ONLY mirrors
    ADD CONSTRAINT mirrors_pkey PRIMARY KEY (owner_id);

ALTER TABLE ONLY owner_usage
    ADD CONSTRAINT owner_usage_pkey PRIMARY KEY (owner_id);

ALTER TABLE ONLY package_blobs
    ADD CONSTRAINT package_blobs_pkey PRIMARY KEY (package_id, digest);

ALTER TABLE ONLY package_repositories
    ADD CONSTRAINT package_repositories_pkey PRIMARY KEY (package_id, repository_id, audience);

ALTER TABLE ONLY package_teams
    ADD CONSTRAINT package_teams_pkey PRIMARY KEY (package_id, team_id);

ALTER TABLE ONLY package_usage
    ADD CONSTRAINT package_usage_pkey PRIMARY KEY (package_id);

ALTER TABLE ONLY package_users
    ADD CONSTRAINT package_users_pkey PRIMARY KEY (package_id, user_id);

ALTER TABLE ONLY package_words
    ADD CONSTRAINT package_words_pkey PRIMARY KEY (package_id, word);

ALTER TABLE ONLY packages
    ADD CONSTRAINT packages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY passwords
    ADD CONSTRAINT passwords_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY quotas
    ADD CONSTRAINT quotas_pkey PRIMARY KEY (owner_id);

ALTER TABLE ONLY read_only
    ADD CONSTRAINT read_only_pkey PRIMARY KEY (one);

ALTER TABLE ONLY repositories
    ADD CONSTRAINT repositories_pkey PRIMARY KEY (id);

ALTER TABLE ONLY repository_teams
    ADD CONSTRAINT repository_teams_pkey PRIMARY KEY (repository_id, team_id);

ALTER TABLE ONLY repository_users
    ADD CONSTRAINT repository_users_pkey PRIMARY KEY (repository_id, user_id);

ALTER TABLE ONLY retention_decisions
    ADD CONSTRAINT retention_decisions_pkey PRIMARY KEY (plan_id, package_id, place);

ALTER TABLE ONLY retention_plans
    ADD CONSTRAINT retention_plans_pkey PRIMARY KEY (id);

ALTER TABLE ONLY retention_policies
    ADD CONSTRAINT retention_policies_pkey PRIMARY KEY (id);

ALTER TABLE ONLY retired_names
    ADD CONSTRAINT retired_names_pkey PRIMARY KEY (owner_login, name);

ALTER TABLE ONLY service_accounts
    ADD CONSTRAINT service_accounts_namespace_name_trusts_key UNIQUE (namespace, name, trusts);

ALTER TABLE ONLY service_accounts
    ADD CONSTRAINT service_accounts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY sign_in_attempts
    ADD CONSTRAINT sign_in_attempts_pkey PRIMARY KEY (key);

ALTER TABLE ONLY sign_in_codes
    ADD CONSTRAINT sign_in_codes_hash_key UNIQUE (hash);

ALTER TABLE ONLY sign_in_codes
    ADD CONSTRAINT sign_in_codes_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY tag_rules
    ADD CONSTRAINT tag_rules_owner_id_name_key UNIQUE (owner_id, name);

ALTER TABLE ONLY tag_rules
    ADD CONSTRAINT tag_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (package_id, name);

ALTER TABLE ONLY team_members
    ADD CONSTRAINT team_members_pkey PRIMARY KEY (team_id, user_id);

ALTER TABLE ONLY teams
    ADD CONSTRAINT teams_pkey PRIMARY KEY (id);

ALTER TABLE ONLY teams
    ADD CONSTRAINT teams_slug_key UNIQUE (org_id, slug);

ALTER TABLE ONLY token_organizations
    ADD CONSTRAINT token_organizations_pkey PRIMARY KEY (token_id, org_id);

ALTER TABLE ONLY tokens
    ADD CONSTRAINT tokens_hash_key UNIQUE (hash);

ALTER TABLE tokens
    ADD CONSTRAINT tokens_kind_check CHECK ((kind = ANY (ARRAY['classic'::text, 'fine_grained'::text, 'workflow'::text, 'workspace'::text, 'session'::text]))) NOT VALID;

ALTER TABLE ONLY tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY upload_parts
    ADD CONSTRAINT upload_parts_pkey PRIMARY KEY (upload_id, number);

ALTER TABLE ONLY upload_segments
    ADD CONSTRAINT upload_segments_pkey PRIMARY KEY (upload_id, "position");

ALTER TABLE ONLY uploads
    ADD CONSTRAINT uploads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY usage_days
    ADD CONSTRAINT usage_days_pkey PRIMARY KEY (owner_id, day);

ALTER TABLE ONLY web_sessions
    ADD CONSTRAINT web_sessions_pkey PRIMARY KEY (token_id);

CREATE UNIQUE INDEX accounts_login_key ON accounts USING btree (lower(login)) WHERE (deleted_at IS NULL);

CREATE INDEX accounts_namespace ON accounts USING btree (((lower(login) || '/'::text)) COLLATE "C") WHERE (deleted_at IS NULL);

CREATE INDEX accounts_organizations ON accounts USING btree (id) WHERE ((kind = 'Organization'::text) AND (deleted_at IS NULL));

CREATE INDEX accounts_site_admins ON accounts USING btree (id) WHERE site_admin;

CREATE INDEX accounts_suspended ON accounts USING btree (id) WHERE ((suspended_at IS NOT NULL) AND (deleted_at IS NULL));

CREATE INDEX clusters_issuer ON clusters USING btree (issuer);

CREATE INDEX dead_objects_due ON dead_objects USING btree (not_before);

CREATE INDEX device_sign_ins_account ON device_sign_ins USING btree (account_id) WHERE (account_id IS NOT NULL);

CREATE INDEX device_sign_ins_expired ON device_sign_ins USING btree (expires_at);

CREATE INDEX download_totals_most ON download_totals USING btree (package_id, count);

CREATE INDEX events_commits ON ONLY events USING btree (xid, id);

CREATE INDEX events_owner ON ONLY events USING btree (owner_id, xid, id);

CREATE INDEX events_default_owner_id_xid_id_idx ON events_default USING btree (owner_id, xid, id);

CREATE INDEX events_package ON ONLY events USING btree (package_id, id);

CREATE INDEX events_default_package_id_id_idx ON events_default USING btree (package_id, id);

CREATE INDEX events_tag ON ONLY events USING btree (package_id, tag, id) WHERE (tag IS NOT NULL);

CREATE INDEX events_default_package_id_tag_id_idx ON events_default USING btree (package_id, tag, id) WHERE (tag IS NOT NULL);

CREATE INDEX events_default_xid_id_idx ON events_default USING btree (xid, id);

CREATE INDEX hook_deliveries_created ON hook_deliveries USING btree (created_at);

CREATE INDEX hook_deliveries_held ON hook_deliveries USING btree (due_at) WHERE (state = 'held'::text);

CREATE INDEX hook_deliveries_held_version ON hook_deliveries USING btree (version_id) WHERE (state = 'held'::text);

CREATE INDEX hook_deliveries_hook ON hook_deliveries USING btree (hook_id, id);

CREATE UNIQUE INDEX hook_deliveries_once ON hook_deliveries USING btree (hook_id, xid, event_id, event) WHERE (NOT redelivery);

CREATE INDEX hook_deliveries_open ON hook_deliveries USING btree (hook_id, lane, id) WHERE (state = ANY (ARRAY['waiting'::text, 'sending'::text]));

CREATE INDEX hook_deliveries_sending ON hook_deliveries USING btree (hook_id) WHERE (state = 'sending'::text);

CREATE INDEX hooks_owner ON hooks USING btree (owner_id, id) WHERE (owner_id IS NOT NULL);

CREATE INDEX hooks_repository ON hooks USING btree (repository_id, id) WHERE (repository_id IS NOT NULL);

CREATE INDEX identities_account ON identities USING btree (account_id);

CREATE INDEX link_reviews_due ON link_reviews USING btree (due_at);

CREATE INDEX manifest_blobs_blob ON manifest_blobs USING btree (package_id, blob);

CREATE INDEX manifest_children_child ON manifest_children USING btree (package_id, child);

CREATE INDEX manifests_deleted ON manifests USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX manifests_deleted_with ON manifests USING btree (package_id, deleted_with) WHERE (deleted_with IS NOT NULL);

CREATE INDEX manifests_live ON manifests USING btree (package_id, id) WHERE (deleted_at IS NULL);

CREATE INDEX manifests_restorable ON manifests USING btree (package_id, deleted_at, id) WHERE (deleted_at IS NOT NULL);

CREATE INDEX manifests_subject ON manifests USING btree (package_id, subject, digest) WHERE ((subject IS NOT NULL) AND (deleted_at IS NULL));

CREATE INDEX manifests_unsized ON manifests USING btree (id) WHERE (image_size IS NULL);

CREATE INDEX memberships_user ON memberships USING btree (user_id);

CREATE INDEX mirror_answers_failed ON mirror_answers USING btree (owner_id, told_at) WHERE (kind <> 'missing'::text);

CREATE INDEX mirror_answers_good ON mirror_answers USING btree (owner_id, told_at) WHERE ((kind IS NULL) OR (kind = 'missing'::text));

CREATE INDEX mirror_answers_told ON mirror_answers USING btree (told_at);

CREATE INDEX mirror_names_owner ON mirror_names USING btree (owner_id, is_host, place);

CREATE INDEX mirror_wanted_manifest ON mirror_wanted USING btree (package_id, manifest);

CREATE INDEX owner_usage_due ON owner_usage USING btree (counted_at NULLS FIRST);

CREATE INDEX owner_usage_largest ON owner_usage USING btree (bytes);

CREATE INDEX owner_usage_noted ON owner_usage USING btree (noted_at);

CREATE INDEX package_blobs_digest ON package_blobs USING btree (digest);

CREATE INDEX package_repositories_repository ON package_repositories USING btree (repository_id);

CREATE INDEX package_teams_team ON package_teams USING btree (team_id);

CREATE INDEX package_usage_empty ON package_usage USING btree (package_id) WHERE (bytes = 0);

CREATE INDEX package_usage_largest ON package_usage USING btree (owner_id, bytes);

CREATE INDEX package_users_user ON package_users USING btree (user_id);

CREATE INDEX package_words_named ON package_words USING btree (visibility, word, package_id) WHERE full_name;

CREATE INDEX package_words_owner ON package_words USING btree (owner_id, visibility, word, package_id);

CREATE INDEX package_words_seen ON package_words USING btree (visibility, word, package_id);

CREATE INDEX packages_deleted ON packages USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX packages_deleted_name ON packages USING btree (owner_id, name, deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE UNIQUE INDEX packages_name_key ON packages USING btree (owner_id, name) WHERE (deleted_at IS NULL);

CREATE INDEX packages_newest ON packages USING btree (visibility, published_at, id) WHERE ((deleted_at IS NULL) AND (published_at IS NOT NULL));

CREATE INDEX packages_owner ON packages USING btree (owner_id, id) WHERE (deleted_at IS NULL);

CREATE INDEX packages_owner_newest ON packages USING btree (owner_id, visibility, published_at, id) WHERE ((deleted_at IS NULL) AND (published_at IS NOT NULL));

CREATE INDEX packages_repository ON packages USING btree (repository_id) WHERE (repository_id IS NOT NULL);

CREATE INDEX packages_unpublished ON packages USING btree (created_at) WHERE (published_at IS NULL);

CREATE INDEX pulls_package ON ONLY pulls USING btree (package_id, id);

CREATE INDEX pulls_default_package_id_id_idx ON pulls_default USING btree (package_id, id);

CREATE INDEX repositories_created ON repositories USING btree (owner_id, id) WHERE (deleted_at IS NULL);

CREATE UNIQUE INDEX repositories_name_key ON repositories USING btree (owner_id, lower(name)) WHERE (deleted_at IS NULL);

CREATE INDEX repositories_public ON repositories USING btree (owner_id) WHERE ((visibility = 'public'::text) AND (deleted_at IS NULL));

CREATE INDEX repositories_updated ON repositories USING btree (owner_id, updated_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX repository_teams_listed ON repository_teams USING btree (team_id, repository_id);

CREATE INDEX repository_users_user ON repository_users USING btree (user_id);

CREATE INDEX retention_decisions_version ON retention_decisions USING btree (version_id, plan_id);

CREATE INDEX retention_plans_made ON retention_plans USING btree (created_at);

CREATE INDEX retention_plans_open ON retention_plans USING btree (id) WHERE (state = ANY (ARRAY['queued'::text, 'applying'::text, 'undoing'::text]));

CREATE INDEX retention_plans_owner ON retention_plans USING btree (owner_id, id);

CREATE INDEX retention_plans_policy ON retention_plans USING btree (policy_id) WHERE (policy_id IS NOT NULL);

CREATE INDEX retention_policies_due ON retention_policies USING btree (next_at) WHERE enabled;

CREATE UNIQUE INDEX retention_policies_name ON retention_policies USING btree (owner_id, lower(name));

CREATE INDEX service_accounts_used ON service_accounts USING btree (last_used_at);

CREATE INDEX sign_in_attempts_began ON sign_in_attempts USING btree (began_at);

CREATE INDEX tags_digest ON tags USING btree (package_id, digest);

CREATE INDEX tags_newest ON tags USING btree (package_id, updated_at, name);

CREATE INDEX team_members_user ON team_members USING btree (user_id);

CREATE INDEX token_organizations_org ON token_organizations USING btree (org_id);

CREATE INDEX tokens_account ON tokens USING btree (account_id);

CREATE INDEX tokens_expired ON tokens USING btree (expires_at) WHERE (kind = ANY (ARRAY['workflow'::text, 'workspace'::text]));

CREATE INDEX tokens_personal ON tokens USING btree (id) WHERE ((kind = ANY (ARRAY['classic'::text, 'fine_grained'::text])) AND (revoked_at IS NULL));

CREATE INDEX tokens_repository ON tokens USING btree (repository_id) WHERE (repository_id IS NOT NULL);

CREATE INDEX tokens_sessions ON tokens USING btree (account_id, id) WHERE (kind = 'session'::text);

CREATE INDEX tokens_sessions_expired ON tokens USING btree (expires_at) WHERE (kind = 'session'::text);

CREATE INDEX uploads_account ON uploads USING btree (account_id) WHERE ((state = 'open'::text) AND (digest IS NULL));

CREATE INDEX uploads_expiry ON uploads USING btree (expires_at);

CREATE INDEX uploads_package ON uploads USING btree (package_id);

CREATE INDEX uploads_token ON uploads USING btree (token_id) WHERE (token_id IS NOT NULL);

CREATE INDEX usage_deltas_keys ON usage_deltas USING btree (owner_id, digest);

ALTER INDEX events_owner ATTACH PARTITION events_default_owner_id_xid_id_idx;

ALTER INDEX events_package ATTACH PARTITION events_default_package_id_id_idx;

ALTER INDEX events_tag ATTACH PARTITION events_default_package_id_tag_id_idx;

ALTER INDEX events_commits ATTACH PARTITION events_default_xid_id_idx;

ALTER INDEX pulls_package ATTACH PARTITION pulls_default_package_id_id_idx;

CREATE TRIGGER accounts_renamed AFTER UPDATE ON accounts FOR EACH ROW WHEN ((lower(old.login) <> lower(new.login))) EXECUTE FUNCTION index_renamed_owner();

CREATE TRIGGER adopted_objects BEFORE INSERT ON dead_objects FOR EACH ROW WHEN ((NOT starts_with(new.object_key, 'b/'::text))) EXECUTE FUNCTION hold_adopted_objects();

CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change_of_events();

CREATE TRIGGER packages_changed AFTER UPDATE ON packages FOR EACH ROW WHEN ((package_seen(old.*) <> package_seen(new.*))) EXECUTE FUNCTION index_package();

CREATE TRIGGER packages_made AFTER INSERT ON packages FOR EACH ROW WHEN ((new.published_at IS NOT NULL)) EXECUTE FUNCTION index_package();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE OF id, kind, login, name, email, site_admin, created_at, deleted_at, description, packages_inherit_access, packages_sso_required, members_can_create_public_packages, members_can_create_private_packages, members_can_create_internal_packages ON accounts FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON cluster_grants FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON clusters FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE OF sealed, content_type, format, events, children, active ON hooks FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON manifests FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON memberships FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON mirrors FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE UPDATE OF deleted_at ON package_blobs FOR EACH ROW WHEN ((new.deleted_at IS NOT NULL)) EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON package_repositories FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON package_teams FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON package_users FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON packages FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE OF bytes, hard, warn_percent ON quotas FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON repositories FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON repository_teams FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON repository_users FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON retention_plans FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON retention_policies FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON tag_rules FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON tags FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON team_members FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR DELETE OR UPDATE ON teams FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT OR UPDATE ON token_organizations FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT ON tokens FOR EACH ROW WHEN (((new.kind = ANY (ARRAY['classic'::text, 'fine_grained'::text])) AND (new.device IS NULL))) EXECUTE FUNCTION refuse_while_read_only();

CREATE TRIGGER read_only BEFORE INSERT ON uploads FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

ALTER TABLE ONLY cluster_grants
    ADD CONSTRAINT cluster_grants_cluster_id_fkey FOREIGN KEY (cluster_id) REFERENCES clusters(id) ON DELETE CASCADE;

ALTER TABLE ONLY clusters
    ADD CONSTRAINT clusters_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY device_sign_ins
    ADD CONSTRAINT device_sign_ins_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts(id);

ALTER TABLE ONLY former_logins
    ADD CONSTRAINT former_logins_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts(id);

ALTER TABLE ONLY former_repositories
    ADD CONSTRAINT former_repositories_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY former_repositories
    ADD CONSTRAINT former_repositories_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES repositories(id);

ALTER TABLE ONLY hooks
    ADD CONSTRAINT hooks_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY hooks
    ADD CONSTRAINT hooks_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES repositories(id);

ALTER TABLE ONLY identities
    ADD CONSTRAINT identities_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts(id);

ALTER TABLE ONLY manifest_blobs
    ADD CONSTRAINT manifest_blobs_package_id_blob_fkey FOREIGN KEY (package_id, blob) REFERENCES package_blobs(package_id, digest);

ALTER TABLE ONLY manifest_blobs
    ADD CONSTRAINT manifest_blobs_package_id_manifest_fkey FOREIGN KEY (package_id, manifest) REFERENCES manifests(package_id, digest);

ALTER TABLE ONLY manifest_children
    ADD CONSTRAINT manifest_children_package_id_child_fkey FOREIGN KEY (package_id, child) REFERENCES manifests(package_id, digest);

ALTER TABLE ONLY manifest_children
    ADD CONSTRAINT manifest_children_package_id_parent_fkey FOREIGN KEY (package_id, parent) REFERENCES manifests(package_id, digest);

ALTER TABLE ONLY manifests
    ADD CONSTRAINT manifests_deleted_by_fkey FOREIGN KEY (deleted_by) REFERENCES accounts(id);

ALTER TABLE ONLY manifests
    ADD CONSTRAINT manifests_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id);

ALTER TABLE ONLY memberships
    ADD CONSTRAINT memberships_org_id_fkey FOREIGN KEY (org_id) REFERENCES accounts(id);

ALTER TABLE ONLY memberships
    ADD CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES accounts(id);

ALTER TABLE ONLY mirror_answers
    ADD CONSTRAINT mirror_answers_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES mirrors(owner_id) ON DELETE CASCADE;

ALTER TABLE ONLY mirror_fetches
    ADD CONSTRAINT mirror_fetches_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id) ON DELETE CASCADE;

ALTER TABLE ONLY mirror_names
    ADD CONSTRAINT mirror_names_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES mirrors(owner_id) ON DELETE CASCADE;

ALTER TABLE ONLY mirror_wanted
    ADD CONSTRAINT mirror_wanted_package_id_manifest_fkey FOREIGN KEY (package_id, manifest) REFERENCES manifests(package_id, digest) ON DELETE CASCADE;

ALTER TABLE ONLY mirrors
    ADD CONSTRAINT mirrors_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY package_blobs
    ADD CONSTRAINT package_blobs_digest_fkey FOREIGN KEY (digest) REFERENCES blobs(digest);

ALTER TABLE ONLY package_blobs
    ADD CONSTRAINT package_blobs_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id);

ALTER TABLE ONLY package_repositories
    ADD CONSTRAINT package_repositories_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id) ON DELETE CASCADE;

ALTER TABLE ONLY package_repositories
    ADD CONSTRAINT package_repositories_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES repositories(id);

ALTER TABLE ONLY package_teams
    ADD CONSTRAINT package_teams_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id) ON DELETE CASCADE;

ALTER TABLE ONLY package_teams
    ADD CONSTRAINT package_teams_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams(id) ON DELETE CASCADE;

ALTER TABLE ONLY package_users
    ADD CONSTRAINT package_users_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id) ON DELETE CASCADE;

ALTER TABLE ONLY package_users
    ADD CONSTRAINT package_users_user_id_fkey FOREIGN KEY (user_id) REFERENCES accounts(id);

ALTER TABLE ONLY package_words
    ADD CONSTRAINT package_words_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id) ON DELETE CASCADE;

ALTER TABLE ONLY packages
    ADD CONSTRAINT packages_creator_id_fkey FOREIGN KEY (creator_id) REFERENCES accounts(id);

ALTER TABLE ONLY packages
    ADD CONSTRAINT packages_deleted_by_fkey FOREIGN KEY (deleted_by) REFERENCES accounts(id);

ALTER TABLE ONLY packages
    ADD CONSTRAINT packages_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY packages
    ADD CONSTRAINT packages_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES repositories(id);

ALTER TABLE ONLY passwords
    ADD CONSTRAINT passwords_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts(id);

ALTER TABLE ONLY quotas
    ADD CONSTRAINT quotas_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY repositories
    ADD CONSTRAINT repositories_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY repository_teams
    ADD CONSTRAINT repository_teams_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES repositories(id);

ALTER TABLE ONLY repository_teams
    ADD CONSTRAINT repository_teams_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams(id) ON DELETE CASCADE;

ALTER TABLE ONLY repository_users
    ADD CONSTRAINT repository_users_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES repositories(id);

ALTER TABLE ONLY repository_users
    ADD CONSTRAINT repository_users_user_id_fkey FOREIGN KEY (user_id) REFERENCES accounts(id);

ALTER TABLE ONLY retention_plans
    ADD CONSTRAINT retention_plans_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES accounts(id);

ALTER TABLE ONLY retention_plans
    ADD CONSTRAINT retention_plans_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY retention_plans
    ADD CONSTRAINT retention_plans_policy_id_fkey FOREIGN KEY (policy_id) REFERENCES retention_policies(id) ON DELETE SET NULL;

ALTER TABLE ONLY retention_policies
    ADD CONSTRAINT retention_policies_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY retention_policies
    ADD CONSTRAINT retention_policies_updated_by_fkey FOREIGN KEY (updated_by) REFERENCES accounts(id);

ALTER TABLE ONLY sign_in_codes
    ADD CONSTRAINT sign_in_codes_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts(id);

ALTER TABLE ONLY tag_rules
    ADD CONSTRAINT tag_rules_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts(id);

ALTER TABLE ONLY tags
    ADD CONSTRAINT tags_package_id_digest_fkey FOREIGN KEY (package_id, digest) REFERENCES manifests(package_id, digest);

ALTER TABLE ONLY tags
    ADD CONSTRAINT tags_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id);

ALTER TABLE ONLY team_members
    ADD CONSTRAINT team_members_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams(id) ON DELETE CASCADE;

ALTER TABLE ONLY team_members
    ADD CONSTRAINT team_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES accounts(id);

ALTER TABLE ONLY teams
    ADD CONSTRAINT teams_org_id_fkey FOREIGN KEY (org_id) REFERENCES accounts(id);

ALTER TABLE ONLY token_organizations
    ADD CONSTRAINT token_organizations_org_id_fkey FOREIGN KEY (org_id) REFERENCES accounts(id);

ALTER TABLE ONLY token_organizations
    ADD CONSTRAINT token_organizations_token_id_fkey FOREIGN KEY (token_id) REFERENCES tokens(id) ON DELETE CASCADE;

ALTER TABLE ONLY tokens
    ADD CONSTRAINT tokens_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts(id);

ALTER TABLE ONLY tokens
    ADD CONSTRAINT tokens_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES repositories(id);

ALTER TABLE ONLY upload_parts
    ADD CONSTRAINT upload_parts_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES uploads(id) ON DELETE CASCADE;

ALTER TABLE ONLY upload_segments
    ADD CONSTRAINT upload_segments_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES uploads(id) ON DELETE CASCADE;

ALTER TABLE ONLY uploads
    ADD CONSTRAINT uploads_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts(id);

ALTER TABLE ONLY uploads
    ADD CONSTRAINT uploads_package_id_fkey FOREIGN KEY (package_id) REFERENCES packages(id);

ALTER TABLE ONLY uploads
    ADD CONSTRAINT uploads_token_id_fkey FOREIGN KEY (token_id) REFERENCES tokens(id);

ALTER TABLE ONLY web_sessions
    ADD CONSTRAINT web_sessions_token_id_fkey FOREIGN KEY (token_id) REFERENCES tokens(id) ON DELETE CASCADE;

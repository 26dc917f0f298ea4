-- Packages as GitHub has them: organizations, teams, source repositories, roles, kinds of tokens, metadata, downloads.
-- Roles are numbers, so that the highest counts: 1 read, 2 write, 3 admin.

ALTER TABLE accounts
    ADD description text,
    ADD packages_inherit_access boolean NOT NULL DEFAULT true,
    ADD packages_sso_required boolean NOT NULL DEFAULT false,
    ADD members_can_create_public_packages boolean NOT NULL DEFAULT true,
    ADD members_can_create_private_packages boolean NOT NULL DEFAULT true,
    ADD members_can_create_internal_packages boolean NOT NULL DEFAULT true;

-- A namespace whose account was renamed or deleted; nobody gets the full names of its popular public packages again.
CREATE TABLE retired_names (
    owner_login text        NOT NULL,
    name        text        NOT NULL COLLATE "C",
    retired_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_login, name)
);

CREATE TABLE memberships (
    org_id     bigint      NOT NULL REFERENCES accounts,
    user_id    bigint      NOT NULL REFERENCES accounts,
    role       text        NOT NULL CHECK (role IN ('admin', 'member')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE teams (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id      bigint      NOT NULL REFERENCES accounts,
    slug        text        NOT NULL,
    name        text        NOT NULL,
    description text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT teams_slug_key UNIQUE (org_id, slug)
);

CREATE TABLE team_members (
    team_id bigint NOT NULL REFERENCES teams ON DELETE CASCADE,
    user_id bigint NOT NULL REFERENCES accounts,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);

-- Source repositories as a forge or a script tells of them; nothing is ever fetched from one.
CREATE TABLE repositories (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id    bigint      NOT NULL REFERENCES accounts,
    name        text        NOT NULL,
    visibility  text        NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'internal', 'public')),
    description text,
    homepage    text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz
);
CREATE UNIQUE INDEX repositories_name_key ON repositories (owner_id, lower(name)) WHERE deleted_at IS NULL;

CREATE TABLE repository_users (
    repository_id bigint   NOT NULL REFERENCES repositories,
    user_id       bigint   NOT NULL REFERENCES accounts,
    role          smallint NOT NULL CHECK (role BETWEEN 1 AND 3),
    PRIMARY KEY (repository_id, user_id)
);
CREATE INDEX repository_users_user ON repository_users (user_id);

CREATE TABLE repository_teams (
    repository_id bigint   NOT NULL REFERENCES repositories,
    team_id       bigint   NOT NULL REFERENCES teams ON DELETE CASCADE,
    role          smallint NOT NULL CHECK (role BETWEEN 1 AND 3),
    PRIMARY KEY (repository_id, team_id)
);
CREATE INDEX repository_teams_team ON repository_teams (team_id);

ALTER TABLE packages
    ADD repository_id bigint REFERENCES repositories,
    -- Whether people have their role over the package from its repository, and not from the grants below.
    ADD inherit_access boolean NOT NULL DEFAULT false,
    ADD description text,
    ADD licenses text,
    ADD source_url text,
    ADD deleted_by bigint REFERENCES accounts;
CREATE INDEX packages_repository ON packages (repository_id) WHERE repository_id IS NOT NULL;
CREATE INDEX packages_deleted ON packages (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX packages_owner ON packages (owner_id, id) WHERE deleted_at IS NULL;

CREATE TABLE package_users (
    package_id bigint   NOT NULL REFERENCES packages,
    user_id    bigint   NOT NULL REFERENCES accounts,
    role       smallint NOT NULL CHECK (role BETWEEN 1 AND 3),
    PRIMARY KEY (package_id, user_id)
);
CREATE INDEX package_users_user ON package_users (user_id);

CREATE TABLE package_teams (
    package_id bigint   NOT NULL REFERENCES packages,
    team_id    bigint   NOT NULL REFERENCES teams ON DELETE CASCADE,
    role       smallint NOT NULL CHECK (role BETWEEN 1 AND 3),
    PRIMARY KEY (package_id, team_id)
);
CREATE INDEX package_teams_team ON package_teams (team_id);

-- «Manage Actions access» and «Manage Codespaces access»: what the tokens of a repository may do.
CREATE TABLE package_repositories (
    package_id    bigint   NOT NULL REFERENCES packages,
    repository_id bigint   NOT NULL REFERENCES repositories,
    audience      text     NOT NULL CHECK (audience IN ('actions', 'codespaces')),
    role          smallint NOT NULL CHECK (role BETWEEN 1 AND 3),
    PRIMARY KEY (package_id, repository_id, audience)
);
CREATE INDEX package_repositories_repository ON package_repositories (repository_id);

ALTER TABLE tokens
    DROP CONSTRAINT tokens_kind_check,
    ADD CONSTRAINT tokens_kind_check CHECK (kind IN ('classic', 'fine_grained', 'workflow', 'workspace')),
    -- Of workflow and workspace tokens: they speak for a repository, not for the account that minted them.
    ADD repository_id bigint REFERENCES repositories,
    -- The highest role that such a token can have anywhere: 1 for packages: read, 3 for packages: write.
    ADD ceiling smallint CHECK (ceiling BETWEEN 1 AND 3),
    -- Of fine-grained tokens: [{"packages": glob, "actions": [read, write, delete]}]
    ADD rules jsonb,
    ADD CONSTRAINT tokens_repository_check CHECK ((repository_id IS NOT NULL) = (kind IN ('workflow', 'workspace'))),
    ADD CONSTRAINT tokens_rules_check CHECK ((rules IS NOT NULL) = (kind = 'fine_grained'));
CREATE INDEX tokens_expired ON tokens (expires_at) WHERE kind IN ('workflow', 'workspace');

CREATE TABLE token_organizations (
    token_id      bigint      NOT NULL REFERENCES tokens ON DELETE CASCADE,
    org_id        bigint      NOT NULL REFERENCES accounts,
    authorized_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (token_id, org_id)
);

ALTER TABLE manifests
    ADD description text,
    ADD licenses text,
    ADD source_url text,
    -- What sort of thing it is, for counting downloads: an image, or a signature or attestation of one.
    ADD sort text NOT NULL DEFAULT 'image' CHECK (sort IN ('image', 'signature')),
    ADD platforms text[] NOT NULL DEFAULT '{}',
    ADD deleted_by bigint REFERENCES accounts;
CREATE INDEX manifests_versions ON manifests (package_id, id);
CREATE INDEX manifests_deleted ON manifests (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE downloads (
    version_id bigint NOT NULL,
    day        date   NOT NULL,
    count      bigint NOT NULL,
    PRIMARY KEY (version_id, day)
);

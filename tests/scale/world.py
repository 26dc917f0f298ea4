"""A registry of any size, told as SQL: who there is, what they own, what was pushed and pulled.

Everything is a function of its number, so that a test can name what it wants without looking. At scale 1 there are a
million packages with ten manifests and thirty tags each, and beside them package 1, with 500,000 tags. Digests are of
numbers, not of bytes; bodies are those of small real images, of one layer and a base.
"""

from dataclasses import dataclass
from typing import Final

from tests.scale import hooks, mirrors

#: What numbers stand for; of the session that loads, so that the schema stays as it is.
FUNCTIONS: Final = """
CREATE FUNCTION pg_temp.digest(kind text, number bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 'sha256:' || encode(sha256((kind || number::text)::bytea), 'hex');
CREATE FUNCTION pg_temp.key(number bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 'b/' || left(md5(number::text), 2) || '/' || md5(number::text);
"""


@dataclass(frozen=True, slots=True)
class World:
    """How many there are of each."""

    scale: float

    def _n(self, at_one: int, least: int) -> int:
        return max(least, round(at_one * self.scale))

    @property
    def packages(self) -> int:
        return self._n(1_000_000, 1000)

    @property
    def users(self) -> int:
        return self._n(200_000, 200)

    @property
    def orgs(self) -> int:
        return self._n(20_000, 20)

    @property
    def big(self) -> int:
        """The packages of the largest organization, which is the first: 1 to so many."""
        return self._n(20_000, 200)

    @property
    def big_members(self) -> int:
        return self._n(10_000, 100)

    @property
    def big_teams(self) -> int:
        return self._n(1000, 50)

    @property
    def big_tags(self) -> int:
        """The tags of package 1, three to a manifest."""
        return self._n(500_000, 3000)

    @property
    def tokens(self) -> int:
        return 2 * self.users

    def user(self, number: int) -> str:
        return "admin" if number == 1 else f"user-{number}"

    def org(self, number: int) -> str:
        return f"org-{number}"

    def owner(self, package: int) -> str:
        """The login of the account that owns a package."""
        if package <= self.big:
            return self.org(1)
        spread = package * 7919
        return self.org(1 + spread % self.orgs) if package % 5 < 3 else self.user(1 + spread % self.users)

    def statements(self) -> dict[str, str]:
        """Table and columns to the SELECT of its rows, in an order in which each may read those before it."""
        return {**self._accounts(), **self._rights(), **self._images(), **self._work()}

    def _accounts(self) -> dict[str, str]:
        return {
            "accounts (id, kind, login, name, email, site_admin, packages_sso_required)": f"""
    SELECT n, 'User', CASE n WHEN 1 THEN 'admin' ELSE 'user-' || n END, 'User ' || n, 'user' || n || '@example.com',
           n = 1, false
      FROM generate_series(1, {self.users}) n
     UNION ALL
    SELECT {self.users} + n, 'Organization', 'org-' || n, 'Organization ' || n, NULL, false, n % 50 = 2
      FROM generate_series(1, {self.orgs}) n""",
            "repositories (id, owner_id, name, visibility, description, deleted_at)": f"""
    SELECT r, {self._owner("(2 * r)")}, 'repo-' || r, {self._visibility("(2 * r)")}, 'What ' || r || ' is about',
           CASE WHEN r % 200 = 0 THEN now() END
      FROM generate_series(1, {self.packages // 2}::bigint) r""",
            "packages (id, owner_id, name, visibility, creator_id, created_at, published_at, deleted_at, "
            "repository_id, inherit_access, description, licenses, licenses_spdx)": f"""
    SELECT p, owner.id, CASE WHEN p % 3 = 0 THEN 'services/' ELSE '' END || 'app-' || p, {self._visibility("p")},
           CASE WHEN owner.id = {self.users} + 1 THEN 1 + p % {self.big_members}
                WHEN owner.id > {self.users} THEN 1 + (owner.id - {self.users}) * 31 % {self.users}
                ELSE owner.id END,
           now() - (p % 1000) * interval '1 day',
           CASE WHEN p % 1000 = 3 OR p % 2000 = 11 THEN NULL ELSE now() - (p % 1000) * interval '1 day' END,
           CASE WHEN p % 2000 = 11 THEN now() - interval '40 days' WHEN p % 100 = 7 THEN now() - p % 29 * interval '1 day' END,
           CASE WHEN p % 2 = 0 AND p % 400 <> 0 THEN p / 2 END, p % 4 = 0 AND p % 400 <> 0,
           'What ' || p || ' does', 'Apache-2.0', true
      FROM generate_series(1, {self.packages}::bigint) p CROSS JOIN LATERAL (SELECT {self._owner("p")} AS id) AS owner""",
        }

    @property
    def _words(self) -> str:
        return """
    SELECT p.id, words.word, p.owner_id, p.visibility, words.full_name
      FROM packages p JOIN accounts owner ON owner.id = p.owner_id
     CROSS JOIN LATERAL package_words_of(owner.login, p.name) AS words
     WHERE p.published_at IS NOT NULL AND p.deleted_at IS NULL"""

    def _owner(self, package: str) -> str:
        return f"""CASE
            WHEN {package} <= {self.big} THEN {self.users} + 1
            WHEN {package} % 5 < 3 THEN {self.users} + 1 + {package} * 7919 % {self.orgs}
            ELSE 1 + {package} * 7919 % {self.users} END"""

    def _visibility(self, package: str) -> str:
        return f"""CASE
            WHEN {package} % 10 < 4 THEN 'public'
            WHEN {package} % 10 < 6 AND ({package} % 5 < 3 OR {package} <= {self.big}) THEN 'internal'
            ELSE 'private' END"""

    def _rights(self) -> dict[str, str]:
        users, org_of = self.users, f"(p.owner_id - {self.users})"
        seat = f"1 + (org * 31 + i * 97) % {users}"
        place = f"CASE WHEN org = 1 THEN 1 + (t * 17 + i * 13) % {self.big_members} ELSE {seat} END"
        return {
            "package_words (package_id, word, owner_id, visibility, full_name)": self._words,
            "memberships (org_id, user_id, role)": f"""
    SELECT {users} + org, {seat}, CASE WHEN i < 2 THEN 'admin' ELSE 'member' END
      FROM generate_series(2, {self.orgs}) org, generate_series(0, 29) i
     UNION ALL
    SELECT {users} + 1, u, CASE WHEN u < 12 THEN 'admin' ELSE 'member' END
      FROM generate_series(1, {self.big_members}) u""",
            "teams (id, org_id, slug, name)": f"""
    SELECT (org - 1) * 3 + t, {users} + org, 'team-' || t, 'Team ' || t
      FROM generate_series(1, {self.orgs}) org, generate_series(1, 3) t
     UNION ALL
    SELECT 3 * {self.orgs} + t, {users} + 1, 'crew-' || t, 'Crew ' || t FROM generate_series(1, {self.big_teams}) t""",
            "tag_rules (owner_id, name, package, tags, except_tags, forbid, enabled, package_pattern, tag_pattern)": f"""
    SELECT {users} + org, rule, '*', '{{stable-*}}', '{{}}', '{{move,delete}}', true, '^.*$',
           '^(?:(?!sha(?:256|512)-)(?:stable-.*))$'
      FROM generate_series(1, {self.orgs}) org, unnest('{{releases,old}}'::text[]) rule""",
            "clusters (owner_id, name, issuer, jwks, kids)": f"""
    SELECT {users} + org, name, 'https://kubernetes.default.svc.cluster.local', '{{}}', ARRAY['kid-' || org]
      FROM generate_series(1, {self.orgs}) org, unnest('{{prod,test}}'::text[]) name""",
            "cluster_grants (cluster_id, namespace, account, package, namespace_pattern, account_pattern, package_pattern)": f"""
    SELECT c, '*', 'web-' || n, '*', '^.*$', '^web-' || n || '$', '^.*$'
      FROM generate_series(1, {self.orgs}) c, generate_series(1, 5) n""",
            "service_accounts (trusts, namespace, name, last_used_at)": f"""
    SELECT ARRAY[1 + n % {self.orgs}]::bigint[], 'team-' || n % 100, 'web-' || n, now() - n * interval '1 hour'
      FROM generate_series(1, {self.orgs} * 10) n""",
            "team_members (team_id, user_id)": f"""
    SELECT t.id, {place}
      FROM (SELECT id, id AS t, org_id - {users} AS org FROM teams) AS t, generate_series(0, 4) i""",
            "package_users (package_id, user_id, role)": f"""
    SELECT p.id, p.creator_id, 3 FROM packages p WHERE p.owner_id > {users} AND NOT p.inherit_access
     UNION ALL
    SELECT p.id, 1 + p.id * 13 % {users}, 1 FROM packages p
     WHERE p.id % 3 = 1 AND NOT p.inherit_access AND p.creator_id <> 1 + p.id * 13 % {users}""",
            "package_teams (package_id, team_id, role)": f"""
    SELECT p.id, ({org_of} - 1) * 3 + 1 + p.id % 2, 2 FROM packages p
     WHERE p.owner_id > {users} AND p.id % 3 = 0 AND NOT p.inherit_access""",
            "package_repositories (package_id, repository_id, audience, role)": """
    SELECT p.id, p.repository_id, audience, role
      FROM packages p, (VALUES ('actions', 3), ('codespaces', 2)) AS given (audience, role)
     WHERE p.repository_id IS NOT NULL AND NOT p.inherit_access""",
            "repository_users (repository_id, user_id, role)": f"""
    SELECT r.id, p.creator_id, 3 FROM repositories r JOIN packages p ON p.id = 2 * r.id WHERE r.owner_id > {users}
     UNION ALL
    SELECT r.id, 1 + r.id * 13 % {users}, 1 FROM repositories r JOIN packages p ON p.id = 2 * r.id
     WHERE r.id % 3 = 1 AND p.creator_id <> 1 + r.id * 13 % {users}""",
            "repository_teams (repository_id, team_id, role)": f"""
    SELECT r.id, (r.owner_id - {users} - 1) * 3 + 1 + r.id % 2, 2 FROM repositories r
     WHERE r.owner_id > {users} AND r.id % 2 = 0""",
            "tokens (id, account_id, kind, hash, last_eight, note, scopes, rules, last_used_at)": f"""
    SELECT n, 1 + n % {users}, CASE WHEN n % 10 = 0 THEN 'fine_grained' ELSE 'classic' END,
           sha256(('token' || n)::bytea), right(n::text || 'abcdefgh', 8), 'laptop ' || n,
           CASE WHEN n % 10 = 0 THEN '{{}}' ELSE '{{read:packages,write:packages}}' END::text[],
           CASE WHEN n % 10 = 0 THEN '[{{"packages": "org-1/*", "actions": ["read"]}}]' END::jsonb,
           now() - n % 100 * interval '1 hour'
      FROM generate_series(1, {self.tokens}) n""",
            "tokens (id, account_id, kind, hash, last_eight, repository_id, ceiling, expires_at)": f"""
    SELECT {self.tokens} + r.id, p.creator_id, 'workflow', sha256(('workflow' || r.id)::bytea), '', r.id, 3,
           now() + (r.id % 8 - 2) * interval '1 hour'
      FROM repositories r JOIN packages p ON p.id = 2 * r.id WHERE r.id % 20 = 1""",
            "token_organizations (token_id, org_id)": f"""
    SELECT n, {users} + 1 + n % {self.orgs} FROM generate_series(1, {self.tokens}, 4) n""",
            "tokens (id, account_id, kind, hash, last_eight, scopes, last_used_at, expires_at)": f"""
    SELECT 10 * {self.tokens} + n, n, 'session', sha256(('session' || n)::bytea), '', '{{user}}',
           now() - n % 10 * interval '1 minute', now() + (n % 80 - 2) * interval '1 day'
      FROM generate_series(1, {users}) n""",
            "web_sessions (token_id, way, site_admin, proved_at, address, user_agent)": """
    SELECT id, 'password', account_id = 1, now(), '192.0.2.1', 'Mozilla/5.0' FROM tokens WHERE kind = 'session'""",
            "passwords (account_id, hash)": f"""
    SELECT n, 'hash' || n FROM generate_series(1, {users}) n""",
            "sign_in_codes (account_id, hash, expires_at)": f"""
    SELECT n, sha256(('code' || n)::bytea), now() + interval '1 hour' FROM generate_series(1, {users}) n""",
            "sign_in_attempts (key, count, began_at)": f"""
    SELECT sha256(('attempt' || n)::bytea), 3, now() - n % 48 * interval '1 hour' FROM generate_series(1, {users}) n""",
            "identities (issuer, subject, account_id)": f"""
    SELECT 'https://id.example', n::text, n FROM generate_series(1, {users}) n""",
            "device_sign_ins (id, device_hash, user_hash, host, address, scopes, expires_at, account_id)": f"""
    SELECT n, sha256(('device' || n)::bytea), sha256(('typed' || n)::bytea), 'host', '192.0.2.1', '{{user}}',
           now() + (n % 80 - 70) * interval '1 minute', CASE WHEN n % 2 = 0 THEN n END
      FROM generate_series(1, {users}) n""",
            "job_runs (job, pause_seconds, ran_at)": """
    SELECT 'job-' || n, 30, now() FROM generate_series(1, 8) n""",
            # A row of it would refuse all others.
            "read_only (reason)": "SELECT 'on' WHERE false",
            **hooks.tables(self.users, self.packages),
            "event_seals (number, xid, id, count, first_at, hash, signature)": """
    SELECT n, n::text::xid8, n, 7, now(), sha256('seal'), sha512('seal') FROM generate_series(1, 100) n""",
            "retired_names (owner_login, name)": f"""
    SELECT 'gone-' || n, 'app-' || n FROM generate_series(1, {self.packages // 100}) n""",
            "former_logins (login, account_id)": f"""
    SELECT 'once-' || n, n FROM generate_series(1, {users}, 10) n""",
            "former_repositories (owner_id, name, repository_id)": """
    SELECT owner_id, 'once-' || id, id FROM repositories WHERE id % 10 = 1""",
        }

    def _images(self) -> dict[str, str]:
        """Of ten manifests of a package two are indexes of two images, two images of their own, two signatures."""
        slots = "packages p CROSS JOIN generate_series(0, 9) k"
        published = "p.published_at IS NOT NULL"
        is_image, is_index, is_signature = "k % 5 IN (1, 2, 3)", "k % 5 = 0", "k % 5 = 4"
        extra = f"generate_series(10 * ({self.packages}::bigint + 1), {self._last_manifest}) n"
        return {
            "blobs (digest, size, object_key, body)": f"""
    SELECT {_digest("c", "n")}, 350, NULL, {_CONFIG}::bytea FROM {self._numbers} WHERE n % 10 % 5 IN (1, 2, 3)
     UNION ALL
    SELECT {_digest("l", "n")}, 20000000 + n % 10000000, {_key("n")}, NULL FROM {self._numbers}
     WHERE n % 10 % 5 IN (1, 2, 3)
     UNION ALL
    SELECT {_digest("s", "n")}, 250, NULL, {_PAYLOAD}::bytea FROM {self._numbers} WHERE n % 10 % 5 = 4
     UNION ALL
    SELECT {_digest("b", "n")}, 50000000, {_key("-n")}, NULL FROM generate_series(0, 999) n""",
            "package_blobs (package_id, digest, linked_at)": f"""
    SELECT p.id, of_package.digest, p.published_at
      FROM packages p CROSS JOIN LATERAL (
            SELECT {_digest(*"cn")} FROM (SELECT 10 * p.id + k AS n FROM generate_series(0, 9) k WHERE {is_image}) AS i
             UNION ALL
            SELECT {_digest(*"ln")} FROM (SELECT 10 * p.id + k AS n FROM generate_series(0, 9) k WHERE {is_image}) AS i
             UNION ALL
            SELECT {_digest("s", "10 * p.id + k")} FROM generate_series(4, 9, 5) k
             UNION ALL
            SELECT {_digest("b", "p.id % 1000")}
             UNION ALL
            SELECT {_digest("b", "0")} WHERE p.id % 1000 <> 0) AS of_package (digest)
     WHERE {published}
     UNION ALL
    SELECT 1, {_digest("c", "n")}, now() FROM {extra} WHERE n % 10 % 5 IN (1, 2, 3)
     UNION ALL
    SELECT 1, {_digest("l", "n")}, now() FROM {extra} WHERE n % 10 % 5 IN (1, 2, 3)""",
            "manifests (package_id, digest, id, media_type, artifact_type, subject, annotations, size, body, "
            "created_at, deleted_at, deleted_tags, deleted_by, deleted_with, sort, platforms, image_size, "
            "pusher_id, pusher_via, pusher_token)": f"""
    SELECT p.id, {_digest("m", "made.n")}, made.n,
           CASE WHEN {is_index} THEN {_INDEX} ELSE {_MANIFEST} END,
           CASE WHEN {is_signature} THEN 'application/vnd.dev.cosign.artifact.sig.v1+json' END,
           CASE WHEN {is_signature} THEN {_digest("m", "made.n - 1")} END,
           CASE WHEN {is_signature} THEN '{{"org.opencontainers.image.created": "2026-01-01T00:00:00Z"}}'::jsonb END,
           octet_length(made.body), made.body::bytea, p.created_at + k * interval '1 hour',
           CASE WHEN gone.it THEN now() - p.id % 29 * interval '1 day' END,
           CASE WHEN gone.it AND k = 8 THEN ARRAY['old'] ELSE '{{}}' END,
           CASE WHEN gone.it THEN p.creator_id END, CASE WHEN gone.it AND k = 9 THEN made.n - 1 END,
           CASE WHEN {is_signature} THEN 'signature' ELSE 'image' END,
           CASE WHEN {is_index} THEN ARRAY['linux/amd64', 'linux/arm64'] WHEN {is_image} THEN ARRAY['linux/amd64']
                ELSE '{{}}' END, 1000000, p.creator_id, 'classic', 'laptop'
      FROM {slots}
     CROSS JOIN LATERAL (SELECT 10 * p.id + k AS n, {_body("10 * p.id + k", "p.id % 1000")} AS body) AS made
     CROSS JOIN LATERAL (SELECT p.id % 50 = 0 AND k > 7 AS it) AS gone
     WHERE {published}
     UNION ALL
    SELECT 1, {_digest("m", "n")}, n, {_MANIFEST}, NULL, NULL, NULL, octet_length(body), body::bytea, now(), NULL,
           '{{}}', NULL, NULL, 'image', '{{linux/amd64}}', NULL, NULL, NULL, NULL
      FROM {extra} CROSS JOIN LATERAL (SELECT {_image("n", "1")} AS body) AS made WHERE n % 10 % 5 IN (1, 2, 3)""",
            "manifest_blobs (package_id, manifest, blob)": f"""
    SELECT p.id, {_digest("m", "made.n")}, used.blob
      FROM {slots}
     CROSS JOIN LATERAL (SELECT 10 * p.id + k AS n) AS made
     CROSS JOIN LATERAL (
            SELECT {_digest("c", "made.n")} WHERE {is_image}
             UNION ALL SELECT {_digest("l", "made.n")} WHERE {is_image}
             UNION ALL SELECT {_digest("b", "p.id % 1000")} WHERE {is_image}
             UNION ALL SELECT {_digest("s", "made.n")} WHERE {is_signature}
             UNION ALL SELECT {_digest("b", "0")} WHERE {is_signature}) AS used (blob)
     WHERE {published}
     UNION ALL
    SELECT 1, {_digest("m", "n")}, used.blob
      FROM {extra}
     CROSS JOIN LATERAL (VALUES ({_digest("c", "n")}), ({_digest("l", "n")}), ({_digest("b", "1")})) AS used (blob)
     WHERE n % 10 % 5 IN (1, 2, 3)""",
            "manifest_children (package_id, parent, child)": f"""
    SELECT p.id, {_digest("m", "10 * p.id + k")}, {_digest("m", "10 * p.id + k + c")}
      FROM packages p, generate_series(0, 5, 5) k, generate_series(1, 2) c WHERE {published}""",
            "tags (package_id, name, digest, updated_at, pusher_id, pusher_via, pusher_token)": f"""
    SELECT p.id, CASE WHEN t < 2 THEN replace({_digest("m", "10 * p.id + 3 + 5 * t")}, ':', '-') || '.sig'
                      WHEN t = 2 THEN 'latest' ELSE 'v1.' || t || '.' || p.id % 10 END,
           {_digest("m", "10 * p.id + CASE WHEN t < 2 THEN 4 + 5 * t ELSE (ARRAY[0, 3, 5, 8])[t % 4 + 1] END")},
           p.created_at + t * interval '1 hour', p.creator_id, 'classic', 'laptop'
      FROM packages p, generate_series(0, 29) t
     WHERE {published} AND NOT (p.id % 50 = 0 AND (t = 1 OR t % 4 = 3))
     UNION ALL
    SELECT 1, 'build-' || lpad(t::text, 7, '0'),
           {_digest("m", f"10 * ({self.packages}::bigint + 1) + t / 9 * 5 + t % 9 / 3 + 1")}, now(),
           NULL, NULL, NULL
      FROM generate_series(0, {self.big_tags} - 1) t""",
            "pulls (id, at, package_id, version_id, digest, tag, actor_id, via, remote, user_agent, count)": f"""
    SELECT 3 * p.id + t, now() - t * interval '1 day', p.id, 10 * p.id, '\\x00'::bytea, 'latest', p.creator_id, 'classic',
           '192.0.2.1', 'docker', 1
      FROM packages p, generate_series(0, 2) t WHERE {published}""",
            "events (id, xid, action, owner_id, package_id, version_id, digest, tag, actor_id, via, token_name)": f"""
    SELECT 3 * p.id + t, {_xid("p.id")}, 'packages.tag_moved', p.owner_id, p.id, 10 * p.id, '\\x00'::bytea, 'latest', p.creator_id,
           'classic', 'laptop'
      FROM packages p, generate_series(0, 2) t WHERE {published}
     UNION ALL
    SELECT 4 * {self.packages}::bigint + t, {_xid("t")}, 'packages.tag_created', (SELECT owner_id FROM packages WHERE id = 1), 1, 10,
           '\\x00'::bytea, 'build-' || lpad((t / 2)::text, 7, '0'), 1, 'classic', 'laptop'
      FROM generate_series(0, 2 * {self.big_tags} - 1) t""",
            "downloads (version_id, day, count)": f"""
    SELECT 10 * p.id + k, current_date - d, {_DOWNLOADS}
      FROM packages p, generate_series(0, 5, 5) k, generate_series(0, 4) d WHERE {published}""",
            "download_totals (version_id, package_id, count)": f"""
    SELECT 10 * p.id + k, p.id, (SELECT sum({_DOWNLOADS}) FROM generate_series(0, 4) d)
      FROM packages p, generate_series(0, 5, 5) k WHERE {published}""",
        }

    @property
    def _last_manifest(self) -> str:
        """The number of the last manifest of package 1: of five numbers three are images, of three tags each."""
        return f"10 * ({self.packages}::bigint + 1) + {self.big_tags} / 9 * 5 + 4"

    @property
    def _numbers(self) -> str:
        return f"generate_series(10, {self._last_manifest}) n"

    def _work(self) -> dict[str, str]:
        """What is under way, or waits for a job."""
        sessions = self.packages // 100
        return {
            "uploads (id, package_id, account_id, token_id, algorithm, state, object_key, expires_at)": f"""
    SELECT md5('upload' || n)::uuid, p.id, p.creator_id, 1 + n % {self.tokens}, 'sha256',
           CASE WHEN n % 10 = 0 THEN 'open' ELSE 'done' END, {_key("n")} || 'u', now() + interval '1 hour'
      FROM generate_series(1, {sessions}) n JOIN packages p ON p.id = 50 * n""",
            "upload_parts (upload_id, number, etag, size)": f"""
    SELECT md5('upload' || n)::uuid, part, md5(part::text), 16777216
      FROM generate_series(10, {sessions}, 10) n, generate_series(1, 5) part""",
            "upload_segments (upload_id, position, object_key, size)": f"""
    SELECT md5('upload' || n)::uuid, 0, {_key("n")} || 's', 65536 FROM generate_series(10, {sessions}, 10) n""",
            "link_reviews (package_id, digest, due_at)": f"""
    SELECT 10 * n, {_digest("l", "100 * n + 1")}, now() + n % 86400 * interval '1 second'
      FROM generate_series(1, {self.packages // 10}) n""",
            "usage_deltas (owner_id, package_id, digest, links, bytes)": f"""
    SELECT p.owner_id, p.id, {_digest("b", "0")}, 1, 50000000 FROM packages p WHERE p.id % 1000 <> 0
     ORDER BY p.id LIMIT 100""",
            "owner_usage (owner_id, bytes, counted_at)": """
    SELECT id, 1000000 + id, now() - id % 20 * interval '1 hour' FROM accounts""",
            "package_usage (package_id, owner_id, bytes)": """
    SELECT id, owner_id, 1000000 + id FROM packages""",
            "usage_days (owner_id, day, byte_hours)": """
    SELECT id, current_date - d, 1000000 FROM accounts, generate_series(0, 9) d""",
            "quotas (owner_id, bytes, hard, warn_percent)": """
    SELECT id, 500000 + 1000 * id, id % 2 = 0, 90 FROM accounts WHERE id % 3 <> 0""",
            "retention_policies (id, owner_id, name, body, schedule, enabled)": f"""
    SELECT n, {self.users} + n, 'ci', '{{"rules": [], "packages": ["*"]}}', 'daily', n % 2 = 0
      FROM generate_series(1, {self.orgs}) n""",
            "retention_plans (id, owner_id, policy_id, body, state, scheduled, planned_at)": f"""
    SELECT n, {self.users} + 1 + n / 3 % {self.orgs}, 1 + n / 3 % {self.orgs}, '{{"rules": [], "packages": ["*"]}}',
           CASE WHEN n % 1000 = 999 THEN 'queued' ELSE 'planned' END, true, now()
      FROM generate_series(1, {30 * self.orgs}) n""",
            "retention_decisions (plan_id, package_id, place, version_id, digest, tags, decision, because)": f"""
    SELECT 1 + n / 100, 1, n % 100, 10 + n % 100, {_digest("m", "10 + n % 100")}, '{{}}', 'delete', '[]'
      FROM generate_series(0, {3000 * self.orgs} - 1) n""",
            "dead_objects (object_key, not_before)": f"""
    SELECT {_key("n")} || 'd', now() + n % 3600 * interval '1 second' FROM generate_series(1, {sessions}) n""",
            **mirrors.tables(self.users, self.packages),
            "adoptions (root)": "SELECT 'docker/registry/v2'",
            "adopted_blobs (root, digest, size)": f"""
    SELECT 'docker/registry/v2', {_digest("adopted", "n")}, 1 FROM generate_series(1, {sessions}) n""",
            "held_objects (object_key)": f"SELECT 'docker/' || n FROM generate_series(1, {sessions}) n",
        }


def _digest(kind: str, number: str) -> str:
    """m: manifest, c: config, l: layer, b: base layer, s: signature."""
    return f"pg_temp.digest('{kind}', {number})"


def _xid(number: str) -> str:
    """SQL of a transaction, in no order: what is in order seems dear to read where pages in a row are made dear."""
    return f"(1 + {number}::bigint * 7919 % 1000003)::text::xid8"


def _key(number: str) -> str:
    return f"pg_temp.key({number})"


#: Of a version on a day; one package of a hundred is popular.
_DOWNLOADS: Final = "(1 + (p.id + k + d) % 20) * CASE WHEN p.id % 100 = 0 THEN 1000 ELSE 1 END"
_INDEX: Final = "'application/vnd.oci.image.index.v1+json'"
_MANIFEST: Final = "'application/vnd.oci.image.manifest.v1+json'"
_CONFIG: Final = """format(
    '{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","config":{"Env":["PATH=/usr/bin:/bin"],'
    '"Cmd":["/app","--number","%s"]},"rootfs":{"type":"layers","diff_ids":["%s","%s"]}}',
    n, pg_temp.digest('d', n), pg_temp.digest('e', n))"""
_PAYLOAD: Final = """format(
    '{"critical":{"identity":{"docker-reference":"registry.example/app"},"image":{"docker-manifest-digest":"%s"},'
    '"type":"cosign container image signature"},"optional":null}', pg_temp.digest('m', n - 1))"""


def _image(number: str, base: str) -> str:
    return f"""format(
    '{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
    '"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":350}},"layers":['
    '{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%s","size":50000000}},'
    '{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%s","size":20000000}}]}}',
    {_digest("c", number)}, {_digest("b", base)}, {_digest("l", number)})"""


def _body(number: str, base: str) -> str:
    return f"""CASE WHEN k % 5 = 0 THEN format(
    '{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":['
    '{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":600,'
    '"platform":{{"architecture":"amd64","os":"linux"}}}},'
    '{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":600,'
    '"platform":{{"architecture":"arm64","os":"linux"}}}}]}}',
    {_digest("m", number + " + 1")}, {_digest("m", number + " + 2")})
    WHEN k % 5 = 4 THEN format(
    '{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
    '"config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":2}},"layers":['
    '{{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":"%s","size":250}}],'
    '"subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":600}}}}',
    {_digest("b", "0")}, {_digest("s", number)}, {_digest("m", number + " - 1")})
    ELSE {_image(number, base)} END"""

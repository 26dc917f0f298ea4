"""Access facts of a caller and a package, read from Postgres: the input of ``auth.permissions.decide``.

Every statement that serves a request selects these columns, so that the requested rows and the rights to them come
from one snapshot, and a revoked right is gone with the very next request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, LiteralString, TypeVar

import msgspec

from storage.metadata.query import Query, lines, select


class AccessFacts(msgspec.Struct, frozen=True):
    """Facts of a caller, the holder of token ``$1`` (NULL: anonymous), and a package, ``$2`` owner and ``$3`` image.

    A Struct and no dataclass: one is made for each request, in a tenth of the time.

    ``role`` and ``namespace_role``: 0 none, 1 read, 2 write, 3 admin, over the package and over its namespace; what
    the token narrows is not in them. A workflow or workspace token has the roles of its repository, not of its account.
    """

    account_id: int | None
    token_usable: bool
    token_kind: str | None
    scopes: list[str] | None
    rules: str | None  # JSON of a fine-grained token
    ceiling: int | None  # the highest role that a token of a repository may have
    token_repository_id: int | None
    owner_id: int | None
    owner_kind: str | None
    sso_missing: bool  # the organization requires its authorisation, and the token does not have it
    package_id: int | None
    visibility: str | None
    namespace_role: int
    role: int


Row = TypeVar("Row", bound=AccessFacts)

#: Who has the highest role in the namespace.
_CHIEF: Final[LiteralString] = "caller.site_admin OR caller.id = owner.id OR seat.role = 'admin'"

#: The caller's role over ``package``; ``owner``, ``token``, ``source`` and ``seat`` as FROM names them.
ROLE: Final[LiteralString] = f"""CASE
    WHEN package.id IS NULL OR caller.id IS NULL THEN 0
    WHEN token.repository_id IS NOT NULL THEN greatest(
        CASE WHEN package.visibility = 'internal' AND source.owner_id = owner.id THEN 1 ELSE 0 END,
        CASE WHEN package.inherit_access AND package.repository_id = token.repository_id
             THEN CASE token.kind WHEN 'workflow' THEN 3 ELSE 2 END ELSE 0 END,
        (SELECT role FROM package_repositories
          WHERE package_id = package.id AND repository_id = token.repository_id
            AND audience = CASE token.kind WHEN 'workflow' THEN 'actions' ELSE 'codespaces' END))
    WHEN {_CHIEF} THEN 3
    ELSE greatest(
        CASE WHEN package.visibility = 'internal' AND seat.role IS NOT NULL THEN 1 ELSE 0 END,
        CASE WHEN package.inherit_access
             THEN greatest(
                (SELECT role FROM repository_users
                  WHERE repository_id = package.repository_id AND user_id = caller.id),
                (SELECT max(grants.role) FROM repository_teams grants
                   JOIN team_members member ON member.team_id = grants.team_id
                  WHERE grants.repository_id = package.repository_id AND member.user_id = caller.id))
             ELSE greatest(
                (SELECT role FROM package_users WHERE package_id = package.id AND user_id = caller.id),
                (SELECT max(grants.role) FROM package_teams grants
                   JOIN team_members member ON member.team_id = grants.team_id
                  WHERE grants.package_id = package.id AND member.user_id = caller.id))
        END)
END"""


def _columns(
    *, usable: LiteralString, sso_missing: LiteralString, of_repository: LiteralString, role: LiteralString
) -> LiteralString:
    """Build the columns; ``usable``: of a token with a usable account; ``of_repository``: its namespace role."""
    return f"""
    caller.id AS account_id,
    (asked.token_id IS NULL OR (caller.id IS NOT NULL AND {usable})) AS token_usable,
    token.kind AS token_kind,
    token.scopes,
    token.rules::text AS rules,
    token.ceiling::int AS ceiling,
    token.repository_id AS token_repository_id,
    owner.id AS owner_id,
    owner.kind AS owner_kind,
    {sso_missing} AS sso_missing,
    package.id AS package_id,
    package.visibility,
    CASE
        WHEN token.repository_id IS NOT NULL THEN {of_repository}
        WHEN {_CHIEF} THEN 3
        WHEN seat.role = 'member' AND owner.members_can_create_private_packages THEN 2
        ELSE 0
    END AS namespace_role,
    {role}::int AS role
"""


COLUMNS: Final[LiteralString] = _columns(
    usable="(token.repository_id IS NULL OR source.id IS NOT NULL)",
    sso_missing="""coalesce(owner.packages_sso_required, false)
        AND token.repository_id IS NULL AND caller.id IS NOT NULL AND token.kind <> 'session'
        AND NOT EXISTS (SELECT 1 FROM token_organizations
                         WHERE token_id = token.id AND org_id = owner.id)""",
    of_repository="CASE WHEN source.owner_id = owner.id THEN 2 ELSE 0 END",
    role=ROLE,
)

#: Who asks, and for what: once, or in lines with a ``reference`` each and their ``place``; an empty one is NULL.
_ASKED: Final[LiteralString] = "FROM (SELECT $1::bigint AS token_id, $2::text AS owner, $3::text AS image) AS asked"
_ASKED_MANY: Final[LiteralString] = f"""
  FROM (SELECT token_id::bigint, owner, image, reference, place
          FROM unnest({lines("$1")}, {lines("$2")}, {lines("$3")}, {lines("$4")})
               WITH ORDINALITY AS given (token_id, owner, image, reference, place)
       ) AS asked
"""
_OWNER: Final[LiteralString] = """
  LEFT JOIN accounts owner ON lower(owner.login) = asked.owner AND owner.deleted_at IS NULL
"""
# LIMIT 1 here, and in what is joined to it, changes no row: in plain left joins PostgreSQL 18 looks the second part of
# a key up among all that the first part has: all packages of an owner, all tags of a package.
_PACKAGE: Final[LiteralString] = """
  LEFT JOIN LATERAL (
        SELECT * FROM packages WHERE owner_id = owner.id AND name = asked.image AND deleted_at IS NULL LIMIT 1
       ) AS package ON true
"""
_DELETED: Final[LiteralString] = """
  LEFT JOIN LATERAL (
        SELECT * FROM packages
         WHERE owner_id = owner.id AND name = asked.image AND deleted_at IS NOT NULL AND published_at IS NOT NULL
           AND ($4::bigint IS NULL OR id = $4::bigint)
         ORDER BY deleted_at DESC, id DESC LIMIT 1
       ) AS package ON true
"""
_SOURCE: Final[LiteralString] = """
  LEFT JOIN repositories source ON source.id = token.repository_id AND source.deleted_at IS NULL
"""


def _caller(source: LiteralString) -> LiteralString:
    """Render the joins of the caller: its token, account, ``source`` (a repository's join, or none) and seat."""
    return f"""
  LEFT JOIN LATERAL (
        SELECT id, account_id, kind, scopes, rules, ceiling, repository_id
          FROM tokens WHERE id = asked.token_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
       ) AS token ON true
  LEFT JOIN accounts caller
         ON caller.id = token.account_id AND caller.suspended_at IS NULL AND caller.deleted_at IS NULL
  {source}
  LEFT JOIN memberships seat ON seat.org_id = owner.id AND seat.user_id = caller.id
"""


_CALLER: Final[LiteralString] = _caller(_SOURCE)


@dataclass(frozen=True, slots=True)
class Parts:
    """A statement's parts that say the facts: its columns, and FROM over one key (``once``) or lines (``many``)."""

    columns: LiteralString
    once: LiteralString
    many: LiteralString


def _facts(columns: LiteralString, caller: LiteralString) -> Parts:
    found: LiteralString = f"{_OWNER}{_PACKAGE}{caller}"
    return Parts(columns, f"{_ASKED}{found}", f"{_ASKED_MANY}{found}")


_FULL: Final = _facts(COLUMNS, _CALLER)
#: One row always, whatever of it is missing.
FROM: Final = _FULL.once
#: The same over the deleted package of that name and the id ``$4``, or NULL: the one that was deleted last.
FROM_DELETED: Final[LiteralString] = f"{_ASKED}{_OWNER}{_DELETED}{_CALLER}"

#: The same for the person ``$1``, with a token that narrows nothing, in place of the holder of a token.
FROM_PERSON: Final[LiteralString] = f"""
  FROM (SELECT 0::bigint AS token_id, $1::bigint AS account_id, $2::text AS owner, $3::text AS image) AS asked
  {_OWNER}{_PACKAGE}
 CROSS JOIN (SELECT 0::bigint AS id, 'classic' AS kind, '{{write:packages,delete:packages}}'::text[] AS scopes,
                    NULL::jsonb AS rules, NULL::smallint AS ceiling, NULL::bigint AS repository_id) AS token
  LEFT JOIN accounts caller
         ON caller.id = asked.account_id AND caller.suspended_at IS NULL AND caller.deleted_at IS NULL
  {_SOURCE}
  LEFT JOIN memberships seat ON seat.org_id = owner.id AND seat.user_id = caller.id
"""

#: The ``role`` of a caller whom the fast query cannot settle: a token of a repository, and all who need a grant.
NEEDS_FULL_QUERY: Final = -1

# A token of a repository is never settled, nor anybody whom an organization may ask for its SSO. Nor is a package that
# is not there, where one that is would not be: the second query would tell the hidden from the missing by its time.
_COLUMNS_FAST: Final[LiteralString] = _columns(
    usable="true",
    sso_missing="false",
    of_repository="0",
    role=f"""CASE
        WHEN token.repository_id IS NOT NULL OR (owner.packages_sso_required AND caller.id IS NOT NULL)
            THEN {NEEDS_FULL_QUERY}
        WHEN caller.id IS NULL THEN 0
        WHEN {_CHIEF} THEN CASE WHEN package.id IS NULL THEN 0 ELSE 3 END
        ELSE {NEEDS_FULL_QUERY}
    END""",
)
_FAST: Final = _facts(_COLUMNS_FAST, _caller(""))


def full_and_fast(row: type[Row], statement: Callable[[Parts], LiteralString]) -> tuple[Query[Row], Query[Row]]:
    """Declare a statement twice: the full query, and a fast one that reads no grants.

    The fast query settles nobody, an owner and an administrator; for others the role is NEEDS_FULL_QUERY. PostgreSQL
    begins each part of a statement whether it comes to it or not: the grants are half of what a look-up costs, and
    most callers need none.
    """
    return select(row, statement(_FULL)), select(row, statement(_FAST))


#: The same facts of a service account, whose id is that of its row below zero: what its clusters are granted, and of
#: nothing else. ``ceiling`` is 1 where the owner has one of its clusters. A grant is over names: the role is there
#: whether the package is or not.
_GRANTED: Final[LiteralString] = """coalesce((
        SELECT 1 FROM clusters cluster JOIN cluster_grants given ON given.cluster_id = cluster.id
         WHERE cluster.owner_id = owner.id AND cluster.trust = ANY (known.trusts)
           AND known.namespace ~ given.namespace_pattern AND known.name ~ given.account_pattern
           AND asked.image ~ given.package_pattern
         LIMIT 1), 0)"""
_OF_SERVICE_ACCOUNT: Final = _facts(
    f"""
    NULL::bigint AS account_id,
    EXISTS (SELECT FROM clusters WHERE trust = ANY (known.trusts)) AS token_usable,
    'service_account' AS token_kind,
    '{{read:packages}}'::text[] AS scopes,
    NULL::text AS rules,
    EXISTS (SELECT FROM clusters
             WHERE owner_id = owner.id AND trust = ANY (known.trusts))::int AS ceiling,
    NULL::bigint AS token_repository_id,
    owner.id AS owner_id,
    owner.kind AS owner_kind,
    false AS sso_missing,
    package.id AS package_id,
    package.visibility,
    {_GRANTED} AS namespace_role,
    {_GRANTED} AS role
""",
    "LEFT JOIN service_accounts known ON known.id = -asked.token_id",
)


def is_service_account(token_id: int | None) -> bool:
    """Return whether the id of a caller's token is that of a service account, which is below zero."""
    return token_id is not None and token_id < 0


def every_way(row: type[Row], statement: Callable[[Parts], LiteralString]) -> tuple[Query[Row], Query[Row], Query[Row]]:
    """Declare a statement three times: as ``full_and_fast`` does, and for service accounts, which need neither."""
    return *full_and_fast(row, statement), select(row, statement(_OF_SERVICE_ACCOUNT))


def full_and_keyless(row: type[Row], statement: Callable[[Parts], LiteralString]) -> tuple[Query[Row], Query[Row]]:
    """Declare the full query, and the one for service accounts."""
    return select(row, statement(_FULL)), select(row, statement(_OF_SERVICE_ACCOUNT))


#: What begins a statement with READABLE: what the token ``$1`` or the person behind it was given, each found once, so
#: that a list need not look for it at every package.
GIVEN: Final[LiteralString] = """
WITH person AS MATERIALIZED (
    SELECT account_id AS id FROM tokens WHERE id = $1 AND repository_id IS NULL
), seats AS MATERIALIZED (
    SELECT org_id, role FROM memberships WHERE user_id = (SELECT id FROM person)
), places AS MATERIALIZED (
    SELECT team_id FROM team_members WHERE user_id = (SELECT id FROM person)
), given_packages AS MATERIALIZED (
    SELECT package_id FROM package_users WHERE user_id = (SELECT id FROM person)
     UNION ALL
    SELECT package_id FROM places JOIN package_teams USING (team_id)
     UNION ALL
    SELECT grants.package_id
      FROM tokens token JOIN package_repositories grants ON grants.repository_id = token.repository_id
     WHERE token.id = $1 AND grants.audience = CASE token.kind WHEN 'workflow' THEN 'actions' ELSE 'codespaces' END
), given_repositories AS MATERIALIZED (
    SELECT repository_id FROM repository_users WHERE user_id = (SELECT id FROM person)
     UNION ALL
    SELECT repository_id FROM places JOIN repository_teams USING (team_id)
)
"""

#: Whether ``$1`` is a session of a browser. The person is there, who else would have to authorise the token for SSO.
IN_PERSON: Final[LiteralString] = "coalesce((SELECT kind = 'session' FROM tokens WHERE id = $1), false)"

#: What a token narrows, over ``package``, as ``auth.permissions`` has it for one package: the SSO of its organization,
#: the globs of a fine-grained token (``_``, ``*`` and ``?`` are all that can stand in one and mean something to LIKE),
#: the scopes of a classic one. A token of a repository has the permission to read at least.
_NARROWED: Final[LiteralString] = f"""(
    (NOT owner.packages_sso_required OR {IN_PERSON}
     OR owner.id IN (SELECT org_id FROM token_organizations WHERE token_id = $1))
    AND CASE token.kind
        WHEN 'fine_grained' THEN EXISTS (
            SELECT 1 FROM jsonb_array_elements(token.rules) rule
             WHERE lower(owner.login) || '/' || package.name
                   LIKE translate(replace(rule ->> 'packages', '_', '\\_'), '*?', '%_')
               AND rule -> 'actions' ?| '{{read,write}}')
        ELSE token.scopes && '{{read:packages,write:packages}}'
        END
)"""

#: Whether ``package`` of ``owner`` is one that the holder of ``token`` may read, for lists; ``caller`` is the token's
#: account.
READABLE: Final[LiteralString] = f"""(
    package.visibility = 'public'
    OR ({_NARROWED} AND token.repository_id IS NULL AND (
        caller.site_admin
        OR owner.id = caller.id
        OR owner.id IN (SELECT org_id FROM seats WHERE role = 'admin')
        OR (package.visibility = 'internal' AND owner.id IN (SELECT org_id FROM seats))
        OR CASE WHEN package.inherit_access
           THEN package.repository_id IN (SELECT repository_id FROM given_repositories)
           ELSE package.id IN (SELECT package_id FROM given_packages)
           END))
    OR (token.repository_id IS NOT NULL AND (
        (package.inherit_access AND package.repository_id = token.repository_id)
        OR (package.visibility = 'internal'
            AND owner.id = (SELECT owner_id FROM repositories WHERE id = token.repository_id))
        OR package.id IN (SELECT package_id FROM given_packages)))
)"""

#: The holder of the token ``$1``, for lists; a token that may not be used gives no row.
HOLDER: Final[LiteralString] = """
    tokens token
    JOIN accounts caller
      ON caller.id = token.account_id AND caller.suspended_at IS NULL AND caller.deleted_at IS NULL
         AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > now())
         AND (token.repository_id IS NULL
              OR EXISTS (SELECT 1 FROM repositories WHERE id = token.repository_id AND deleted_at IS NULL))
"""
#: The same for those who may be anonymous: one row always, without a ``token`` and a ``caller`` where there is none.
VIEWER: Final[LiteralString] = f"(VALUES (1)) AS asked (once) LEFT JOIN ({HOLDER}) ON token.id = $1"

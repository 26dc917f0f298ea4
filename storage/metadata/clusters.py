"""Clusters of Kubernetes whose service accounts may pull, what is granted to them, and which were let in."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.errors import Unavailable
from storage.metadata import events
from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of an account. ``kids``: the ids of its keys; None: they are fetched from the issuer."""

    id: int
    name: str
    issuer: str
    audience: str | None
    kids: list[str] | None
    ca: str | None
    created_at: datetime
    updated_at: datetime


_COLUMNS: Final[LiteralString] = "id, name, issuer, audience, kids, ca, created_at, updated_at"
_LIST: Final = select(Cluster, f"SELECT {_COLUMNS} FROM clusters WHERE owner_id = $1 ORDER BY name")
_GET: Final = select(Cluster, f"SELECT {_COLUMNS} FROM clusters WHERE owner_id = $1 AND name = $2")


async def of_owner(db: Executor, owner_id: int) -> list[Cluster]:
    """Return the clusters of an account, by name."""
    return await _LIST.all(db, owner_id)


async def get(db: Executor, owner_id: int, name: str) -> Cluster | None:
    """Find a cluster of an account by its name."""
    return await _GET.maybe(db, owner_id, name)


@dataclass(frozen=True, slots=True)
class NewCluster:
    """A cluster to be stored. ``jwks``: its public keys as JSON, with their ids in ``kids``."""

    name: str
    issuer: str
    audience: str | None
    jwks: str | None
    kids: Sequence[str] | None
    ca: str | None


@dataclass(frozen=True, slots=True)
class _Stored:
    made: bool


#: What an event tells of a cluster.
_TOLD: Final[LiteralString] = """jsonb_build_object('cluster', jsonb_build_object(
    'name', {0}.name, 'issuer', {0}.issuer, 'audience', {0}.audience, 'kids', to_jsonb({0}.kids)))"""
_PUT: Final = select(
    _Stored,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$9")}
    ), old AS MATERIALIZED (
        SELECT * FROM clusters WHERE owner_id = $1 AND name = $2 FOR NO KEY UPDATE
    ), put AS (
        INSERT INTO clusters AS cluster (owner_id, name, issuer, audience, jwks, kids, ca)
        SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE EXISTS (SELECT FROM old) OR (SELECT count(*) FROM clusters WHERE owner_id = $1) < $8
        ON CONFLICT (owner_id, name) DO UPDATE
           SET issuer = excluded.issuer, audience = excluded.audience, jwks = excluded.jwks, kids = excluded.kids,
               ca = excluded.ca, updated_at = now(),
               trust = CASE WHEN (cluster.issuer, cluster.audience, cluster.jwks, cluster.ca)
                                 IS NOT DISTINCT FROM (excluded.issuer, excluded.audience, excluded.jwks, excluded.ca)
                            THEN cluster.trust ELSE excluded.trust END
        RETURNING *
    ), recorded AS ({
        events.note(
            "CASE WHEN old.id IS NULL THEN 'cluster.create' ELSE 'cluster.update' END",
            "put LEFT JOIN old ON true",
            owner="put.owner_id",
            data=_TOLD.format("put"),
            where="old.id IS NULL OR old.trust <> put.trust",
        )
    })
    SELECT NOT EXISTS (SELECT FROM old) AS made FROM put
    """,
)


async def put(db: Executor, owner_id: int, new: NewCluster, most: int) -> bool | None:
    """Store a cluster in place of the one of its name; True: there was none. None: the account has ``most``."""
    kids = None if new.kids is None else list(new.kids)
    fields = new.name, new.issuer, new.audience, new.jwks, kids, new.ca
    stored = await _PUT.maybe(db, owner_id, *fields, most, events.by())
    return None if stored is None else stored.made


_REMOVE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}
    ), gone AS (DELETE FROM clusters WHERE owner_id = $1 AND name = $2 RETURNING *)
    {events.note("'cluster.destroy'", "gone", owner="gone.owner_id", data=_TOLD.format("gone"))}
    """
)


async def remove(db: Executor, owner_id: int, name: str) -> bool:
    """Remove a cluster with its grants; False: there is no such cluster."""
    return await _REMOVE.run(db, owner_id, name, events.by()) == 1


@dataclass(frozen=True, slots=True)
class Grant:
    """A right of accounts of a cluster to read packages: globs over namespaces, accounts and packages."""

    id: int
    cluster: str
    namespace: str
    account: str
    package: str
    created_at: datetime


_GRANTS: Final = select(
    Grant,
    """
    SELECT given.id, cluster.name AS cluster, given.namespace, given.account, given.package, given.created_at
      FROM clusters cluster JOIN cluster_grants given ON given.cluster_id = cluster.id
     WHERE cluster.owner_id = $1 AND ($2::text IS NULL OR cluster.name = $2)
     ORDER BY cluster.name, given.id
    """,
)


async def grants(db: Executor, owner_id: int, name: str | None = None) -> list[Grant]:
    """Return the grants to an account's clusters, or to the one of this name."""
    return await _GRANTS.all(db, owner_id, name)


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A grant to be stored, with its globs as regular expressions of PostgreSQL."""

    namespace: str
    account: str
    package: str
    namespace_pattern: str
    account_pattern: str
    package_pattern: str


@dataclass(frozen=True, slots=True)
class _Given(Grant):
    made: bool


_OF_GRANT: Final[LiteralString] = """jsonb_build_object('grant', jsonb_build_object(
    'cluster', {0}.cluster, 'namespace', {0}.namespace, 'account', {0}.account, 'package', {0}.package))"""
_GIVE: Final = select(
    _Given,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$10")}
    ), target AS MATERIALIZED (
        SELECT id, owner_id, name FROM clusters WHERE owner_id = $1 AND name = $2 FOR NO KEY UPDATE
    ), old AS MATERIALIZED (
        SELECT given.* FROM target JOIN cluster_grants given ON given.cluster_id = target.id
         WHERE given.namespace = $3 AND given.account = $4 AND given.package = $5
    ), made AS (
        INSERT INTO cluster_grants (cluster_id, namespace, account, package,
                                    namespace_pattern, account_pattern, package_pattern)
        SELECT target.id, $3, $4, $5, $6, $7, $8 FROM target
         WHERE NOT EXISTS (SELECT FROM old)
           AND (SELECT count(*) FROM cluster_grants WHERE cluster_id = target.id) < $9
        ON CONFLICT (cluster_id, namespace, account, package) DO UPDATE SET package = excluded.package
        RETURNING *
    ), told AS (
        SELECT made.id, target.owner_id, target.name AS cluster, made.namespace, made.account, made.package,
               made.created_at
          FROM made CROSS JOIN target
    ), recorded AS ({
        events.note("'cluster_grant.create'", "told", owner="told.owner_id", data=_OF_GRANT.format("told"))
    })
    SELECT id, cluster, namespace, account, package, created_at, true AS made FROM told
     UNION ALL
    SELECT old.id, target.name, old.namespace, old.account, old.package, old.created_at, false
      FROM old CROSS JOIN target
    """,
)


async def give(db: Executor, owner_id: int, name: str, new: NewGrant, most: int) -> tuple[Grant, bool] | None:
    """Store a grant to a cluster, and tell whether there was none; None: no such cluster, or it has ``most``."""
    fields = (new.namespace, new.account, new.package, new.namespace_pattern, new.account_pattern, new.package_pattern)
    found = await _GIVE.maybe(db, owner_id, name, *fields, most, events.by())
    return None if found is None else (found, found.made)


_TAKE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}
    ), gone AS (
        DELETE FROM cluster_grants given USING clusters cluster
         WHERE cluster.id = given.cluster_id AND cluster.owner_id = $1 AND cluster.name = $2 AND given.id = $3
        RETURNING cluster.owner_id, cluster.name AS cluster, given.namespace, given.account, given.package)
    {events.note("'cluster_grant.destroy'", "gone", owner="gone.owner_id", data=_OF_GRANT.format("gone"))}
    """
)


async def take(db: Executor, owner_id: int, name: str, grant_id: int) -> bool:
    """Remove a grant; False: the cluster has no such grant."""
    return await _TAKE.run(db, owner_id, name, grant_id, events.by()) == 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cluster that an identity token may be of; ``jwks`` None: the keys are fetched, by the authorities ``ca``."""

    trust: int
    name: str  # owner/name
    issuer: str
    audience: str | None
    jwks: str | None
    ca: str | None


#: At most so many clusters of one issuer with one key are tried.
_CANDIDATES_MAX: Final = 100
_OF_ISSUER: Final = select(
    Candidate,
    f"""
    SELECT cluster.trust, lower(owner.login) || '/' || cluster.name AS name, cluster.issuer, cluster.audience,
           cluster.jwks::text AS jwks, cluster.ca
      FROM clusters cluster JOIN accounts owner ON owner.id = cluster.owner_id AND owner.deleted_at IS NULL
     WHERE cluster.issuer = $1 AND (cluster.kids IS NULL OR $2::text = ANY (cluster.kids))
     ORDER BY cluster.trust LIMIT {_CANDIDATES_MAX}
    """,
)


async def candidates(db: Executor, issuer: str, kid: str) -> list[Candidate]:
    """Return the clusters of all accounts that have this issuer and this key, or whose keys are fetched."""
    return await _OF_ISSUER.all(db, issuer, kid)


@dataclass(frozen=True, slots=True)
class _Is:
    known: bool


_KNOWS: Final = select(_Is, "SELECT EXISTS (SELECT FROM clusters WHERE issuer = $1) AS known")


async def knows(db: Executor, issuer: str) -> bool:
    """Return whether any account has a cluster with this issuer."""
    return (await _KNOWS.one(db, issuer)).known


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    noted: bool


_FIND: Final = select(
    _Known,
    """
    SELECT id, last_used_at > now() - interval '1 hour' AS noted
      FROM service_accounts WHERE namespace = $1 AND name = $2 AND trusts = $3::bigint[]
    """,
)
_ADD: Final = select(
    _Known,
    """
    INSERT INTO service_accounts (namespace, name, trusts) VALUES ($1, $2, $3::bigint[])
    ON CONFLICT (namespace, name, trusts) DO UPDATE SET last_used_at = now()
    RETURNING id, true AS noted
    """,
)


async def account_id(db: Executor, namespace: str, name: str, trusts: Sequence[int]) -> int:
    """Return the id of a service account's one row, made at its first token, with its use noted to the hour."""
    asked = namespace, name, list(trusts)
    found = await _FIND.maybe(db, *asked)
    if found is None:
        return (await _ADD.one(db, *asked)).id
    if not found.noted:
        with suppress(Unavailable):  # Postgres may still answer reads
            await _ADD.one(db, *asked)
    return found.id


_FORGET: Final = command(
    """
    DELETE FROM service_accounts
     WHERE id = ANY (ARRAY(SELECT id FROM service_accounts WHERE last_used_at < now() - interval '30 days'
                            ORDER BY last_used_at LIMIT $1 FOR UPDATE SKIP LOCKED))
    """
)


async def forget_unused(db: Executor, limit: int) -> int:
    """Remove the rows of accounts without a token for 30 days; returns their number."""
    return await _FORGET.run(db, limit)

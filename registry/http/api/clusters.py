"""Clusters by API: of an organization, whose owners register them and whose members see them, and of the caller."""

from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from registry.accounts import clusters as rules
from registry.http.api import rights
from registry.http.api.call import ApiCall, Text, answer, nothing
from registry.http.api.routes import Route
from registry.http.api.schemas import clusters as schemas
from registry.packages import cluster_grants as grant_rules
from storage.metadata.clusters import Cluster, Grant

#: Certificates in PEM.
Authorities = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$", max_length=32768)]


class NewCluster(msgspec.Struct):
    """A cluster: its issuer, and its public keys (`kubectl get --raw /openid/v1/jwks`).

    Without `jwks` the keys are fetched from the issuer, whose certificate is of `ca`.
    """

    issuer: Text
    audience: Text | None = None
    jwks: dict[str, Any] | None = None
    ca: Authorities | None = None


class NewClusterGrant(msgspec.Struct):
    """Globs: service accounts named `account` of `namespace` may read the packages `package`."""

    namespace: Text
    account: Text = "*"
    package: Text = "*"


async def _readable(call: ApiCall) -> int:
    """The account whose clusters the path names, for its members. Raises 404 for others, 403."""
    return (await rights.member_of(call)).id if "org" in call.http.match_info else rights.myself(call)


async def list_clusters(call: ApiCall) -> web.Response:
    """List the clusters by name; there are twenty at most."""
    return answer([_cluster(call, one) for one in await rules.listed(call.services.db, await _readable(call))])


async def get_cluster(call: ApiCall) -> web.Response:
    """Return one cluster; its keys by their ids."""
    return await _told(call, await _readable(call))


async def put_cluster(call: ApiCall) -> web.Response:
    """Register a cluster, or replace what is known of it.

    When its issuer, audience or keys change, service accounts that the former ones let in are out at once.
    """
    new, owner_id = call.body(NewCluster), await rights.owned_account(call)
    wanted = rules.Wanted(call.param("cluster"), new.issuer, new.audience, new.jwks, new.ca)
    made = await rules.put(call.services.db, owner_id, wanted)
    return await _told(call, owner_id, 201 if made else 200)


async def remove_cluster(call: ApiCall) -> web.Response:
    """Remove a cluster with its grants; its service accounts are out at once."""
    await rules.remove(call.services.db, await rights.owned_account(call), call.param("cluster"))
    return nothing()


async def list_grants(call: ApiCall) -> web.Response:
    """List what the service accounts of a cluster may read."""
    owner_id = await _readable(call)
    cluster = await rules.named(call.services.db, owner_id, call.param("cluster"))
    return answer([_grant(one) for one in await grant_rules.listed(call.services.db, owner_id, cluster.name)])


async def give_grant(call: ApiCall) -> web.Response:
    """Let service accounts of a cluster read packages of the account."""
    new, owner_id = call.body(NewClusterGrant), await rights.owned_account(call)
    wanted = grant_rules.Wanted(new.namespace, new.account, new.package)
    given, made = await grant_rules.give(call.services.db, owner_id, call.param("cluster"), wanted)
    return answer(_grant(given), 201 if made else 200)


async def take_grant(call: ApiCall) -> web.Response:
    """Remove a grant: it ends with the next request, on every replica."""
    owner_id = await rights.owned_account(call)
    await grant_rules.take(call.services.db, owner_id, call.param("cluster"), call.number("cluster_grant_id"))
    return nothing()


async def _told(call: ApiCall, owner_id: int, status: int = 200) -> web.Response:
    return answer(_cluster(call, await rules.named(call.services.db, owner_id, call.param("cluster"))), status)


def _cluster(call: ApiCall, found: Cluster) -> dict[str, Any]:
    return {
        "name": found.name,
        "issuer": found.issuer,
        "audience": found.audience or call.services.service,
        "keys": found.kids,
        "ca": found.ca,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def _grant(found: Grant) -> dict[str, Any]:
    return {
        "id": found.id,
        "namespace": found.namespace,
        "account": found.account,
        "package": found.package,
        "created_at": found.created_at,
    }


def _routes(prefix: str, whose: str, read: str, write: str) -> tuple[Route, ...]:
    several, cluster = f"{prefix}/clusters", f"{prefix}/clusters/{{cluster}}"
    given = f"{cluster}/grants"
    one, bad = (200, 401, 403, 404), (400, 401, 403, 404, 413, 422)
    gone = (204, 401, 403, 404)
    return (
        Route("GET", several, list_clusters, f"List the clusters {whose}", scope=read, statuses=one,
              answer=list[schemas.Cluster]),
        Route("GET", cluster, get_cluster, f"Get a cluster {whose}", scope=read, statuses=one, answer=schemas.Cluster),
        Route("PUT", cluster, put_cluster, f"Register or replace a cluster {whose}", scope=write, body=NewCluster,
              statuses=(200, 201, *bad), answer=schemas.Cluster),
        Route("DELETE", cluster, remove_cluster, f"Remove a cluster {whose}", scope=write, statuses=gone),
        Route("GET", given, list_grants, f"List the grants to a cluster {whose}", scope=read, statuses=one,
              answer=list[schemas.ClusterGrant]),
        Route("POST", given, give_grant, f"Give a grant to a cluster {whose}", scope=write, body=NewClusterGrant,
              statuses=(200, 201, *bad), answer=schemas.ClusterGrant),
        Route("DELETE", f"{given}/{{cluster_grant_id}}", take_grant, f"Remove a grant to a cluster {whose}",
              scope=write, statuses=gone),
    )  # fmt: skip


ROUTES: Final = (
    *_routes("/orgs/{org}", "for an organization", "read:org", "write:org"),
    *_routes("/user", "for the authenticated user", "user", "user"),
)

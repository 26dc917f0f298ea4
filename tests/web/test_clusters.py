"""The page of an organization's clusters."""

import orjson
import pytest

from tests.support.cluster import USUAL, Cluster
from tests.support.manage import done, managed, refused
from tests.support.server import Registry

_CLUSTERS = "/acme/-/settings/clusters"


async def test_a_cluster_is_registered_granted_to_and_removed(registry: Registry) -> None:
    world, cluster = await managed(registry), Cluster()
    page = await world.owner.get(_CLUSTERS)
    assert page.field("issuer") == USUAL
    assert _CLUSTERS in (await world.owner.get("/acme/-/settings")).answer.body.decode()
    keys = orjson.dumps(cluster.jwks).decode()
    page = await done(world.owner, _CLUSTERS, {"name": "prod", "issuer": USUAL, "jwks": keys})
    assert "The cluster is registered: prod" in page.text
    assert cluster.jwks["keys"][0]["kid"] in page.text
    assert "None of its service accounts may pull anything private." in page.text
    page = await done(world.owner, f"{_CLUSTERS}/prod", {"namespace": "team-*", "account": "web", "package": "w*"})
    assert "The service accounts may pull from now on." in page.text
    assert "Namespaces: team-*" in page.text
    page = await done(world.owner, _CLUSTERS, {"name": "prod", "issuer": USUAL, "jwks": keys})
    assert "The cluster is replaced: prod" in page.text
    answer = await registry.call("GET", "/api/v3/orgs/acme/clusters/prod/grants", world.token)
    (grant,) = orjson.loads(answer.body)
    page = await done(world.owner, f"{_CLUSTERS}/prod", {"change": "revoke", "grant": str(grant["id"])})
    assert "The grant is removed" in page.text
    page = await done(world.owner, f"{_CLUSTERS}/prod", {"change": "revoke", "grant": str(grant["id"])})
    assert "There is no such cluster or grant any more." in page.text
    page = await world.owner.get(f"{_CLUSTERS}/prod/delete")
    assert "Its grants go with it." in page.text
    assert "The cluster is removed." in (await done(world.owner, f"{_CLUSTERS}/prod/delete", {})).text


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "No"}, "name"),
        ({"issuer": "a b"}, "issuer"),
        ({"issuer": "http://cluster.example"}, "issuer"),
        ({"jwks": "x"}, "jwks"),
        ({"jwks": '{"keys": []}'}, "jwks"),
        ({"ca": "x"}, "ca"),
    ],
)
async def test_what_is_wrong_stands_at_its_field(registry: Registry, wrong: dict[str, str], field: str) -> None:
    world = await managed(registry)
    page = await refused(world.owner, _CLUSTERS, {"name": "x", "issuer": "https://cluster.example", **wrong})
    assert f'href="#field-{field}"' in page.answer.body.decode()


async def test_a_glob_that_is_wrong_stands_at_its_field(registry: Registry) -> None:
    world = await managed(registry)
    await done(world.owner, _CLUSTERS, {"name": "prod", "issuer": "https://cluster.example"})
    page = await refused(world.owner, f"{_CLUSTERS}/prod", {"namespace": "[z-a]"})
    assert 'href="#field-namespace"' in page.answer.body.decode()

"""Clusters that owners register: which service accounts may pull what, and that a grant, a key or a cluster ends at once."""

from typing import Any

from tests.oidc.test_service_accounts import asked
from tests.support.cluster import Cluster
from tests.support.server import Registry, basic, running

API = "/api/v3/user/clusters"


async def prepared(registry: Registry) -> dict[str, str]:
    """Two owners with a private image each; their tokens."""
    found = {}
    for login in ("alice", "bob"):
        found[login] = await registry.user(login, ["write:packages", "user"])
        await registry.push_image(f"{login}/app", "v1", found[login])
    return found


async def registered(registry: Registry, token: str, cluster: Cluster, name: str = "prod", **more: Any) -> None:
    answer = await registry.call(
        "PUT", f"{API}/{name}", token, json={"issuer": cluster.issuer, "jwks": cluster.jwks, **more}
    )
    assert answer.status in {200, 201}, answer.body


async def granted(registry: Registry, token: str, name: str = "prod", **globs: str) -> int:
    answer: Any = await registry.call("POST", f"{API}/{name}/grants", token, json={"namespace": "*", **globs})
    assert answer.status == 201, answer.body
    return int(answer.json["id"])


async def bearer(registry: Registry, token: str, name: str = "alice/app") -> str:
    answer: Any = await registry.call("GET", f"/token?scope=repository:{name}:pull", headers=basic(token, "oidc"))
    assert answer.status == 200, answer.body
    return str(answer.json["token"])


async def rows(registry: Registry) -> int:
    return await counted(registry, "service_accounts")


async def counted(registry: Registry, table: str) -> int:
    found = await registry.services.db.fetchrow(f"SELECT count(*) FROM {table}")
    assert found is not None
    return int(found[0])


async def test_an_account_pulls_what_it_is_granted_and_nothing_else(env: dict[str, str]) -> None:
    cluster = Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        assert (await asked(registry, cluster.signed("team-a", "web")))[0] == 401
        await registered(registry, tokens["alice"], cluster)
        assert await asked(registry, cluster.signed("team-a", "web")) == (403, "")
        await granted(registry, tokens["alice"], namespace="team-*", account="web", package="a*")
        assert await asked(registry, cluster.signed("team-a", "web")) == (200, "")
        assert await asked(registry, cluster.signed("team-b", "web")) == (200, "")
        assert await asked(registry, cluster.signed("team-a", "other")) == (403, "")
        assert await asked(registry, cluster.signed("kube-system", "web")) == (403, "")
        # Covered, and not there; and of an owner who has no such cluster.
        assert await asked(registry, cluster.signed("team-a", "web"), "alice/absent") == (404, "")
        assert await asked(registry, cluster.signed("team-a", "web"), "alice/other") == (403, "")
        assert await asked(registry, cluster.signed("team-a", "web"), "bob/app") == (404, "")


async def test_two_hundred_pods_of_an_account_are_one_row(env: dict[str, str]) -> None:
    cluster = Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        await registered(registry, tokens["alice"], cluster)
        await granted(registry, tokens["alice"])
        before = await counted(registry, "tokens")
        for _ in range(200):
            await bearer(registry, cluster.signed("team-a", "web"))
        assert await rows(registry) == 1
        assert await counted(registry, "tokens") == before


async def test_a_grant_that_is_taken_ends_the_tokens_that_are_out(env: dict[str, str]) -> None:
    cluster = Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        await registered(registry, tokens["alice"], cluster)
        grant = await granted(registry, tokens["alice"])
        held = {"Authorization": f"Bearer {await bearer(registry, cluster.signed())}"}
        pull = ("GET", "/v2/alice/app/manifests/v1")
        assert (await registry.call(*pull, headers=held)).status == 200
        gone = await registry.call("DELETE", f"{API}/prod/grants/{grant}", tokens["alice"])
        assert gone.status == 204
        refused: Any = await registry.call(*pull, headers=held)
        assert (refused.status, refused.json["errors"][0]["code"]) == (403, "DENIED")
        assert "moorage cluster grant alice" in str(refused.json)
        assert (await registry.call("DELETE", f"{API}/prod/grants/{grant}", tokens["alice"])).status == 404


async def test_keys_that_are_rotated_end_the_tokens_that_are_out(env: dict[str, str]) -> None:
    former, cluster = Cluster(), Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        await registered(registry, tokens["alice"], former)
        await granted(registry, tokens["alice"])
        held = {"Authorization": f"Bearer {await bearer(registry, former.signed())}"}
        await registered(registry, tokens["alice"], former)  # the same again changes nothing
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", headers=held)).status == 200
        await registered(registry, tokens["alice"], cluster)
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", headers=held)).status == 401
        assert await asked(registry, former.signed()) == (
            401,
            "the identity token is signed with a key that its issuer does not have",
        )
        assert await asked(registry, cluster.signed()) == (200, "")
        both = {"keys": former.jwks["keys"] + cluster.jwks["keys"]}
        await registered(registry, tokens["alice"], cluster, jwks=both)
        assert await asked(registry, former.signed()) == (200, "")
        assert await asked(registry, cluster.signed()) == (200, "")
        assert (await registry.call("DELETE", f"{API}/prod", tokens["alice"])).status == 204
        assert (await asked(registry, cluster.signed()))[0] == 401


async def test_clusters_of_one_issuer_never_speak_for_each_other(env: dict[str, str]) -> None:
    one, two = Cluster(), Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        await registered(registry, tokens["alice"], one)
        await registered(registry, tokens["bob"], two)
        await granted(registry, tokens["alice"])
        await granted(registry, tokens["bob"])
        for cluster, mine, others in ((one, "alice/app", "bob/app"), (two, "bob/app", "alice/app")):
            assert await asked(registry, cluster.signed("team-a", "web"), mine) == (200, "")
            assert await asked(registry, cluster.signed("team-a", "web"), others) == (404, "")
        # The kid of the other does not lead to its rights.
        forged = one.signed("team-a", "web").split(".")
        forged[0] = two.signed("team-a", "web").split(".")[0]
        assert (await asked(registry, ".".join(forged), "bob/app"))[0] == 401


async def test_one_cluster_of_two_owners_speaks_for_what_both_grant(env: dict[str, str]) -> None:
    """Public keys are no secret: whoever registers those of another takes nothing away."""
    cluster = Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        await registered(registry, tokens["bob"], cluster, "mine")
        await registered(registry, tokens["alice"], cluster)
        await granted(registry, tokens["alice"])
        assert await asked(registry, cluster.signed(), "alice/app") == (200, "")
        assert await asked(registry, cluster.signed(), "bob/app") == (403, "")
        await granted(registry, tokens["bob"], "mine")
        assert await asked(registry, cluster.signed(), "bob/app") == (200, "")
        # Of an audience of its own, it is another's no more.
        await registered(registry, tokens["bob"], cluster, "mine", audience="bob")
        assert await asked(registry, cluster.signed(), "bob/app") == (404, "")
        assert await asked(registry, cluster.signed(aud=["bob"]), "bob/app") == (200, "")
        assert await asked(registry, cluster.signed(aud=["bob"]), "alice/app") == (404, "")


async def test_a_service_account_pulls_only(env: dict[str, str]) -> None:
    cluster = Cluster()
    async with running(env) as registry:
        tokens = await prepared(registry)
        await registered(registry, tokens["alice"], cluster)
        await granted(registry, tokens["alice"])
        held = {"Authorization": f"Bearer {await bearer(registry, cluster.signed())}"}
        listed: Any = await registry.call("GET", "/v2/alice/app/tags/list", headers=held)
        assert (listed.status, listed.json["tags"]) == (200, ["v1"])
        digest = (await registry.call("HEAD", "/v2/alice/app/manifests/v1", headers=held)).headers[
            "Docker-Content-Digest"
        ]
        assert (await registry.call("GET", f"/v2/alice/app/referrers/{digest}", headers=held)).status == 200
        assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=held)).status == 403
        assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{digest}", headers=held)).status == 403
        assert (await registry.call("POST", "/v2/alice/new/blobs/uploads/", headers=held)).status in {401, 403}
        assert (await registry.call("GET", "/api/v3/user", headers=held)).status == 401
        catalog: Any = await registry.call(
            "GET", "/token?scope=registry:catalog:*", headers=basic(cluster.signed(), "oidc")
        )
        seen: Any = await registry.call(
            "GET", "/v2/_catalog", headers={"Authorization": f"Bearer {catalog.json['token']}"}
        )
        assert (seen.status, seen.json["repositories"]) == (200, [])

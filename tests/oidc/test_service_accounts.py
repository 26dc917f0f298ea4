"""Service accounts of Kubernetes: their tokens, and how the keys of their clusters are come by."""

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from auth.issuers import parse_issuers
from tests.support.cluster import USUAL, Cluster, serving
from tests.support.server import Registry, basic, running

PULL = "repository:alice/app:pull"
REPOSITORY = "{/kubernetes.io/namespace}/{/kubernetes.io/serviceaccount/name}"


def trusted(cluster: Cluster, **more: object) -> dict[str, object]:
    return {"issuer": cluster.issuer, "owners": ["*"], "repository": REPOSITORY, **more}


async def prepared(registry: Registry) -> None:
    """Two packages, each linked to the repository of its name."""
    for login in ("alice", "bob"):
        await registry.user(login)
        await registry.services.db.execute(
            "INSERT INTO repositories (owner_id, name) SELECT id, 'app' FROM accounts WHERE login = $1", login
        )
        await registry.push_image(f"{login}/app", "v1", await registry.token(login))
    await registry.services.db.execute(
        "UPDATE packages SET repository_id = r.id, inherit_access = true"
        " FROM repositories r WHERE r.owner_id = packages.owner_id"
    )


async def asked(registry: Registry, token: str, name: str = "alice/app") -> tuple[int, str]:
    """The status and the message of /token, or what the token that it gave can pull."""
    answer = await registry.call("GET", f"/token?scope=repository:{name}:pull", headers=basic(token, "oidc"))
    body: Any = answer.json
    if answer.status != 200:
        return answer.status, body["errors"][0]["message"]
    headers = {"Authorization": f"Bearer {body['token']}"}
    return (await registry.call("GET", f"/v2/{name}/manifests/v1", headers=headers)).status, ""


async def test_k5_with_keys_that_are_given_nothing_is_fetched(env: dict[str, str]) -> None:
    cluster, other = Cluster(), Cluster()
    env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps([trusted(cluster, jwks=cluster.jwks)]).decode()
    async with running(env) as registry:
        await prepared(registry)
        assert await asked(registry, cluster.signed()) == (200, "")
        assert await asked(registry, cluster.signed(), "bob/app") == (404, "")
        refused = {
            cluster.signed(aud=["other"]): "the identity token is for another audience; ask for one for 'moorage'",
            cluster.signed(aud=["moorage", "other"]): "the identity token is for another audience",
            cluster.signed(exp=1): "the identity token has expired",
            cluster.signed(sub="system:serviceaccount:bob:app"): "the identity token's subject is not the service",
            cluster.signed(None): "the identity token's subject is not the service account that it names",
            other.signed(): "the identity token is signed with a key that its issuer does not have",
        }
        for token, why in refused.items():
            status, message = await asked(registry, token)
            assert (status, message[: len(why)]) == (401, why)


async def test_k5_a_constant_repository_needs_a_condition(env: dict[str, str]) -> None:
    cluster = Cluster()
    config = trusted(cluster, jwks=cluster.jwks) | {"repository": "alice/app"}
    with pytest.raises(ValueError, match="repository needs a claim in braces"):
        parse_issuers(orjson.dumps([config]).decode())
    config["claims"] = {"/kubernetes.io/namespace": "team-*"}
    env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps([config]).decode()
    async with running(env) as registry:
        await prepared(registry)
        assert await asked(registry, cluster.signed("team-a", "web")) == (200, "")
        status, message = await asked(registry, cluster.signed("kube-system", "web"))
        assert (status, "'/kubernetes.io/namespace' is not what" in message) == (401, True)


async def test_k1_k2_k3_k4_keys_are_fetched_as_the_configuration_says(env: dict[str, str], tmp_path: Path) -> None:
    cluster = Cluster(token="secret-of-the-cluster")
    (tmp_path / "token").write_text("secret-of-the-cluster\n")
    async with serving(cluster, tmp_path):
        where = {"jwks_url": f"{cluster.url}/openid/v1/jwks"}
        good = {**where, "ca_file": cluster.ca_file, "token_file": str(tmp_path / "token")}
        # The issuer is a name that leads nowhere.
        env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps([trusted(cluster, **good)]).decode()
        async with running(env) as registry:
            await prepared(registry)
            assert await asked(registry, cluster.signed()) == (200, "")


@pytest.mark.parametrize("lacks", ["ca_file", "token_file"])
async def test_k7_the_client_is_told_whose_keys_cannot_be_had(lacks: str, env: dict[str, str], tmp_path: Path) -> None:
    cluster = Cluster(token="secret-of-the-cluster")
    (tmp_path / "token").write_text("secret-of-the-cluster\n")
    async with serving(cluster, tmp_path):
        config = trusted(cluster, jwks_url=f"{cluster.url}/openid/v1/jwks")
        config |= {"ca_file": cluster.ca_file, "token_file": str(tmp_path / "token")}
        del config[lacks]
        env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps([config]).decode()
        async with running(env) as registry:
            status, message = await asked(registry, cluster.signed())
            assert (status, message) == (
                503,
                "the keys of the identity token's issuer cannot be had now: the log of this registry says why",
            )


async def test_k1_k2_discovery_with_an_authority_of_its_own(env: dict[str, str], tmp_path: Path) -> None:
    cluster = Cluster()
    async with serving(cluster, tmp_path):
        cluster.issuer = cluster.url
        env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps([trusted(cluster, ca_file=cluster.ca_file)]).decode()
        async with running(env) as registry:
            await prepared(registry)
            assert await asked(registry, cluster.signed()) == (200, "")


async def test_k6_two_clusters_of_one_issuer_never_speak_for_each_other(env: dict[str, str]) -> None:
    one, two = Cluster(), Cluster()
    configs = [trusted(one, jwks=one.jwks, owners=["alice"]), trusted(two, jwks=two.jwks, owners=["bob"])]
    env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps(configs).decode()
    async with running(env) as registry:
        await prepared(registry)
        for cluster, mine, others in ((one, "alice", "bob"), (two, "bob", "alice")):
            assert await asked(registry, cluster.signed(mine), f"{mine}/app") == (200, "")
            status, message = await asked(registry, cluster.signed(others), f"{others}/app")
            assert (status, message.partition(" of ")[0]) == (401, "the issuer may not speak for repositories")
        # The kid of the other does not lead to its rights: the key does not verify.
        forged = Cluster(key=one.key).signed("bob").split(".")
        forged[0] = two.signed("bob").split(".")[0]
        assert (await asked(registry, ".".join(forged), "bob/app"))[0] == 401
        assert (await asked(registry, Cluster().signed()))[0] == 401
        for head in (b'{"alg":"RS256","kid":["a"]}', b'{"alg":"RS256"}', b"[]"):
            forged[0] = base64.urlsafe_b64encode(head).decode().rstrip("=")
            assert (await asked(registry, ".".join(forged), "bob/app"))[0] == 401


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"jwks": None}, "is named twice"),
        ({}, "a key of the same kid"),
        ({"jwks": {"keys": []}}, 'jwks needs "keys"'),
        ({"jwks": {"keys": [{"kty": "RSA"}]}}, "needs a kid"),
        ({"jwks": {"keys": [{"kid": "a", "d": "x"}]}}, "a private key"),
        ({"jwks_url": "https://api.example/openid/v1/jwks"}, "with jwks nothing is fetched"),
        ({"jwks": None, "token_file": "/token"}, "token_file needs jwks_url"),
        ({"jwks": None, "jwks_url": "http://api.example/openid/v1/jwks"}, "expected https"),
    ],
)
def test_k6_what_would_not_tell_clusters_apart_is_refused(change: dict[str, object], why: str) -> None:
    cluster = Cluster()
    first = trusted(cluster, jwks=cluster.jwks)
    with pytest.raises(ValueError, match=why):
        parse_issuers(orjson.dumps([first, {**first, **change}]).decode())


@pytest.mark.parametrize(("alg", "curve"), [("ES384", ec.SECP384R1()), ("ES512", ec.SECP521R1())])
async def test_k11c_longer_elliptic_keys(alg: str, curve: ec.EllipticCurve, env: dict[str, str]) -> None:
    cluster = Cluster(key=ec.generate_private_key(curve), alg=alg)
    env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps([trusted(cluster, jwks=cluster.jwks)]).decode()
    async with running(env) as registry:
        await prepared(registry)
        assert await asked(registry, cluster.signed()) == (200, "")


async def test_k11b_failing_pods_of_a_node_do_not_hide_why_others_fail(env: dict[str, str]) -> None:
    cluster = Cluster()
    env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps([trusted(cluster, jwks=cluster.jwks)]).decode()
    async with running(env) as registry:
        await prepared(registry)
        for number in range(15):
            status, message = await asked(registry, cluster.signed(account=f"web{number}"))
            assert (status, message[:28]) == (401, "there is no repository alice/"[:28])
        assert registry.routers[0].throttle.failed == 15
        assert await asked(registry, cluster.signed()) == (200, "")


def test_the_issuer_of_the_usual_tools_needs_no_address() -> None:
    cluster = Cluster()
    (parsed,) = parse_issuers(orjson.dumps([trusted(cluster, jwks=cluster.jwks)]).decode())
    assert parsed.issuer == USUAL

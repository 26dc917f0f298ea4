"""Issuers of docs/howto/keyless-kubernetes.md: the rows of its table, and tokens with the claims that their pages have."""

import re
import time
from typing import Any

import jwt
import orjson
import pytest

from tests.docs.pages import DOCS
from tests.oidc.test_service_accounts import asked
from tests.support.cluster import Cluster
from tests.support.server import running

_ORG, _PROJECT = "5d2f0a1e-9c1b-4a7e-8a52-0c6f1f2b3d4e", "7a0b1c2d-3e4f-5a6b-7c8d-9e0f1a2b3c4d"
#: As each issuer names its claims; what they say is made up.
_CLAIMS: dict[str, dict[str, Any]] = {
    "GitLab CI/CD": {
        "iss": "https://gitlab.example",
        "sub": "project_path:acme/shop:ref_type:branch:ref:main",
        "namespace_id": "42",
        "namespace_path": "acme",
        "project_id": "4711",
        "project_path": "acme/shop",
        "ref": "main",
        "ref_type": "branch",
        "ref_protected": "true",
    },
    "Buildkite": {
        "iss": "https://agent.buildkite.com",
        "sub": "organization:acme:pipeline:shop:ref:refs/heads/main:commit:9f3182061f1e2cca4702c368cbc039b7dc9d4485:step:",
        "organization_id": "0184990a-477b-4fa8-9968-496074483cee",
        "organization_slug": "acme",
        "pipeline_slug": "shop",
        "build_number": 1,
        "build_branch": "main",
        "job_id": "0184990a-477b-4fa8-9968-496074483k77",
    },
    "CircleCI": {
        "iss": f"https://oidc.circleci.com/org/{_ORG}",
        "sub": f"org/{_ORG}/project/{_PROJECT}/user/11111111-2222-3333-4444-555555555555",
        "aud": _ORG,
        "oidc.circleci.com/project-id": _PROJECT,
        "oidc.circleci.com/context-ids": [],
    },
    "SPIFFE": {"iss": "https://spire.example", "sub": "spiffe://example.org/ns/team-a/sa/web"},
    "a cluster, for all accounts here": {
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:acme:shop",
        "kubernetes.io": {"namespace": "acme", "serviceaccount": {"name": "shop"}},
    },
}
#: What the page leaves to its reader.
_FILLED = {"0184…": "0184990a-477b-4fa8-9968-496074483cee", "7a0b…": _PROJECT, "team-*": "*"}
_STRANGER: dict[str, dict[str, Any]] = {
    "GitLab CI/CD": {"namespace_id": "43"},
    "Buildkite": {"organization_id": "01900000-477b-4fa8-9968-496074483cee"},
    "CircleCI": {"oidc.circleci.com/project-id": _ORG},
    "SPIFFE": {"sub": "spiffe://example.org/ns/team-a/sa/other"},
    "a cluster, for all accounts here": {"sub": "system:serviceaccount:acme:other"},
}


def _rows() -> dict[str, dict[str, Any]]:
    """The settings of the table, by whose they are."""
    text = (DOCS / "howto" / "keyless-kubernetes.md").read_text().partition("## Others")[2]
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", cells[0]).removesuffix(" by SPIRE")
        if name in _CLAIMS:
            (repository,) = re.findall(r"`([^`]+)`", cells[2])
            condition = re.findall(r"`([^`]+)`", cells[3])[0]
            for short, whole in _FILLED.items():
                condition = condition.replace(short, whole)
            claims = orjson.loads("{" + condition + "}")
            found[name] = {"repository": repository, "claims": claims}
    return found


@pytest.mark.parametrize("name", sorted(_CLAIMS))
async def test_a_row_of_the_table_lets_its_tokens_in_and_no_others(name: str, env: dict[str, str]) -> None:
    issuer, now = Cluster(), int(time.time())
    assert set(_rows()) == set(_CLAIMS)
    claims = {"aud": "moorage", "iat": now, "exp": now + 300, **_CLAIMS[name]}
    config = {
        "issuer": claims["iss"], "owners": ["acme"], "jwks": issuer.jwks, "audience": claims["aud"], **_rows()[name]
    }  # fmt: skip
    env["MOORAGE_OIDC_ISSUERS"] = orjson.dumps([config]).decode()
    headers = {"kid": issuer.jwks["keys"][0]["kid"]}
    async with running(env) as registry:
        token = await registry.user("acme")
        await registry.services.db.execute(
            "INSERT INTO repositories (owner_id, name) SELECT id, 'shop' FROM accounts WHERE login = 'acme'"
        )
        await registry.push_image("acme/shop", "v1", token)
        await registry.services.db.execute(
            "UPDATE packages SET repository_id = r.id, inherit_access = true FROM repositories r"
        )
        signed = jwt.encode(claims, issuer.key, issuer.alg, headers=headers)
        assert await asked(registry, signed, "acme/shop") == (200, "")
        other = jwt.encode({**claims, **_STRANGER[name]}, issuer.key, issuer.alg, headers=headers)
        assert (await asked(registry, other, "acme/shop"))[0] == 401

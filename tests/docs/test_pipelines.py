"""What the pages give for pipelines and clusters: files that parse, settings that are taken, a sign-in that signs in."""

import asyncio
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml  # type: ignore[import-untyped]

from auth.issuers import parse_issuers
from registry.accounts import organizations
from registry.devservers.processes import free_ports
from tests.conftest import Table
from tests.docs.pages import DOCS
from tests.support.provider import Running, provider
from tests.support.server import Registry, basic, running
from tests.test_docs import names_read

HOWTO = DOCS / "howto"
#: What only the user's commands read, and the names of secrets in the pipelines.
OF_CLIENTS = {"MOORAGE_HOST", "MOORAGE_TOKEN", "MOORAGE_OWNER", "MOORAGE_ID_TOKEN"}


def fenced(path: Path, kind: str) -> list[str]:
    """The blocks of this kind in a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def issuer(page: str, url: str, **more: str) -> str:
    """The setting of a page, for an issuer of our own."""
    given = orjson.loads(fenced(HOWTO / page, "json")[0])
    return orjson.dumps([{**given[0], "issuer": url, "insecure_http": True, **more}]).decode()


async def acme(registry: Registry) -> None:
    """The account and the repository that the pages have made."""
    await registry.user("admin")
    await organizations.create(registry.services.db, "acme", "admin", name="Acme")
    await registry.services.db.execute(
        "INSERT INTO repositories (owner_id, name) SELECT id, 'shop' FROM accounts WHERE login = 'acme'"
    )


@pytest.mark.parametrize("path", sorted(HOWTO.glob("*.md")), ids=lambda path: path.stem)
def test_the_files_parse(path: Path) -> None:
    for text in fenced(path, "yaml"):
        assert list(yaml.safe_load_all(text)), text
    for text in fenced(path, "json"):
        assert orjson.loads(text)


def test_pages_name_settings_that_there_are() -> None:
    for path in DOCS.rglob("*.md"):
        named = set(re.findall(r"\bMOORAGE_[A-Z_0-9]*[A-Z0-9]\b", path.read_text()))
        assert not named - names_read() - OF_CLIENTS, path


@pytest.mark.parametrize("page", ["ci-github-actions.md", "ci-gitlab.md"])
def test_issuers_are_settings(page: str) -> None:
    for text in fenced(HOWTO / page, "json"):
        assert parse_issuers(text)


async def test_a_job_of_github_actions_signs_in(env: dict[str, str], tmp_path: Path, table: Table) -> None:
    workflow = yaml.safe_load(fenced(HOWTO / "ci-github-actions.md", "yaml")[0])
    assert workflow["permissions"]["id-token"] == "write"
    steps = workflow["jobs"]["publish"]["steps"]
    (lines,) = [step["run"] for step in steps if step.get("name") == "Sign in"]
    if not shutil.which("docker"):
        table("left out of docs:", "the sign-in of GitHub Actions: there is no docker")
        return
    (port,) = free_ports(1)
    host = f"localhost:{port}"
    with provider() as trusted:
        issuers = issuer("ci-github-actions.md", trusted.url)
        given = {"MOORAGE_OIDC_ISSUERS": issuers, "MOORAGE_PUBLIC_URL": f"http://{host}"}
        async with running({**env, **given}, port=port) as registry:
            await acme(registry)
            status, printed = await _job(lines, host, trusted, tmp_path)
    assert (status, "Login Succeeded" in printed) == (0, True), printed


async def _job(lines: str, host: str, trusted: Running, home: Path) -> tuple[int, str]:
    """Runs lines as a runner does: in bash, which ends at the first failure."""
    env = {
        "PATH": os.environ["PATH"],  # noqa: TID251 - of the tests
        "HOME": str(home),
        "DOCKER_HOST": f"unix://{home}/none",
        "REGISTRY": host,
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{trusted.url}/job?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner-secret",
    }
    job = await asyncio.create_subprocess_exec(
        "bash", "-e", "-o", "pipefail", "-c", lines, env=env, cwd=home,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await job.communicate()
    return job.returncode or 0, printed.decode()


async def test_a_job_of_gitlab_signs_in(env: dict[str, str]) -> None:
    pipeline = yaml.safe_load(fenced(HOWTO / "ci-gitlab.md", "yaml")[0])["publish"]
    audience = pipeline["id_tokens"]["REGISTRY_TOKEN"]["aud"]
    assert "--username oidc" in pipeline["script"][0]
    now = int(time.time())
    claims: dict[str, Any] = {
        "aud": audience, "sub": "project_path:acme/shop:ref_type:branch:ref:main", "project_path": "acme/shop", "project_id": "4711",
        "namespace_path": "acme", "namespace_id": "42", "ref": "main", "iat": now, "nbf": now - 5, "exp": now + 300,
    }  # fmt: skip
    with provider() as trusted:
        async with running(
            {**env, "MOORAGE_OIDC_ISSUERS": issuer("ci-gitlab.md", trusted.url, audience=audience)}
        ) as registry:
            await acme(registry)
            for changed, status in (({}, 200), ({"namespace_id": "43"}, 401), ({"project_path": "acme/sub/shop"}, 401)):
                asked = {"claims": {**claims, "iss": trusted.url, **changed}, "kid": "rsa"}
                async with registry.http.post(trusted.sign_url, json=asked) as answer:
                    token = (await answer.read()).decode()
                got = await registry.call("GET", "/token?scope=repository:acme/shop:push", headers=basic(token, "oidc"))
                assert got.status == status, (changed, got.body)

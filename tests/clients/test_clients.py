"""Unchanged GitHub clients: each lists, gets, deletes and restores packages and versions, makes repositories and
collaborators, and goes through pages, at a server that it takes for a GitHub.

``make clients`` installs them. A program of its own that fails tells on which line; what it left is looked at here.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from auth.tokens import SCOPES
from registry.devservers.certificates import write_certificate
from tests.support.server import Registry, running

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

_HERE = Path(__file__).parent
_TAGS = ("v1", "v2", "v3")


@pytest.fixture
async def github(env: dict[str, str]) -> AsyncIterator[Registry]:
    """alice owns acme, where bob is a member; acme/team/app and alice/tools/app have three versions each."""
    async with running(env) as registry:
        await _settle(registry)
        yield registry


@pytest.fixture
async def github_with_tls(env: dict[str, str], tmp_path: Path) -> AsyncIterator[Registry]:
    """The same by TLS. gh speaks nothing else to a server with a name of its own."""
    files = write_certificate(tmp_path, datetime.now(UTC) + timedelta(days=1))
    async with (
        running({**env, "MOORAGE_TLS_CERT": str(files.certificate), "MOORAGE_TLS_KEY": str(files.key)}) as secure,
        running(env) as registry,
    ):
        await _settle(registry)
        yield Registry(
            [secure.url.replace("http://", "https://"), registry.url],
            registry.replicas,
            registry.http,
            tokens=registry.tokens,
        )


async def _settle(registry: Registry) -> None:
    admin = await registry.admin()
    alice = registry.tokens["alice"] = await registry.user("alice", sorted(SCOPES - {"site_admin"}))
    await registry.user("bob")
    org = {"login": "acme", "admin": "alice"}
    assert (await registry.call("POST", "/api/v3/admin/organizations", admin, json=org)).status == 201
    assert (await registry.call("PUT", "/api/v3/orgs/acme/memberships/bob", alice, json={})).status == 200
    for tag in _TAGS:
        await registry.push_image("acme/team/app", tag, alice)
        await registry.push_image("alice/tools/app", tag, alice)


async def _run(registry: Registry, *command: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """What the program says. Fails with it when it does."""
    given = {"MOORAGE_URL": registry.url, "MOORAGE_TOKEN": registry.tokens["alice"], **(env or {})}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **given},  # noqa: TID251 - a child has the path and the caches of its parent
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return said


async def _all_is_as_it_was(registry: Registry) -> None:
    """What was deleted was restored; what was made is gone."""
    alice, plain = registry.tokens["alice"], registry.urls[-1]
    for owner, name in (("orgs/acme", "team%2Fapp"), ("users/alice", "tools%2Fapp")):
        path = f"{plain}/api/v3/{owner}/packages/container/{name}/versions"
        versions: Any = (await registry.call("GET", path, alice)).json
        assert {tag for one in versions for tag in one["metadata"]["container"]["tags"]} == set(_TAGS)
    repositories: Any = (await registry.call("GET", f"{plain}/api/v3/user/repos", alice)).json
    assert repositories == []


@pytest.mark.parametrize("program", ["packages.py", "with_githubkit.py", "with_github3.py"])
async def test_python(github: Registry, program: str) -> None:
    said = await _run(github, sys.executable, program, cwd=_HERE / "python")
    assert said.endswith("all done\n"), said
    await _all_is_as_it_was(github)


async def test_go_github(github: Registry) -> None:
    said = await _run(github, "go", "run", ".", cwd=_HERE / "go")
    assert said.endswith("all done\n"), said
    await _all_is_as_it_was(github)


async def test_octokit(github: Registry) -> None:
    said = await _run(github, "node", "packages.mjs", cwd=_HERE / "js")
    assert said.endswith("all done\n"), said
    await _all_is_as_it_was(github)


async def test_octocrab(github: Registry) -> None:
    built = {"CARGO_TARGET_DIR": f"{sys.prefix}/cargo"}
    said = await _run(github, "cargo", "run", "--quiet", cwd=_HERE / "rust", env=built)
    assert said.endswith("all done\n"), said
    await _all_is_as_it_was(github)


@pytest.mark.parametrize(("owner", "name"), [("acme", "team/app"), ("alice", "tools/app")])
async def test_ghcr_cleanup_action(github: Registry, tmp_path: Path, owner: str, name: str) -> None:
    """The action of a workflow: it deletes what is untagged, or has a tag, and leaves the rest."""
    await github.push_image(f"{owner}/{name}", "v3", github.tokens["alice"])
    inputs = {
        "TOKEN": github.tokens["alice"],
        "OWNER": owner,
        "PACKAGE": name,
        "REGISTRY-URL": github.url,
        "GITHUB-API-URL": f"{github.url}/api/v3",
        "DELETE-UNTAGGED": "true",
        "DELETE-TAGS": "v1",
        "VALIDATE": "true",
    }
    summary = tmp_path / "summary"
    summary.touch()
    workflow = {
        "GITHUB_REPOSITORY": f"{owner}/code",
        "GITHUB_REPOSITORY_OWNER": owner,
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    given = {**workflow, **{f"INPUT_{input_}": value for input_, value in inputs.items()}}
    action = f"{sys.prefix}/ghcr-cleanup-action/dist/index.js"
    said = await _run(github, "node", action, cwd=tmp_path, env=given)
    assert "total images deleted = 2" in said, said
    listed: Any = (await github.call("GET", f"/v2/{owner}/{name}/tags/list", github.tokens["alice"])).json
    assert listed["tags"] == ["v2", "v3"]
    whose = "orgs/acme" if owner == "acme" else "users/alice"
    path = f"/api/v3/{whose}/packages/container/{name.replace('/', '%2F')}"
    package: Any = (await github.call("GET", path, github.tokens["alice"])).json
    assert package["version_count"] == 2


async def test_renovate(github: Registry, tmp_path: Path) -> None:
    """It finds the newer tag of what a Dockerfile is made from, with a token that may only read.

    Its rules are by URL: a host without a scheme is one of https, also where another rule makes it http.
    """
    host = github.url.removeprefix("http://")
    (tmp_path / "Dockerfile").write_text(f"FROM {host}/acme/team/app:v1\n")
    rules = [
        {"matchHost": f"https://{host}", "insecureRegistry": True},
        {
            "matchHost": github.url,
            "username": "bob",
            "password": await github.token("bob", ["read:packages"]),
        },
    ]
    granted = await github.call(
        "PUT",
        "/api/v3/orgs/acme/packages/container/team%2Fapp/access/users/bob",
        github.tokens["alice"],
        json={"role": "read"},
    )
    assert granted.status == 204
    env = {"RENOVATE_HOST_RULES": orjson.dumps(rules).decode(), "LOG_LEVEL": "debug", "HOME": str(tmp_path)}
    program = f"{sys.prefix}/renovate/node_modules/.bin/renovate"
    options = ("--platform=local", "--onboarding=false", "--require-config=ignored")
    said = await _run(github, program, *options, cwd=tmp_path, env=env)
    assert '"newValue": "v3"' in said, said


async def test_gh(github_with_tls: Registry, tmp_path: Path) -> None:
    settings = {
        "GH_HOST": github_with_tls.url.removeprefix("https://"),
        "GH_ENTERPRISE_TOKEN": github_with_tls.tokens["alice"],
        "GH_CONFIG_DIR": str(tmp_path / "gh"),
        "GH_NO_UPDATE_NOTIFIER": "1",
        "SSL_CERT_FILE": str(tmp_path / "tls.crt"),
    }
    said = await _run(github_with_tls, "bash", "packages.sh", cwd=_HERE / "gh", env=settings)
    assert said.endswith("all done\n"), said
    await _all_is_as_it_was(github_with_tls)


async def test_hub4j(github: Registry) -> None:
    said = await _run(github, "mvn", "-q", "-B", "compile", "exec:java", cwd=_HERE / "java")
    assert "all done\n" in said, said  # Maven adds colours
    await _all_is_as_it_was(github)


async def test_regsync(github: Registry) -> None:
    host = {"MOORAGE_HOST": github.url.removeprefix("http://")}
    await _run(github, "regsync", "once", "-c", "regsync.yml", cwd=_HERE / "regsync", env=host)
    listed: Any = (await github.call("GET", "/v2/alice/mirror/tags/list", github.tokens["alice"])).json
    assert set(listed["tags"]) == set(_TAGS)
    await _all_is_as_it_was(github)

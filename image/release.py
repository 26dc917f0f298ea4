"""Releases what this checkout is: wheel, images and chart, each signed, with its bill of materials and provenance.

`make release TO=registry.example/acme KEY=cosign.key` runs it, logged in to the registry.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD_TYPE = "urn:moorage:make-release"


def run(*argv: str, where: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Run a program and return what it prints; what it complains of is shown."""
    done = subprocess.run(
        argv, cwd=where, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"release: {argv[0]} {argv[1]} failed")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Release:
    """What goes where. ``work`` is a folder for what is made on the way."""

    to: str
    key: str
    base: str
    version: str
    work: Path
    began: datetime

    @property
    def is_plain(self) -> bool:
        """A registry of this machine is spoken to by HTTP, as docker does it."""
        return re.match(r"(localhost|127\.0\.0\.1)[:/]", self.to) is not None

    def image(self, name: str) -> str:
        """Push an image that `make image` built; its name by digest."""
        file, there = self.work / "digest", f"{self.to}/{name}:{self.version}"
        engine = "buildah" if shutil.which("buildah") else "docker" if shutil.which("docker") else "podman"
        if engine == "docker":
            run("docker", "tag", f"{name}:{self.version}", there)
            digest = re.findall(r"digest: (sha256:[0-9a-f]{64})", run("docker", "push", there))[-1]
        else:
            plain = ["--tls-verify=false"] if self.is_plain else []
            run(engine, "push", *plain, f"--digestfile={file}", f"localhost/{name}:{self.version}", f"docker://{there}")
            digest = file.read_text().strip()
        return f"{self.to}/{name}@{digest}"

    def chart(self) -> str:
        """Push the chart; its name by digest."""
        run("helm", "package", "helm", "--version", self.version, "--destination", str(self.work))
        plain = ["--plain-http"] if self.is_plain else []
        argv = ["helm", "push", str(self.work / f"moorage-{self.version}.tgz"), f"oci://{self.to}/charts", *plain]
        said = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
        digest = re.findall(r"^Digest: (sha256:[0-9a-f]{64})", said.stdout, re.MULTILINE)[0]
        return f"{self.to}/charts/moorage@{digest}"

    def wheel(self) -> str:
        """Build the wheel and push it as an artifact; its name by digest."""
        folder = self.work / "wheel"
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".")
        (file,) = folder.iterdir()
        plain = ["--plain-http"] if self.is_plain else []
        pushed = [*plain, "--artifact-type=application/vnd.pypi.wheel", "--format=json"]
        there = f"{self.to}/moorage-wheel:{self.version}"
        # Whoever pulls it gets a file of the name that it is pushed by.
        told = json.loads(run("oras", "push", *pushed, there, f"{file.name}:application/zip", where=folder))
        return f"{self.to}/moorage-wheel@{told['digest']}"

    def bill(self, target: str) -> Path:
        """Write the bill of materials of an image, or of what is in a folder."""
        file = self.work / "bill.json"
        plain = {"SYFT_REGISTRY_INSECURE_USE_HTTP": "true"} if self.is_plain else {}
        run("syft", "scan", "--quiet", target, "--output", f"spdx-json={file}", env=plain)
        return file

    def provenance(self, name: str) -> Path:
        """Write of which commit and which base it was made, and when."""
        commit = run("git", "rev-parse", "HEAD").strip()
        used: list[dict[str, object]] = [{"name": "source", "digest": {"gitCommit": commit}}]
        image, _, digest = self.base.partition("@sha256:")
        used.append({"uri": f"pkg:docker/{image}", **({"digest": {"sha256": digest}} if digest else {})})
        told = {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"artifact": name.partition("@")[0], "version": self.version},
                "resolvedDependencies": used,
            },
            "runDetails": {
                "builder": {"id": BUILD_TYPE},
                "metadata": {"startedOn": f"{self.began:%FT%TZ}", "finishedOn": f"{datetime.now(UTC):%FT%TZ}"},
            },
        }
        file = self.work / "provenance.json"
        file.write_text(json.dumps(told))
        return file

    def vouch(self, name: str, target: str) -> None:
        """Sign it, and say with the same key what is in it and how it was made."""
        # Nothing is told to a public log: who releases, and what, is nobody else's business.
        told = ["--yes", "--key", self.key, "--use-signing-config=false", "--tlog-upload=false"]
        told += ["--allow-http-registry"] if self.is_plain else []
        run("cosign", "sign", *told, name)
        for kind, file in (("spdxjson", self.bill(target)), ("slsaprovenance1", self.provenance(name))):
            run("cosign", "attest", *told, "--type", kind, "--predicate", str(file), name)
        print(name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("to", help="registry/namespace")
    parser.add_argument("--key", required=True, help="of cosign; its password is in COSIGN_PASSWORD")
    written = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    parser.add_argument("--base", default=written[0], help="of the images, instead of the Dockerfile's")
    told, build = parser.parse_known_args()
    if run("git", "status", "--porcelain", "--untracked-files=no"):
        sys.exit("release: there are changes that no commit has")
    began = datetime.now(UTC)
    version = re.findall(r'^VERSION = "(.*)"$', (ROOT / "registry" / "version.py").read_text(), re.MULTILINE)[0]
    subprocess.run(
        ["image/build", "moorage", "--build-arg", f"BASE={told.base}", *build], cwd=ROOT, stdout=sys.stderr, check=True
    )
    with tempfile.TemporaryDirectory() as work:
        one = Release(told.to, told.key, told.base, version, Path(work), began)
        for name in ("moorage", "moorage-try-out"):
            pushed = one.image(name)
            one.vouch(pushed, f"registry:{pushed}")
        one.vouch(one.chart(), "dir:helm")
        one.vouch(one.wheel(), f"dir:{one.work / 'wheel'}")


if __name__ == "__main__":
    main()

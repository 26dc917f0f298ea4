"""The programs that push images, each with a home of its own: what an image is to them, and how they push it."""

import asyncio
import base64
import gzip
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from tests.support.docker_engine import Engine
from tests.support.images import Size, docker_archive, layout, tar

#: helm takes charts of 100 MiB at most, and files of 5 MiB in them.
_CHART_FILES: Final = 16
_CHART_FILE_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class Pusher:
    """A person with the client ``name``, whose images go to ``host``; the token is theirs."""

    name: str
    host: str
    token: str
    certificate: Path
    folder: Path
    engine: Engine
    jib: Path

    def prepare(self) -> None:
        """Write the credentials where all these clients look for them."""
        self.folder.mkdir()
        auth = base64.b64encode(f"alice:{self.token}".encode()).decode()
        (self.folder / "config.json").write_bytes(orjson.dumps({"auths": {self.host: {"auth": auth}}}))

    async def make(self, tag: str, size: Size) -> int:
        """Make an image that nobody has; its bytes."""
        return await asyncio.to_thread(self._make, self.folder / tag, tag, size)

    def _make(self, folder: Path, tag: str, size: Size) -> int:
        folder.mkdir()
        match self.name:
            case "helm":
                return _chart(folder / "chart.tgz", tag)
            case "docker":
                return self._load(folder / "image.tar", tag, size)
            case "crane" | "skopeo":
                return layout(folder, size)
            case _:
                for number in range(size.layers):
                    (folder / f"layer{number}").write_bytes(os.urandom(size.layer_bytes))
                return size.layers * size.layer_bytes

    def _load(self, archive: Path, tag: str, size: Size) -> int:
        docker_archive(archive, f"{self.host}/alice/docker:{tag}", size)
        self._run_now("docker", "load", "--quiet", "--input", str(archive))
        archive.unlink()
        return size.layers * size.layer_bytes

    async def push(self, tag: str) -> tuple[int, str]:
        """Push what ``make`` made; the exit status and what was printed."""
        folder, image = self.folder / tag, f"{self.host}/alice/{self.name}:{tag}"
        match self.name:
            case "oras":
                names = sorted(path.name for path in folder.iterdir())
                words = ["oras", "push", "--no-tty", image, *(f"{name}:application/octet-stream" for name in names)]
            case "skopeo":
                words = ["skopeo", "copy", f"oci:{folder}:image", f"docker://{image}"]
            case "crane":
                words = ["crane", "push", str(folder), image]
            case "docker":
                words = ["docker", "push", image]
            case "helm":
                words = ["helm", "push", str(folder / "chart.tgz"), f"oci://{self.host}/alice"]
            case _:
                source = Path(__file__).parent / "java" / "Push.java"
                store = f"-Djavax.net.ssl.trustStore={self._trust()}"
                words = [
                    "java",
                    "-Xmx256m",
                    store,
                    "-Djavax.net.ssl.trustStorePassword=changeit",
                    "-cp",
                    f"{self.jib}/*",
                    str(source),
                    image,
                    "alice",
                    self.token,
                ]
                words += [str(folder), str(self.folder / "cache")]
        process = await asyncio.create_subprocess_exec(
            *words, cwd=folder, env=self._env(), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        shutil.rmtree(folder)
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        if self.name == "docker":
            await asyncio.to_thread(self._run_now, "docker", "image", "rm", "--force", image)
        return process.returncode or 0, printed.decode(errors="replace")

    def _env(self) -> dict[str, str]:
        path = os.pathsep.join([*os.get_exec_path(), "/usr/sbin", "/sbin"])
        home = str(self.folder)
        return {
            "PATH": path,
            "HOME": home,
            "TMPDIR": home,
            "DOCKER_CONFIG": home,
            "DOCKER_HOST": self.engine.socket,
            "REGISTRY_AUTH_FILE": f"{home}/config.json",
            "HELM_REGISTRY_CONFIG": f"{home}/config.json",
            "SSL_CERT_FILE": str(self.certificate),
        }

    def _trust(self) -> Path:
        """The certificate as Java reads it."""
        store = self.folder / "trust.p12"
        if not store.exists():
            self._run_now(
                "keytool", "-importcert", "-noprompt", "-alias", "registry", "-file", str(self.certificate),
                "-keystore", str(store), "-storepass", "changeit", "-storetype", "PKCS12",
            )  # fmt: skip
        return store

    def _run_now(self, *words: str) -> None:
        done = subprocess.run(words, env=self._env(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)


def _chart(path: Path, tag: str) -> int:
    description = f"apiVersion: v2\nname: helm\nversion: {tag}\n".encode()
    files = [(f"helm/files/{number}", os.urandom(_CHART_FILE_BYTES)) for number in range(_CHART_FILES)]
    path.write_bytes(gzip.compress(tar([("helm/Chart.yaml", description), *files]), 0))
    return path.stat().st_size

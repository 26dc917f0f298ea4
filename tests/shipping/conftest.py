"""Both images, built over a stand-in for their base and run as real containers. All of it is in one folder, gone at the end."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from registry.version import VERSION
from tests.support.processes import ROOT

BASE = "localhost/base"
#: How a machine that reaches its package index by a proxy of its own tells pip of it.
_PIP = {"/etc/ssl/certs/ca-certificates.crt": "/run/authorities.crt", "/etc/pip.conf": "/etc/pip.conf"}


@dataclass(frozen=True, slots=True)
class Engine:
    """buildah and podman, over a storage of their own."""

    env: dict[str, str]
    where: Path = ROOT

    def run(self, *argv: str, text: str | None = None, fails: bool = False) -> str:
        done = subprocess.run(
            argv, env=self.env, cwd=self.where, input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) is fails, (argv, done.stdout[-2000:], done.stderr[-4000:])
        return done.stdout + done.stderr if fails else done.stdout

    def podman(self, *argv: str, text: str | None = None, fails: bool = False) -> str:
        # What runs where there is no systemd, and cgroups are of the first version.
        return self.run("podman", "--cgroup-manager=cgroupfs", "--runtime=runc", *argv, text=text, fails=fails)

    def container(self, image: str, *argv: str, more: tuple[str, ...] = (), fails: bool = False) -> str:
        """Run a container that may do nothing: its root cannot be written, and it has no capability."""
        limits = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096", "--network=host")
        return self.podman(
            "run", "--rm", "--read-only", "--cap-drop=all", *limits, *more, image, *argv, fails=fails
        )  # fmt: skip

    def inspected(self, image: str) -> dict[str, object]:
        return dict(orjson.loads(self.run("buildah", "inspect", "--type=image", image)))


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("images")
    for program in ("buildah", "podman", "runc", "mmdebstrap"):
        assert shutil.which(program), f"there is no {program}: apt install {program}"
    conf = folder / "storage.conf"
    conf.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n')
    one = Engine({**os.environ, "CONTAINERS_STORAGE_CONF": str(conf), "HOME": str(folder)})  # noqa: TID251 - a child's
    yield one
    one.podman("rm", "--all", "--force", "--time=10")
    one.run("buildah", "rmi", "--all", "--force")
    shutil.rmtree(folder, ignore_errors=True)


def build_arguments() -> list[str]:
    """What lets a build have packages on this machine."""
    told = ["--isolation=chroot", *(f"--volume={a}:{b}:ro" for a, b in _PIP.items() if Path(a).exists())]
    authorities = next(iter(_PIP))
    return [*told, f"--build-arg=PIP_CERT={_PIP[authorities]}"] if Path(authorities).exists() else told


@dataclass(frozen=True, slots=True)
class Images:
    server: str
    try_out: str


@pytest.fixture(scope="session")
def images(engine: Engine) -> Images:
    engine.run(str(Path(__file__).parent / "base.sh"), BASE)
    engine.run("image/build", "moorage", f"--build-arg=BASE={BASE}", *build_arguments())
    return Images(f"localhost/moorage:{VERSION}", f"localhost/moorage-try-out:{VERSION}")

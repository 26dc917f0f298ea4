"""Real clients with the files of `moorage mirror config`: their unchanged commands, cold, warm, without the upstream."""

import asyncio
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.commands import Shell
from tests.mirror.conftest import Mirrored
from tests.support.docker_engine import dockerd
from tests.support.images import Size, layout
from tests.support.server import basic

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(300)]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_READY_SECONDS = 30.0
HUBS = "a-password-of-the-Hub"


async def run(*words: str, given: str = "", env: Mapping[str, str] | None = None, fails: bool = False) -> str:
    """Runs a command; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": _PATH, "HOME": "/nonexistent", **(env or {})},
    )
    printed, _ = await process.communicate(given.encode())
    assert (process.returncode != 0) == fails, printed.decode()
    return printed.decode()


@pytest.fixture
async def shell(mirrored: Mirrored, tmp_path: Path) -> Shell:
    """The shell of an owner; the mirror has a host, and the upstream an image that has real layers."""
    registry = mirrored.registry
    host = registry.url.removeprefix("http://").replace("127.0.0.1", "localhost")
    await registry.services.db.execute(
        "INSERT INTO mirror_names (name, is_host, owner_id, place) SELECT $1, true, owner_id, 1 FROM mirrors", host
    )
    await mirrored.set("tag_seconds = 0")
    layout(tmp_path / "layout", Size(2, 100_000))
    for name in ("app", "late"):
        await run(
            "skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-creds", f"library:{mirrored.pusher}",
            f"oci:{tmp_path}/layout", f"docker://{mirrored.origin.url.removeprefix('http://')}/library/{name}:1",
        )  # fmt: skip
    await mirrored.origin.services.db.execute("UPDATE packages SET visibility = 'public'")
    return Shell(registry, tmp_path, {"MOORAGE_TOKEN": await registry.token("olga", ["read:org"])})


async def _pulls(mirrored: Mirrored, pull: "Pull") -> None:
    """Cold, warm, and with the upstream away: the same command; what was never here is not to be had then."""
    mirrored.upstream.seen.clear()
    await pull("app")
    assert mirrored.upstream.count("GET blobs") == 3
    await pull("app")
    assert mirrored.upstream.count("GET blobs") == 3
    mirrored.upstream.status = 503
    await pull("app")
    await pull("late", fails=True)
    mirrored.upstream.status = 0
    assert mirrored.upstream.count("GET blobs") == 3


class Pull(ABC):
    """Pulls an image of docker.io that is not at the client, by its unchanged command."""

    @abstractmethod
    async def __call__(self, image: str, *, fails: bool = False) -> None: ...


@contextmanager
def containerd(folder: Path) -> Iterator[str]:
    """A containerd that keeps everything in this folder; its socket."""
    folder.mkdir()
    socket = folder / "socket"
    (folder / "config.toml").write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]\n'
        f'[grpc]\n  address = "{socket}"\n[ttrpc]\n  address = "{folder}/ttrpc"\n'
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["containerd", "-c", f"{folder}/config.toml"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while subprocess.run(["ctr", "-a", str(socket), "version"], check=False, capture_output=True).returncode:
            assert time.monotonic() < deadline, (folder / "log").read_text()[-1000:]
            time.sleep(0.2)
        yield str(socket)
    finally:
        process.terminate()
        process.wait(30)


class _Containerd(Pull):
    def __init__(self, socket: str, hosts: Path) -> None:
        self._ctr, self._hosts = ("ctr", "-a", socket), str(hosts)

    async def __call__(self, image: str, *, fails: bool = False) -> None:
        name = f"docker.io/library/{image}:1"
        await run(*self._ctr, "images", "rm", "--sync", name)
        await run(*self._ctr, "content", "prune", "references")
        await run(
            *self._ctr, "images", "pull", "--snapshotter", "native", "--hosts-dir", self._hosts, name, fails=fails
        )


async def test_containerd(mirrored: Mirrored, shell: Shell, tmp_path: Path) -> None:
    printed = (await shell.ok("mirror", "config", "containerd", "hub")).out
    # A node has a token: as the file says, with the comments taken away.
    credentials = basic(mirrored.member, "mona")["Authorization"]
    lines = [line.replace("# ", "", 1) if line.startswith("  # ") else line for line in printed.splitlines()]
    written = "\n".join(line for line in lines if "base64 of" not in line).replace("Basic …", credentials)
    (tmp_path / "hosts" / "docker.io").mkdir(parents=True)
    (tmp_path / "hosts" / "docker.io" / "hosts.toml").write_text(written)
    with containerd(tmp_path / "containerd") as socket:
        await _pulls(mirrored, _Containerd(socket, tmp_path / "hosts"))
        # And as nobody, if the mirror lets nobody fetch: as printed.
        await mirrored.set("fetch_by = 'anonymous'")
        printed = (await shell.ok("mirror", "config", "containerd", "hub")).out
        assert "authorization" not in printed
        (tmp_path / "hosts" / "docker.io" / "hosts.toml").write_text(printed)
        await mirrored.registry.services.db.execute("UPDATE packages SET visibility = 'public'")
        await _Containerd(socket, tmp_path / "hosts")("late")


class _Skopeo(Pull):
    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder, self._env, self._number = folder, env, 0

    async def __call__(self, image: str, *, fails: bool = False) -> None:
        self._number += 1
        target = f"dir:{self._folder}/{self._number}"
        source, conf = f"docker://docker.io/library/{image}:1", self._env["CONTAINERS_REGISTRIES_CONF"]
        await run("skopeo", "--registries-conf", conf, "copy", source, target, env=self._env, fails=fails)


class _Podman(Pull):
    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._podman = (
            "podman", "--root", f"{folder}/root", "--runroot", f"{folder}/runroot", "--tmpdir", f"{folder}/tmp",
            "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
        )  # fmt: skip
        self._env = env

    async def __call__(self, image: str, *, fails: bool = False) -> None:
        name = f"docker.io/library/{image}:1"
        await run(*self._podman, "rmi", "--force", "--ignore", name, env=self._env)
        await run(*self._podman, "pull", "--quiet", name, env=self._env, fails=fails)

    async def login(self, host: str, login: str, token: str) -> None:
        words = ("login", "--tls-verify=false", "--username", login, "--password-stdin", host)
        await run(*self._podman, *words, given=token, env=self._env)


@pytest.mark.parametrize("client", [_Skopeo, _Podman])
async def test_podman_and_skopeo(mirrored: Mirrored, shell: Shell, tmp_path: Path, client: type[Pull]) -> None:
    printed = await shell.ok("mirror", "config", "podman", "hub")
    (tmp_path / "registries.conf").write_text(printed.out)
    env = {
        "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf"),
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
        "HOME": str(tmp_path),
    }
    with TemporaryDirectory() as short:  # podman takes no long path
        podman = _Podman(Path(short), env)
        await podman.login(shell.host, "mona", mirrored.member)
        await _pulls(mirrored, _Skopeo(tmp_path, env) if client is _Skopeo else podman)


class _Docker(Pull):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    async def __call__(self, image: str, *, fails: bool = False) -> None:
        await run("docker", "image", "prune", "--all", "--force", env=self._env)
        await run("docker", "pull", "--quiet", f"{image}:1", env=self._env, fails=fails)


async def test_docker(mirrored: Mirrored, shell: Shell, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    await mirrored.set("fetch_by = 'anonymous'")
    (tmp_path / "daemon.json").write_text((await shell.ok("mirror", "config", "docker", "hub")).out)
    (tmp_path / "engine").mkdir()
    with dockerd(tmp_path / "engine", f"--config-file={tmp_path}/daemon.json") as engine:
        env = {"DOCKER_HOST": engine.socket, "DOCKER_CONFIG": str(tmp_path / "home")}
        await _pulls(mirrored, _Docker(env))
        # Signed in to the Hub, as it is written by docker login.
        auth = basic(HUBS, "hubs-user")["Authorization"].removeprefix("Basic ")
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / "home" / "config.json").write_text(
            f'{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{auth}"}}}}}}'
        )
        await mirrored.set("tag_seconds = 0")  # the upstream may be asked again at once
        await _Docker(env)("late")
    out, err = capfd.readouterr()
    for told in (out + err, str(mirrored.upstream.credentials)):
        assert HUBS not in told
        assert auth not in told

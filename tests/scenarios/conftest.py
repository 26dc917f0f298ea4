"""A real dockerd of its own, and docker's command line with a home for each person."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.docker_engine import Engine, dockerd
from tests.support.server import Registry


class Refused(Exception):
    """docker ended with an error; the message is what it printed."""


@dataclass(frozen=True)
class Person:
    """Somebody with a docker command line and credentials of their own."""

    engine: Engine
    host: str
    home: Path

    async def docker(self, *words: str, given: str = "") -> str:
        """Runs ``docker …``; what it printed. Raises Refused."""
        process = await asyncio.create_subprocess_exec(
            "docker",
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin",
                "DOCKER_HOST": self.engine.socket,
                "DOCKER_CONFIG": str(self.home),
                "DOCKER_BUILDKIT": "0",
                "HOME": str(self.home),
            },
        )
        printed, _ = await process.communicate(given.encode())
        if process.returncode:
            raise Refused(printed.decode())
        return printed.decode()

    async def login(self, login: str, token: str) -> str:
        return await self.docker("login", self.host, "--username", login, "--password-stdin", given=token)

    async def build(self, name: str, **labels: str) -> str:
        """Builds an image FROM scratch; its full name."""
        context = self.home / "context"
        context.mkdir(parents=True, exist_ok=True)
        (context / "hello").write_text(f"{name} {time.time_ns()}")
        lines = [
            "FROM scratch",
            "COPY hello /hello",
            *(f'LABEL {k.replace("__", ".")}="{v}"' for k, v in labels.items()),
        ]
        (context / "Dockerfile").write_text("\n".join(lines))
        image = f"{self.host}/{name}"
        await self.docker("build", "--quiet", "--tag", image, str(context))
        return image

    async def push(self, name: str, **labels: str) -> str:
        """Builds and pushes; what docker printed. Raises Refused."""
        return await self.docker("push", await self.build(name, **labels))

    async def pull(self, name: str) -> str:
        """Pulls what is not here. Raises Refused."""
        image = f"{self.host}/{name}"
        with contextlib.suppress(Refused):
            await self.docker("image", "rm", "--force", image)
        return await self.docker("pull", image)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with dockerd(tmp_path_factory.mktemp("docker")) as started:
        yield started


@pytest.fixture
async def person(engine: Engine, registry: Registry, tmp_path: Path) -> Callable[[str], Person]:
    """Makes people: ``person("alice")``."""

    def make(name: str) -> Person:
        home = tmp_path / name
        home.mkdir()
        return Person(engine, registry.url.removeprefix("http://"), home)

    return make

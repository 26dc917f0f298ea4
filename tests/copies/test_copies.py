"""`moorage copy` of an image of ten platforms between the registries that people have, ended in the middle."""

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from tests.cli.commands import Shell
from tests.cli.test_copy import other
from tests.copies.conftest import Row, Speed
from tests.copies.servers import serving
from tests.support.counting import Line, counting
from tests.support.multiplatform import Image, Repository, missing, publish
from tests.support.server import Registry

pytestmark = [pytest.mark.copies, pytest.mark.timeout(300)]
__all__ = ["other"]

_LAYER = 4 << 20
_JOBS = 4
#: What questions and headers of the further runs take.
_TALK = 600_000
#: Registries that tell how much of an upload is there; crane's does not.
_GOES_ON = {"moorage", "distribution"}
_ENDS = ((signal.SIGKILL, 0.1), (signal.SIGKILL, 0.5), (signal.SIGKILL, 0.9), (signal.SIGINT, 0.5))
_WAYS = [*itertools.permutations(("moorage", "distribution", "crane"), 2), ("moorage", "moorage")]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(serving(name, tmp_path_factory.mktemp(name)))
            for name in ("distribution", "crane")
        }


@dataclass
class Way:
    """From one registry to another, over a line that counts."""

    shell: Shell
    source: Repository
    line: Line
    target: Repository

    def there(self, name: str) -> Repository:
        """The repository to which a copy of this name goes."""
        return replace(self.target, path=self.target.path + name)

    def words(self, name: str) -> list[str]:
        """The arguments of that copy."""
        source = f"{self.source.url.removeprefix('http://')}/{self.source.path}:{name}"
        return ["copy", source, f"{self.line.host}/{self.there(name).path}", "-j", str(_JOBS)]

    async def publish(self, name: str) -> Image:
        """Publishes an image that nobody has: crane's registry has each blob in every repository."""
        keeps = bool(self.source.token)
        return await publish(self.source, name, platforms=10, layer_bytes=_LAYER, keeps_referrers=keeps)

    async def interrupted(self, sign: signal.Signals, count: int, name: str) -> None:
        """Runs a copy until so many bytes are there, and sends the signal."""
        self.line.hold_at(count)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", *self.words(name), env=self.shell._environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            await self.line.held.wait()
            child.send_signal(sign)
            if sign == signal.SIGKILL:
                await child.wait()
            self.line.go_on()
            await child.communicate()


@pytest.fixture
async def way(
    request: pytest.FixtureRequest, shell: Shell, other: Registry, hosts: dict[str, str]
) -> AsyncIterator[Way]:
    source, target = request.param
    alice, bob = await shell.registry.user("alice"), await other.user("bob")
    mine = {"moorage": shell.host, **hosts}[source]
    behind = {"moorage": other.url.removeprefix("http://"), **hosts}[target]
    async with counting(behind) as line:
        if source == "moorage":
            await shell.ok("login", mine, "--with-token", given=alice)
        if target == "moorage":
            await shell.ok("login", line.host, "--with-token", given=bob)
        token = alice if source == "moorage" else ""
        ours = Repository(shell.registry.http, f"http://{mine}", f"alice/{target}", token)
        theirs = Repository(ours.http, f"http://{behind}", f"bob/{source}-", bob if target == "moorage" else "")
        yield Way(shell, ours, line, theirs)


@pytest.mark.parametrize("way", _WAYS, indirect=True, ids=[" to ".join(one) for one in _WAYS])
async def test_a_copy_that_is_ended_goes_on(way: Way, table: list[Row | Speed], request: pytest.FixtureRequest) -> None:
    named = request.node.callspec.id
    name, image, began = "whole", await way.publish("whole"), time.monotonic()
    await way.shell.ok(*way.words("whole"))
    whole = way.line.up
    table.append(Row(named, "-", whole, 0, time.monotonic() - began))
    assert await missing(image, way.there("whole")) == []
    for sign, share in _ENDS:
        name = f"{sign.name.lower()}{share * 100:.0f}"
        image, began = await way.publish(name), time.monotonic()
        await way.interrupted(sign, int(image.size * share), name)
        await way.shell.ok(*way.words(name))
        twice = max(0, way.line.up - whole)
        table.append(Row(named, f"{sign.name} at {share:.0%}", way.line.up, twice, time.monotonic() - began))
        assert await missing(image, way.there(name)) == []
        allowed = 0 if named.rpartition(" ")[2] in _GOES_ON else _JOBS * _LAYER
        assert twice <= allowed + _TALK, table[-1]
    again = await way.shell.ok(*way.words(name), "--verbose")
    assert not [line for line in again.err.splitlines() if line.startswith(("> PUT", "> PATCH", "> POST"))]

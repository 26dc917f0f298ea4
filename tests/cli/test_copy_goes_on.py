"""`moorage copy` that is killed or cut goes on where it was: what has arrived is not sent again."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.commands import Shell
from tests.cli.former import former
from tests.cli.test_copy import other, sign_in
from tests.support.counting import Line, counting
from tests.support.multiplatform import Repository, missing, publish
from tests.support.server import Registry

__all__ = ["other"]
_LAYER = 6 << 20
#: What the questions and headers of a second run take.
_TALK = 300_000


@pytest.fixture
async def line(other: Registry) -> AsyncIterator[Line]:
    async with counting(other.url.removeprefix("http://")) as one:
        yield one


def _uploads(shell: Shell) -> list[Path]:
    return sorted((shell.home / ".local/state/moorage/uploads").glob("*"))


async def _interrupted(shell: Shell, line: Line, sign: signal.Signals, *words: str) -> str:
    """Runs a copy until the line holds it, and sends the signal; what it said on stderr."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "copy", *words,
        env=shell._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        await line.held.wait()
        child.send_signal(sign)
        if sign == signal.SIGKILL:
            await child.wait()
        line.go_on()
        _, err = await child.communicate()
    return err.decode()


@pytest.mark.parametrize(
    ("sign", "share"), [(signal.SIGKILL, 0.1), (signal.SIGKILL, 0.9), (signal.SIGINT, 0.5)], ids=["first", "last", "C"]
)
async def test_a_copy_that_is_ended_by_a_signal(
    shell: Shell, other: Registry, line: Line, sign: signal.Signals, share: float
) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    bob = await sign_in(shell, other, "bob", line.host)
    ours = Repository(shell.registry.http, shell.registry.url, "alice/app", alice)
    image = await publish(ours, "v1", platforms=2, layer_bytes=_LAYER, keeps_referrers=True)
    line.hold_at(int(image.size * share))
    words = (f"{shell.host}/alice/app:v1", f"{line.host}/bob/app")
    said = await _interrupted(shell, line, sign, *words)
    assert "Traceback" not in said
    if sign == signal.SIGINT:
        assert re.search(r"\d+ of \d+ blobs are there; the same command goes on\nerror: interrupted\n$", said)
    assert len(_uploads(shell)) >= 1
    assert {one.stat().st_mode & 0o777 for one in _uploads(shell)} == {0o600}
    await shell.ok("copy", *words)
    assert line.up < image.size + _TALK
    assert await missing(image, Repository(other.http, other.url, "bob/app", bob)) == []
    assert _uploads(shell) == []


async def test_a_line_that_is_cut(shell: Shell, other: Registry, line: Line) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    await sign_in(shell, other, "bob", line.host)
    await shell.registry.push_image("alice/app", "v1", alice, size=16 << 20)
    line.hold_at(6 << 20)
    async with asyncio.TaskGroup() as group:
        group.create_task(shell.ok("copy", f"{shell.host}/alice/app:v1", f"{line.host}/bob/app"))
        await line.held.wait()
        line.cut()
    assert line.up < (17 << 20) + _TALK


async def test_an_upload_that_the_registry_has_forgotten_begins_anew(shell: Shell, other: Registry, line: Line) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    bob = await sign_in(shell, other, "bob", line.host)
    digest = await shell.registry.push_image("alice/app", "v1", alice, size=_LAYER)
    line.hold_at(_LAYER // 2)
    words = (f"{shell.host}/alice/app:v1", f"{line.host}/bob/app")
    await _interrupted(shell, line, signal.SIGKILL, *words)
    await other.services.db.execute("DELETE FROM uploads")
    await shell.ok("copy", *words)
    assert (await other.call("GET", f"/v2/bob/app/manifests/{digest}", bob)).status == 200


async def test_what_was_sent_wrongly_is_not_gone_on_with(shell: Shell, other: Registry, line: Line) -> None:
    """The bytes of the source change under a copy: the registry there refuses them, and all are sent anew."""
    alice = await sign_in(shell, shell.registry, "alice")
    bob = await sign_in(shell, other, "bob", line.host)
    digest = await shell.registry.push_image("alice/app", "v1", alice, size=_LAYER)
    line.hold_at(_LAYER // 2)
    words = (f"{shell.host}/alice/app:v1", f"{line.host}/bob/app")
    await _interrupted(shell, line, signal.SIGKILL, *words)
    kept = _uploads(shell)[0]
    location = kept.read_text()
    sent = await other.call("PATCH", location, bob, data=b"x" * 1000)
    assert sent.status == 202, sent.body
    await shell.ok("copy", *words)
    assert (await other.call("GET", f"/v2/bob/app/manifests/{digest}", bob)).status == 200


async def test_a_copy_that_was_cut_between_a_signature_and_its_tag(shell: Shell, other: Registry) -> None:
    """The registry there keeps no referrers; the manifest of the signature had arrived, the tag for it had not."""
    alice = await sign_in(shell, shell.registry, "alice")
    ours = Repository(shell.registry.http, shell.registry.url, "alice/app", alice)
    image = await publish(ours, "v1", platforms=1, layer_bytes=1000, keeps_referrers=True)
    async with former(other.url) as old:
        bob = await sign_in(shell, other, "bob", old.host)
        words = ("copy", f"{shell.host}/alice/app:v1", f"{old.host}/bob/app")
        await shell.ok(*words)
        there = Repository(other.http, f"http://{old.host}", "bob/app", bob)
        assert await missing(image, there) == []
        for subject in image.referrers:
            await other.services.db.execute("DELETE FROM tags WHERE name = $1", subject.replace(":", "-"))
        assert await missing(image, there) != []
        await shell.ok(*words)
        assert await missing(image, there) == []

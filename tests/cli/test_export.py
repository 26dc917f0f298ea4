"""`moorage export` and back: an OCI layout in a tar file, the same each time, whole, that other programs read."""

import asyncio
import shutil

from tests.cli.commands import Shell
from tests.cli.test_copy import image, other, sign_in, there
from tests.support.server import Registry

__all__ = ["other"]


async def test_images_go_through_a_file(shell: Shell, other: Registry) -> None:
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    index, signature, more = await image(shell.registry, alice)
    await shell.registry.push_image("alice/tools/lint", "v2", alice)
    first, second = shell.home / "one.tar", shell.home / "two.tar"
    for path in (first, second):
        await shell.ok("export", "alice/app:v1", "alice/tools/lint:v2", "-o", str(path))
    assert first.read_bytes() == second.read_bytes()
    target = other.url.removeprefix("http://")
    done = await shell.ok("import", str(first), "--to", f"{target}/bob")
    assert f"{target}/bob/app:v1@{index}\n" in done.out
    assert f"{target}/bob/tools/lint:v2@" in done.out
    for digest in (index, signature, *more):
        await there(other, "bob/app", digest, bob)
    await there(other, "bob/app", index.replace(":", "-") + ".sig", bob)
    again = await shell.ok("import", str(first), "--to", f"{target}/bob")
    assert again.err.startswith("0 images came, 0 B sent")
    if shutil.which("skopeo"):
        words = ["skopeo", "copy", "--all", f"oci-archive:{first}:v1", f"dir:{shell.home}/out"]
        skopeo = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.DEVNULL)
        assert await skopeo.wait() == 0
        assert {one.name for one in (shell.home / "out").iterdir()} > {
            f"{one.removeprefix('sha256:')}.manifest.json" for one in more[:2]
        }


async def test_what_is_no_bundle(shell: Shell) -> None:
    await sign_in(shell, shell.registry, "alice")
    path = shell.home / "none.tar"
    path.write_bytes(b"no tar")
    assert "is no OCI layout" in await shell.fails(2, "import", str(path), "--to", f"{shell.host}/alice")
    await shell.fails(3, "export", "alice/none:v1", "-o", str(path) + ".new")
    assert not (shell.home / "none.tar.new").exists()

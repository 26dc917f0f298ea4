"""`moorage copy`: any registry to any other, whole, and nothing twice."""

import asyncio
import hashlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.migrate import migrate
from tests.api.test_versions import INDEX, OCI, push_referrer, put
from tests.cli.commands import Shell
from tests.cli.former import former
from tests.support.server import Registry, running, settings_env, until


@pytest.fixture
async def other(postgres_empty: str, s3: EmbeddedS3) -> AsyncIterator[Registry]:
    """Another registry, with nothing in common."""
    await migrate(postgres_empty)
    async with running(settings_env(postgres_empty, s3, f"other-{os.getpid()}-{os.urandom(4).hex()}")) as served:
        yield served


async def sign_in(shell: Shell, registry: Registry, login: str, host: str = "") -> str:
    token = await registry.user(login)
    for one in (registry.url.removeprefix("http://"), *([host] if host else [])):
        await shell.ok("login", one, "--with-token", given=token)
    return token


async def image(registry: Registry, token: str) -> tuple[str, str, list[str]]:
    """An index of two platforms with a signature in the referrers, one of cosign beside it: digest and digests."""
    children = [
        await registry.push_image("alice/app", f"c{number}", token, layers=2, size=3000, architecture=arch)
        for number, arch in enumerate(("amd64", "arm64"))
    ]
    entries = [
        {"mediaType": OCI, "digest": child, "size": 500, "platform": {"os": "linux", "architecture": arch}}
        for child, arch in zip(children, ("amd64", "arm64"), strict=True)
    ]
    index = await put(registry, "v1", {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, token)
    signature = await push_referrer(registry, "", index, token, "signature")
    beside = await push_referrer(registry, index.replace(":", "-") + ".sig", None, token, "cosign")
    return index, signature, [*children, beside]


async def there(registry: Registry, name: str, version: str, token: str) -> bytes:
    got = await registry.call("GET", f"/v2/{name}/manifests/{version}", token)
    assert got.status == 200, (version, got.body)
    return got.body


async def test_an_image_is_copied_with_all_that_belongs_to_it(shell: Shell, other: Registry) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    bob = await sign_in(shell, other, "bob")
    index, signature, more = await image(shell.registry, alice)
    there_host = other.url.removeprefix("http://")
    dry = await shell.ok("copy", f"{shell.host}/alice/app:v1", f"{there_host}/bob/app", "--dry-run", "-q")
    assert dry.out == f"{index}\n"
    assert (await other.call("GET", "/v2/bob/app/tags/list", bob)).status == 404
    done = await shell.ok("copy", f"{shell.host}/alice/app:v1", f"{there_host}/bob/app")
    assert done.out == f"{there_host}/bob/app:v1@{index}\n"
    assert done.err.startswith("7 blobs, ")
    for digest in (index, signature, *more):
        body = await there(other, "bob/app", digest, bob)
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == digest
    listed: Any = (await other.call("GET", f"/v2/bob/app/referrers/{index}", bob)).json
    assert [one["digest"] for one in listed["manifests"]] == [signature]
    await there(other, "bob/app", index.replace(":", "-") + ".sig", bob)
    again = await shell.ok("copy", f"{shell.host}/alice/app:v1", f"{there_host}/bob/app:latest", "--verbose")
    assert "PUT" not in "".join(line for line in again.err.splitlines() if "/blobs/" in line)
    assert await there(other, "bob/app", "latest", bob) == await there(other, "bob/app", index, bob)
    one = await shell.ok(
        "copy", f"{shell.host}/alice/app:v1", f"{there_host}/bob/arm", "--platform", "linux/arm64", "-q"
    )
    assert one.out == f"{more[1]}\n"


async def test_blobs_are_mounted_within_a_registry(shell: Shell) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    digest = await shell.registry.push_image("alice/app", "v1", alice, layers=3)
    done = await shell.ok("copy", "alice/app:v1", "alice/twin", "--verbose")
    assert "4 blobs, 0 B sent" in done.err
    assert f" PUT http://{shell.host}/v2/alice/twin/blobs" not in done.err
    assert await there(shell.registry, "alice/twin", digest, alice)


async def test_all_tags_are_copied(shell: Shell, other: Registry) -> None:
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    pushed = [await shell.registry.push_image("alice/app", f"v{number}", alice) for number in range(3)]
    target = f"{other.url.removeprefix('http://')}/bob/app"
    done = await shell.ok("copy", f"{shell.host}/alice/app", target, "--all-tags", "--json")
    assert done.json == [{"tag": f"v{number}", "digest": digest} for number, digest in enumerate(pushed)]
    listed: Any = (await other.call("GET", "/v2/bob/app/tags/list", bob)).json
    assert listed["tags"] == ["v0", "v1", "v2"]


async def test_referrers_of_a_registry_that_knows_none(shell: Shell, other: Registry) -> None:
    """They go to the tag that stands for their subject, and come back from it."""
    alice, bob = await sign_in(shell, shell.registry, "alice"), ""
    async with former(other.url) as old:
        bob = await sign_in(shell, other, "bob", old.host)
        index, signature, _ = await image(shell.registry, alice)
        await shell.ok("copy", f"{shell.host}/alice/app:v1", f"{old.host}/bob/app")
        listed: Any = (await other.call("GET", f"/v2/bob/app/manifests/{index.replace(':', '-')}", bob)).json
        assert [one["digest"] for one in listed["manifests"]] == [signature]
        assert listed["manifests"][0]["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
        await shell.ok("copy", f"{old.host}/bob/app:v1", f"{shell.host}/alice/back")
        back: Any = (await shell.registry.call("GET", f"/v2/alice/back/referrers/{index}", alice)).json
        assert [one["digest"] for one in back["manifests"]] == [signature]


async def test_a_copy_that_was_cut_goes_on_and_sends_no_blob_twice(shell: Shell, other: Registry) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    await shell.registry.push_image("alice/app", "v1", alice, layers=6)
    async with former(other.url) as old:
        await sign_in(shell, other, "bob", old.host)
        old.lets_through = 3
        cut = await shell.run("copy", f"{shell.host}/alice/app:v1", f"{old.host}/bob/app", "-j", "1")
        assert (cut.status, cut.out) == (7, "")
        assert "3 of 7 blobs are there; the same command goes on\n" in cut.err
        assert "did not arrive" in cut.err
        arrived = old.uploads()[:3]
        old.asked.clear()
        old.lets_through = 100
        await shell.ok("copy", f"{shell.host}/alice/app:v1", f"{old.host}/bob/app")
        assert len(old.uploads()) == 4
        assert not set(arrived) & set(old.uploads())


async def test_other_bytes_are_not_passed_on(shell: Shell, other: Registry) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    await shell.registry.push_image("alice/app", "v1", alice)
    await sign_in(shell, other, "bob")
    changed = "UPDATE blobs SET body = sha256(body) || substr(body, 33) WHERE size = 1000"
    await shell.registry.services.db.execute(changed)
    told = await shell.run("copy", f"{shell.host}/alice/app:v1", f"{other.url.removeprefix('http://')}/bob/app")
    assert (told.status, told.out) == (1, ""), told
    assert "error: the source has other bytes for sha256:" in told.err
    assert (await other.call("GET", "/v2/bob/app/manifests/v1")).status == 401


async def test_what_is_not_there_or_not_allowed(shell: Shell) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    await shell.registry.push_image("alice/app", "v1", alice)
    assert (await shell.fails(3, "copy", "alice/app:none", "alice/twin")).startswith("error: alice/app:none: ")
    await shell.registry.user("bob")
    assert (await shell.fails(5, "copy", "alice/app:v1", "bob/app")).startswith("error: ")
    assert "--jobs is 1 to 32" in await shell.fails(2, "copy", "alice/app", "alice/b", "-j", "0")


async def test_the_token_of_the_environment_goes_to_its_own_host_only(shell: Shell, other: Registry) -> None:
    alice = await shell.registry.user("alice")
    await shell.registry.push_image("alice/app", "v1", alice)
    async with former(other.url) as old:
        done = await shell.run("copy", "alice/app:v1", f"{old.host}/alice/app", "--verbose", MOORAGE_TOKEN=alice)
        assert done.status == 4, done
        assert f"try: moorage login {old.host}" in done.err
        assert alice not in done.err


async def test_ctrl_c_ends_at_once_and_says_how_far_it_came(shell: Shell, other: Registry) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    await shell.registry.push_image("alice/app", "v1", alice, layers=4)
    async with former(other.url) as old:
        await sign_in(shell, other, "bob", old.host)
        old.stalls_after = 2
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", "copy", f"{shell.host}/alice/app:v1", f"{old.host}/bob/app",
            env=shell._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await until(lambda: len(old.uploads()) > 2)
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(2):
            out, err = await child.communicate()
        assert (child.returncode, out) == (130, b"")
        told = r"[1-4] of 5 blobs are there; the same command goes on\nerror: interrupted\n"
        assert re.fullmatch(told, err.decode()), err


async def test_a_terminal_sees_how_far_it_is(shell: Shell, other: Registry) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    await sign_in(shell, other, "bob")
    digest = await shell.registry.push_image("alice/app", "v1", alice, size=300_000)
    target = f"{other.url.removeprefix('http://')}/bob/app"
    text = await shell.on_terminal("copy", f"{shell.host}/alice/app:v1", target)
    assert re.search(r"\r\x1b\[K\d/2 blobs  [\d.]+ k?B of 300 kB  [\d.]+ [kMG]?B/s", text), text
    assert text.endswith(f"2 blobs, 300 kB sent\r\n{target}:v1@{digest}\r\n")

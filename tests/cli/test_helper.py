"""`docker-credential-moorage`: docker's protocol of credential helpers, to the letter."""

import asyncio
import shutil
import stat
import sys

import orjson
import pytest

from tests.api.test_versions import put
from tests.cli.commands import Done, Shell

PROGRAM = "registry.cli.client.docker_credential"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
ABSENT = "credentials not found in native keychain\n"


async def helper(shell: Shell, action: str, given: str = "") -> Done:
    done = await shell.run(action, given=given, program=PROGRAM)
    assert done.err == ""
    return done


async def test_the_protocol(shell: Shell) -> None:
    alice = orjson.dumps({"ServerURL": "https://r.example/v2/", "Username": "alice", "Secret": "mrp_x"}).decode()
    assert await helper(shell, "get", "r.example") == Done(1, ABSENT, "")
    assert await helper(shell, "list") == Done(0, "{}\n", "")
    assert await helper(shell, "store", alice) == Done(0, "", "")
    for asked in ("r.example", "https://r.example", "https://R.example:443/v2/\n", "http://r.example/v1/"):
        got = await helper(shell, "get", asked)
        assert got.json == {"ServerURL": asked.strip(), "Username": "alice", "Secret": "mrp_x"}
    assert await helper(shell, "get", "r.example:5000") == Done(1, ABSENT, "")
    assert (await helper(shell, "list")).json == {"r.example": "alice"}
    assert await helper(shell, "erase", "https://r.example") == Done(0, "", "")
    assert await helper(shell, "get", "r.example") == Done(1, ABSENT, "")
    assert await helper(shell, "get", "\n") == Done(1, "no credentials server URL\n", "")
    assert await helper(shell, "store", "{}") == Done(1, "no credentials server URL\n", "")
    nobody = orjson.dumps({"ServerURL": "r.example", "Username": "", "Secret": "x"}).decode()
    assert await helper(shell, "store", nobody) == Done(1, "no credentials username\n", "")
    assert (await helper(shell, "version")).out.startswith("docker-credential-moorage ")
    assert (await helper(shell, "sing")).status == 1
    path = shell.home / ".config" / "moorage" / "hosts.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_many_write_at_once_and_none_is_lost(shell: Shell) -> None:
    def one(number: int) -> str:
        return orjson.dumps({"ServerURL": f"r{number}.example", "Username": 'a"\\\n', "Secret": "s"}).decode()

    await asyncio.gather(*(helper(shell, "store", one(number)) for number in range(8)))
    assert (await helper(shell, "list")).json == {f"r{number}.example": 'a"\\\n' for number in range(8)}


async def test_login_registers_it_for_the_host_alone(shell: Shell) -> None:
    token = await shell.registry.user("alice")
    config = shell.home / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_bytes(orjson.dumps({"auths": {"other.example": {}}, "detachKeys": "ctrl-q"}))
    done = await shell.ok("login", shell.host, "--with-token", "--docker", given=token)
    assert done.err.endswith("as alice; docker and podman use it too.\n")
    assert orjson.loads(config.read_bytes()) == {
        "auths": {"other.example": {}}, "detachKeys": "ctrl-q", "credHelpers": {shell.host: "moorage"},
    }  # fmt: skip
    got = await helper(shell, "get", shell.host)
    assert got.json == {"ServerURL": shell.host, "Username": "alice", "Secret": token}
    assert (await shell.ok("whoami", "-q")).out == "alice\n"
    await shell.ok("logout")
    config.write_text("{ nobody can read this")
    refused = await shell.fails(1, "login", shell.host, "--with-token", "--docker", given=token)
    assert "is no JSON" in refused
    assert config.read_text() == "{ nobody can read this"


@pytest.mark.parametrize("name", ["skopeo", "crane", "docker", "podman"])
async def test_clients_that_are_installed_use_it(shell: Shell, name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name}")
    token = await shell.registry.user("alice")
    image = await shell.registry.push_image("alice/app", "v1", token)
    manifest = orjson.loads((await shell.registry.call("GET", f"/v2/alice/app/manifests/{image}", token)).body)
    await put(shell.registry, "docker", {**manifest, "mediaType": DOCKER}, token)
    await shell.ok("login", shell.host, "--with-token", "--docker", given=token)
    program = shell.home / "bin" / "docker-credential-moorage"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {PROGRAM} "$@"\n')
    program.chmod(0o755)
    commands = {
        "skopeo": ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{shell.host}/alice/app:v1"],
        "docker": ["docker", "manifest", "inspect", "--insecure", f"{shell.host}/alice/app:docker"],
        "podman": ["podman", "login", "--get-login", shell.host],
        "crane": ["crane", "manifest", f"{shell.host}/alice/app:v1"],
    }
    child = await asyncio.create_subprocess_exec(
        *commands[name], env=shell._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await child.communicate()
    assert child.returncode == 0, err
    assert out == b"alice\n" if name == "podman" else orjson.loads(out)["schemaVersion"] == 2

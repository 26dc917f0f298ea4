"""Which credential goes to a host: MOORAGE_TOKEN, moorage's own, docker's, podman's, the one of the CI job."""

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from tests.cli.commands import Shell
from tests.cli.proxy import proxy
from tests.support.provider import Running
from tests.support.server import Registry, running

SCOPES = ("read:packages", "write:packages", "delete:packages", "user")


def _auths(path: Path, login: str, token: str, *names: str, **more: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(f"{login}:{token}".encode()).decode()
    path.write_bytes(orjson.dumps({"auths": {name: {"auth": auth} for name in names}, **more}))


async def test_the_order(shell: Shell) -> None:
    logins = ("environment", "own", "docker", "asked", "kept")
    tokens = {login: await shell.registry.user(login, SCOPES) for login in logins}
    asked, kept = shell.home / "asked.json", shell.home / "run" / "containers" / "auth.json"
    _auths(kept, "kept", tokens["kept"], shell.host)
    _auths(asked, "asked", tokens["asked"], shell.host)
    _auths(shell.home / ".docker" / "config.json", "docker", tokens["docker"], shell.host)
    await shell.ok("login", shell.host, "--with-token", given=tokens["own"])
    shell.env |= {"XDG_RUNTIME_DIR": str(shell.home / "run"), "REGISTRY_AUTH_FILE": str(asked)}

    async def who(**env: str) -> str:
        return (await shell.ok("whoami", "-q", **env)).out.strip()

    assert await who(MOORAGE_TOKEN=tokens["environment"]) == "environment"
    assert await who() == "own"
    await shell.ok("logout")
    assert await who() == "docker"
    (shell.home / ".docker" / "config.json").unlink()
    assert await who() == "asked"
    assert await who(REGISTRY_AUTH_FILE="") == "kept"
    assert f"not signed in to {shell.host}" in await shell.fails(4, "whoami", REGISTRY_AUTH_FILE="/none")


async def test_files_of_others_are_read_as_they_read_them(shell: Shell) -> None:
    token = await shell.registry.user("alice", SCOPES)
    config, podman = shell.home / ".docker" / "config.json", shell.home / ".config" / "containers" / "auth.json"
    _auths(config, "alice", token, f"https://{shell.host}/v1/")
    assert (await shell.ok("whoami", "-q")).out == "alice\n", "as old clients wrote it"
    _auths(config, "alice", token, f"{shell.host}.example", f"{shell.host}/alice")
    await shell.fails(4, "whoami")
    config.unlink()
    _auths(podman, "alice", token, shell.host)
    assert (await shell.ok("whoami", "-q")).out == "alice\n", "without XDG_RUNTIME_DIR"
    podman.unlink()
    kept = shell.helper("shelf")
    config.unlink()
    kept.write_bytes(orjson.dumps({shell.host: {"ServerURL": shell.host, "Username": "alice", "Secret": token}}))
    podman.write_bytes(orjson.dumps({"credHelpers": {shell.host: "shelf"}}))
    assert (await shell.ok("whoami", "-q")).out == "alice\n", "podman's credHelpers"
    for odd in (b"{", b"[]", b'{"auths": []}', b'{"auths": {"%s": 7}}' % shell.host.encode(), b'{"credHelpers": 7}'):
        podman.write_bytes(odd)
        await shell.fails(4, "whoami")


async def test_a_file_of_the_current_folder_is_no_credential(shell: Shell) -> None:
    """What was cloned is not to say who one is."""
    token = await shell.registry.user("mallory", SCOPES)
    shell.folder = shell.home / "cloned"
    _auths(shell.folder / "containers" / "auth.json", "mallory", token, shell.host)
    await shell.fails(4, "whoami")


@asynccontextmanager
async def _job(registry: Registry, provider: Running, secret: str) -> AsyncIterator[dict[str, str]]:
    """What GitHub Actions gives a job: an address that makes identity tokens, and the secret for it."""

    async def handle(http: web.Request) -> web.Response:
        if http.headers.get("Authorization") != f"Bearer {secret}" or http.query.get("api-version") != "2.0":
            return web.json_response({}, status=403)
        return web.json_response({"value": await _signed(registry, provider, http.query["audience"])})

    app = web.Application()
    app.router.add_get("/idtoken", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/idtoken?api-version=2.0"
        yield {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret}
    finally:
        await runner.cleanup()


async def _signed(registry: Registry, provider: Running, audience: str) -> str:
    now = int(time.time())
    claims = {
        "iss": provider.url, "aud": audience, "sub": "repo:alice/app:ref:refs/heads/main", "repository": "alice/app",
        "repository_owner": "alice", "ref": "refs/heads/main", "iat": now, "nbf": now, "exp": now + 300,
    }  # fmt: skip
    async with registry.http.post(provider.sign_url, json={"claims": claims, "kid": "rsa"}) as answer:
        return (await answer.read()).decode()


@pytest.fixture
async def keyless(env: dict[str, str], provider: Running, tmp_path: Path) -> AsyncIterator[Shell]:
    """A shell of a registry that trusts the provider, with alice's repository app."""
    env["MOORAGE_OIDC_ISSUERS"] = provider.config(audience="registry.example")
    async with running(env) as served:
        await served.user("alice")
        await served.services.db.execute("INSERT INTO repositories (owner_id, name) SELECT id, 'app' FROM accounts")
        yield Shell(served, tmp_path)


async def test_a_job_without_a_secret_pushes_with_its_identity(keyless: Shell, provider: Running) -> None:
    alice = await keyless.registry.token("alice")
    digest = await keyless.registry.push_image("alice/app", "v1", alice)
    await keyless.ok("access", "grant", "alice/app", "alice/app", "read", "--workflow", MOORAGE_TOKEN=alice)
    identity = await _signed(keyless.registry, provider, "registry.example")
    done = await keyless.ok("copy", "alice/app:v1", "alice/fresh", "--verbose", "-q", MOORAGE_ID_TOKEN=identity)
    assert done.out == f"{digest}\n"
    assert identity not in done.err
    assert f"{digest}\n" == (await keyless.ok("inspect", "alice/fresh:v1", "-q", MOORAGE_ID_TOKEN=identity)).out
    other = f"localhost:{keyless.host.rpartition(':')[2]}"
    told = await keyless.fails(4, "inspect", f"{other}/alice/fresh:v1", MOORAGE_ID_TOKEN=identity)
    assert f"try: moorage login {other}\n" in told, "it goes to its own host alone"
    stranger = await keyless.fails(4, "inspect", "alice/fresh:v1", MOORAGE_ID_TOKEN="a.b.c")
    assert stranger.startswith("error: ")


async def test_github_actions_makes_the_identity(keyless: Shell, provider: Running) -> None:
    alice = await keyless.registry.token("alice")
    digest = await keyless.registry.push_image("alice/app", "v1", alice)
    await keyless.ok("access", "grant", "alice/app", "alice/app", "read", "--workflow", MOORAGE_TOKEN=alice)
    async with proxy(keyless.registry.url) as out, _job(keyless.registry, provider, "job-secret") as job:
        keyless.env |= {**job, "HTTP_PROXY": out.address, "MOORAGE_HOST": "registry.example"}
        done = await keyless.ok("inspect", "alice/app:v1", "-q", "--insecure", "--verbose")
        assert done.out == f"{digest}\n"
        assert "job-secret" not in done.err
        assert "audience" not in done.err
        told = await keyless.fails(4, "inspect", "alice/app:v1", "--insecure", ACTIONS_ID_TOKEN_REQUEST_TOKEN="other")
        assert "permissions: id-token: write" in told
        told = await keyless.fails(4, "packages", "--insecure")
        assert "try: moorage login registry.example" in told

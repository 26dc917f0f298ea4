"""Five things that everybody does wrong once: what `moorage` and the registry say, and the next line, which works."""

import re

import pytest

from tests.cli.commands import Shell
from tests.support.server import Registry, basic

_TRY = re.compile(r"^  try: moorage (.+)$", re.MULTILINE)


def _next(said: str) -> list[str]:
    """The words of the command that an error tells to try."""
    found = _TRY.search(said)
    assert found, said
    return found[1].split()


async def _signed_in(shell: Shell) -> str:
    token = await shell.registry.user("alice")
    await shell.ok("login", shell.host, "--with-token", given=token)
    await shell.registry.push_image("alice/app", "v1", token)
    return token


async def _message(registry: Registry, method: str, path: str, **headers: str) -> str:
    answer = await registry.call(method, path, headers=headers)
    return str(answer.json["errors"][0]["message"])  # type: ignore[index]


async def _bearer(registry: Registry, scope: str) -> dict[str, str]:
    """The bearer token that docker gets without a login."""
    issued = await registry.call("GET", f"/token?scope=repository:{scope}:pull,push")
    return {"Authorization": f"Bearer {issued.json['token']}"}  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "why"),
    [("app", "images are OWNER/IMAGE here"), ("nobody/app", "permission_denied: there is no account nobody here")],
    ids=["no owner", "an owner that is not there"],
)
async def test_the_name_of_an_image(shell: Shell, name: str, why: str) -> None:
    await _signed_in(shell)
    said = await shell.fails(5, "copy", "alice/app:v1", f"{shell.host}/{name}:v2")
    assert said.startswith(f"error: {name}: {why}")
    assert "docker" not in said
    words = _next(said)
    assert words == ["copy", f"{shell.host}/alice/app:v1", f"{shell.host}/alice/app:v2"]
    await shell.ok(*words)


async def test_a_name_without_an_owner_where_a_package_is_wanted(shell: Shell) -> None:
    said = await shell.fails(2, "tags", f"{shell.host}/app")
    assert said == f"error: '{shell.host}/app' names no owner\n  why: expected OWNER/app\n"


async def test_a_wrong_token(shell: Shell) -> None:
    token = await shell.registry.user("alice")
    said = await shell.fails(4, "login", shell.host, "--with-token", given="mrp_wrong")
    assert said.startswith("error: Bad credentials\n")
    assert _next(said) == ["login", shell.host]
    await shell.ok(*_next(said), "--with-token", given=token)
    told = (
        "this is no access token of this registry: one is made on its page /settings/tokens, and sent as the password"
    )
    assert await _message(shell.registry, "GET", "/token", **basic("wrong")) == told  # docker login prints it


async def test_no_login(shell: Shell) -> None:
    token = await shell.registry.user("alice")
    await shell.registry.push_image("alice/app", "v1", token)
    for command in (["copy", "alice/app:v1", "alice/twin"], ["tags", "alice/app"], ["whoami"]):
        said = await shell.fails(4, *command)
        assert _next(said) == ["login", shell.host], said
    await shell.ok("login", shell.host, "--with-token", given=token)
    await shell.ok("copy", "alice/app:v1", "alice/twin")


async def test_docker_is_told_to_sign_in(registry: Registry) -> None:
    """It shows the description in the challenge, and neither body nor status."""
    host = registry.url.removeprefix("http://")
    path = "/v2/alice/app/blobs/uploads/"
    before = await registry.call("POST", path)
    assert "error" not in before.headers["WWW-Authenticate"]  # it has not asked for a token yet
    after = await registry.call("POST", path, headers=await _bearer(registry, "alice/app"))
    assert after.status == 401
    told = f'error="insufficient_scope",error_description="sign in first: docker login {host}"'
    assert after.headers["WWW-Authenticate"].endswith(told)
    bare = await _message(registry, "POST", "/v2/app/blobs/uploads/", **await _bearer(registry, "app"))
    assert bare == (f"images are OWNER/IMAGE here: docker login {host}, then docker tag {host}/app {host}/OWNER/app")


async def test_a_host_that_speaks_plain_http(shell: Shell) -> None:
    """To any name but this machine's HTTPS is spoken; 0.0.0.0 is such a name, and is this machine all the same."""
    token = await shell.registry.user("alice")
    host = f"0.0.0.0:{shell.host.rpartition(':')[2]}"
    said = await shell.fails(7, "login", host, "--with-token", given=token)
    assert said.splitlines()[:2] == [f"error: cannot reach {host}", "  why: it does not speak TLS on this port"]
    assert _next(said) == ["login", "--insecure", host]
    await shell.ok(*_next(said), "--with-token", given=token)
    assert (await shell.ok("whoami", "-q", "--host", host)).out == "alice\n"
    said = await shell.fails(2, "login", f"http://registry.example:{shell.host.rpartition(':')[2]}", "--with-token")
    assert "plain HTTP would show the token to the network" in said

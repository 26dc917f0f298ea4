"""`moorage login`, `logout`, `whoami`: which credential is used, and where it is kept."""

import base64
import stat

import orjson

from tests.cli.commands import Shell

SCOPES = ("read:packages", "write:packages", "delete:packages", "user")


async def test_a_token_is_kept_in_a_file_that_others_cannot_read(shell: Shell) -> None:
    token = await shell.registry.user("alice", SCOPES)
    done = await shell.ok("login", shell.host, "--with-token", given=f"{token}\n")
    path = shell.home / ".config" / "moorage" / "hosts.toml"
    assert done.out == ""
    assert done.err == (
        f"The token is in {path}, readable for you only: docker has no credential helper here.\n"
        f"Signed in to {shell.host} as alice.\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    who = await shell.ok("whoami")
    assert token not in who.out + who.err
    assert who.out.splitlines() == [
        "login\talice", f"host\t{shell.host}", f"token from\t{path}", f"may\t{','.join(sorted(SCOPES))}",
    ]  # fmt: skip
    assert (await shell.ok("whoami", "-q")).out == "alice\n"
    assert (await shell.ok("whoami", "--json=login,site_admin")).json == {"login": "alice", "site_admin": False}
    done = await shell.ok("logout")
    assert done.err.startswith(f"Signed out of {shell.host}. The token is still good")
    assert token not in path.read_text()
    assert (
        await shell.fails(4, "whoami") == f"error: not signed in to {shell.host}\n  try: moorage login {shell.host}\n"
    )
    await shell.fails(4, "logout")


async def test_the_helper_of_docker_keeps_the_token(shell: Shell) -> None:
    token = await shell.registry.user("alice", SCOPES)
    for named_in in ("credsStore", "credHelpers"):
        kept = shell.helper("shelf", named_in=named_in)
        done = await shell.ok("login", "--with-token", shell.host, given=token)
        assert done.err == f"Signed in to {shell.host} as alice.\n"
        assert orjson.loads(kept.read_bytes())[shell.host] == {
            "ServerURL": shell.host, "Username": "alice", "Secret": token,
        }  # fmt: skip
        assert token not in (shell.home / ".config/moorage/hosts.toml").read_text()
        assert "token from\tdocker-credential-shelf\n" in (await shell.ok("whoami")).out
        await shell.ok("logout", shell.host)
        assert orjson.loads(kept.read_bytes()) == {}
        await shell.fails(4, "whoami")


async def test_what_docker_login_has_kept_is_used(shell: Shell) -> None:
    token = await shell.registry.user("alice", SCOPES)
    auth = base64.b64encode(f"alice:{token}".encode()).decode()
    config = orjson.dumps({"auths": {shell.host: {"auth": auth}}})
    (shell.home / ".docker").mkdir()
    (shell.home / ".docker" / "config.json").write_bytes(config)
    assert (await shell.ok("whoami", "-q")).out == "alice\n"
    (shell.home / ".docker" / "config.json").unlink()
    (shell.home / "auth.json").write_bytes(config)
    assert (await shell.ok("whoami", "-q", REGISTRY_AUTH_FILE=str(shell.home / "auth.json"))).out == "alice\n"


async def test_flag_before_environment_before_file(shell: Shell) -> None:
    alice, bob = await shell.registry.user("alice", SCOPES), await shell.registry.user("bob", SCOPES)
    await shell.ok("login", shell.host, "--with-token", given=alice)
    assert (await shell.ok("whoami", "-q", MOORAGE_HOST="")).out == "alice\n", "the only host"
    assert (await shell.ok("whoami", "-q", MOORAGE_TOKEN=bob)).out == "bob\n"
    assert (await shell.ok("whoami", "-q", "--host", shell.host, MOORAGE_HOST="other.example")).out == "alice\n"
    done = await shell.ok("login", shell.host, "--with-token", given=alice, MOORAGE_TOKEN=bob)
    assert "MOORAGE_TOKEN is set, and goes before this sign-in." in done.err
    await shell.ok("login", f"http://localhost:{shell.host.rpartition(':')[2]}", "--with-token", given=bob)
    several = await shell.fails(2, "whoami", MOORAGE_HOST="")
    assert f"you are signed in to {shell.host}, localhost:" in several
    nobody = await shell.fails(4, "whoami", MOORAGE_HOST="", XDG_CONFIG_HOME=str(shell.home / "other"))
    assert nobody == "error: not signed in to any host\n  try: moorage login HOST\n"


async def test_a_bad_token_is_not_kept(shell: Shell) -> None:
    assert "stdin has no token" in await shell.fails(2, "login", shell.host, "--with-token")
    told = await shell.fails(4, "login", shell.host, "--with-token", given="mrp_nothing")
    assert told.startswith("error: Bad credentials\n")
    assert "  request: " in told
    assert not (shell.home / ".config").exists()


async def test_plain_http_shows_no_token_to_the_network(shell: Shell) -> None:
    told = await shell.fails(2, "whoami", "--host", "http://registry.example", MOORAGE_TOKEN="mrp_x")
    assert "plain HTTP would show the token" in told
    for name in ("127.registry.example", "127.0.0.1.registry.example:80"):
        told = await shell.fails(2, "whoami", "--host", f"http://{name}", MOORAGE_TOKEN="mrp_x")
        assert f"{name} is not this machine" in told
    told = await shell.fails(7, "packages", "--host", "127.0.0.1:1", MOORAGE_TOKEN="mrp_x")
    assert told == "error: cannot reach 127.0.0.1:1\n  why: connection refused\n"
    as_json = orjson.loads(await shell.fails(7, "packages", "--json", "--host", "127.0.0.1:1"))
    assert as_json == {"error": "cannot reach 127.0.0.1:1", "why": "connection refused", "exit": 7}


async def test_requests_are_told_without_their_secrets(shell: Shell) -> None:
    token = await shell.registry.user("alice", SCOPES)
    done = await shell.ok("whoami", "--verbose", MOORAGE_TOKEN=token)
    assert f"> GET http://{shell.host}/api/v3/user: 200 in " in done.err
    assert token not in done.out + done.err


async def test_an_unknown_command_is_told_the_nearest(shell: Shell) -> None:
    assert await shell.fails(2, "packges") == "error: there is no command 'packges'\n  try: moorage packages\n"
    assert await shell.fails(2, "migrat") == "error: there is no command 'migrat'\n  try: moorage migrate\n"
    assert "try: moorage tags --help" in await shell.fails(2, "tags")
    for words in ((), ("--help",)):
        assert "For users:" in (await shell.ok(*words)).out
    for word in ("version", "--version"):
        assert (await shell.ok(word)).out.startswith("moorage ")

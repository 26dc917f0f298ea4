"""`moorage config`, and what wins: flag, environment, the folder's file, the user's file, the only sign-in."""

from tests.cli.commands import Shell
from tests.support.api import SCOPES


async def test_the_order_and_where_each_comes_from(shell: Shell) -> None:
    shell.folder = shell.home / "work"
    shell.folder.mkdir()
    shell.env["MOORAGE_HOST"] = ""
    listed = await shell.ok("config", "list", "--origin")
    assert listed.out == "host\t\tdefault\nowner\t\tdefault\n"
    assert "no host is set" in await shell.fails(3, "config", "get", "host")
    token = await shell.registry.user("alice")
    await shell.ok("login", shell.host, "--with-token", given=token)
    assert f"host\t{shell.host}\tthe only sign-in\n" in (await shell.ok("config", "list", "--origin")).out
    done = await shell.ok("config", "set", "host", "user.example")
    assert done.err == "host is user.example\n  undo: moorage config unset host\n"
    path = shell.home / ".config" / "moorage" / "config.toml"
    assert f"host\tuser.example\t{path}\n" in (await shell.ok("config", "list", "--origin")).out
    (shell.folder / ".moorage.toml").write_text('host = "folder.example"\nowner = "acme"\n')
    assert "host\tfolder.example\t./.moorage.toml\n" in (await shell.ok("config", "list", "--origin")).out
    assert (await shell.ok("config", "get", "owner")).out == "acme\n"
    told = await shell.ok("config", "set", "host", "other.example")
    assert "undo: moorage config set host user.example\n./.moorage.toml goes before it" in told.err
    listed = await shell.ok("config", "list", "--origin", MOORAGE_HOST="env.example", MOORAGE_OWNER="me")
    assert listed.out == "host\tenv.example\tMOORAGE_HOST\nowner\tme\tMOORAGE_OWNER\n"
    listed = await shell.ok("config", "list", "--origin", "--host", "flag.example", MOORAGE_HOST="env.example")
    assert listed.out.startswith("host\tflag.example\t--host\n")
    assert (await shell.ok("config", "list", "--json", "key,value")).json[1] == {"key": "owner", "value": "acme"}
    assert (await shell.ok("config", "list")).out == "host\tfolder.example\nowner\tacme\n"


async def test_a_change_leaves_the_rest_of_the_file(shell: Shell) -> None:
    path = shell.home / ".config" / "moorage" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('# mine\nhost = "a.example"\n')
    await shell.ok("config", "set", "owner", "alice")
    await shell.ok("config", "set", "host", "b.example")
    assert path.read_text() == '# mine\nowner = "alice"\nhost = "b.example"\n'
    assert (await shell.ok("config", "unset", "host")).err.endswith("undo: moorage config set host b.example\n")
    assert path.read_text() == '# mine\nowner = "alice"\n'
    assert "is no host" in await shell.fails(2, "config", "set", "host", "a/b")
    assert "would show the token" in await shell.fails(2, "config", "set", "host", "http://r.example")
    assert "is no owner" in await shell.fails(2, "config", "set", "owner", "a/b")
    assert "invalid choice: 'token'" in await shell.fails(2, "config", "set", "token", "x")


async def test_host_and_owner_are_meant_where_none_is_named(shell: Shell) -> None:
    alice, bob = await shell.registry.user("alice", SCOPES), await shell.registry.user("bob", SCOPES)
    await shell.registry.push_image("alice/app", "v1", alice)
    await shell.registry.push_image("bob/tool", "v1", bob)
    await shell.ok("visibility", "bob/tool", "public", "-y", MOORAGE_TOKEN=bob)
    await shell.ok("login", shell.host, "--with-token", given=alice)
    await shell.ok("config", "set", "host", shell.host)
    shell.env["MOORAGE_HOST"] = ""
    assert (await shell.ok("packages", "-q")).out == "alice/app\n"
    for where in ("file", "environment"):
        if where == "file":
            shell.folder = shell.home / "work"
            shell.folder.mkdir()
            (shell.folder / ".moorage.toml").write_text('owner = "bob"\n')
        else:
            shell.folder, shell.env["MOORAGE_OWNER"] = None, "bob"
        assert (await shell.ok("packages", "-q")).out == "bob/tool\n"
        assert (await shell.ok("packages", "alice", "-q")).out == "alice/app\n"
        assert (await shell.ok("du", "-q")).out == "bob/tool\n"
        assert (await shell.ok("repo", "list", "-q")).out == ""


async def test_what_was_cloned_gets_no_secret(shell: Shell) -> None:
    """The folder's file names a host, which gets the credential of that host and no other."""
    token = await shell.registry.user("alice", SCOPES)
    shell.folder = shell.home / "cloned"
    shell.folder.mkdir()
    port = shell.host.rpartition(":")[2]
    (shell.folder / ".moorage.toml").write_text(f'host = "localhost:{port}"\n')
    await shell.ok("login", shell.host, "--with-token", given=token)
    shell.env["MOORAGE_HOST"] = ""
    for env in ({}, {"MOORAGE_TOKEN": token}, {"MOORAGE_ID_TOKEN": token}):
        told = await shell.fails(4, "whoami", **env)
        assert f"not signed in to localhost:{port}" in told
    assert "which host?" in await shell.fails(2, "login", "--with-token", given=token)
    assert (await shell.ok("whoami", "-q", MOORAGE_HOST=shell.host)).out == "alice\n"


async def test_a_file_that_says_more_is_refused(shell: Shell) -> None:
    shell.folder = shell.home
    shell.env["MOORAGE_HOST"] = ""
    file = shell.home / ".moorage.toml"
    for text, told in (
        ('token = "mrp_x"', "expected host and owner, and no token"), ("host = 7", "host is no text"), ("host", "cannot read"),
        ("\x00", "cannot read"),
    ):  # fmt: skip
        file.write_text(text)
        refused = await shell.fails(2, "packages")
        assert told in refused
        assert "mrp_x" not in refused
    file.unlink()
    file.mkdir()
    assert "cannot read" in await shell.fails(2, "packages")

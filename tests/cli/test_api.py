"""`moorage api`: any request of the API, with the token of the host."""

import orjson

from tests.cli.commands import Shell
from tests.support.api import SCOPES


async def test_any_request_is_sent(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    assert (await shell.ok("api", "/user")).json["login"] == "alice"
    assert (await shell.ok("api", "get", "user")).json["login"] == "alice"
    path = "/users/alice/packages/container/app"
    for address in (path, f"/api/v3{path}", f"{shell.registry.url}/api/v3{path}"):
        assert (await shell.ok("api", "GET", address)).json["name"] == "app"
    assert (await shell.ok("api", "PATCH", path, "-f", "visibility=public")).json["visibility"] == "public"
    made = await shell.ok("api", "/user/repos", "-f", "name=code", "-F", "private=true")
    assert (made.json["name"], made.json["private"]) == ("code", True)
    gone = await shell.ok("api", "DELETE", "/repos/alice/code")
    assert (gone.out, gone.err) == ("", "")
    assert (await shell.ok("api", "/search/packages", "--paginate", "-f", "q=app", "--json", "name")).json == [
        {"name": "app"}
    ]
    assert (await shell.ok("api", "/user", "-q")).out == ""
    seen = await shell.ok("api", "/user", "-i", "--verbose")
    assert seen.out.startswith("HTTP 200\n")
    assert "X-Moorage-Request-Id: " in seen.out
    assert alice not in seen.out + seen.err
    text = await shell.on_terminal("api", "/user", NO_COLOR="1")
    assert '{\r\n  "login": "alice",' in text


async def test_fields_make_objects_and_lists(shell: Shell) -> None:
    shell.env["MOORAGE_TOKEN"] = await shell.registry.user("alice", SCOPES)
    (shell.home / "note").write_text("from a file")
    made = await shell.ok(
        "api", "POST", "/user/tokens", "-F", f"note=@{shell.home / 'note'}",
        "-f", "rules[][packages]=alice/*", "-f", "rules[][actions][]=read", "-f", "rules[][packages]=acme/*",
        "-f", "rules[][actions][]=read", "-f", "rules[][actions][]=write",
    )  # fmt: skip
    assert made.json["note"] == "from a file"
    assert made.json["rules"] == [
        {"packages": "alice/*", "actions": ["read"]}, {"packages": "acme/*", "actions": ["read", "write"]},
    ]  # fmt: skip
    body = orjson.dumps({"note": "whole", "scopes": ["read:packages"]}).decode()
    assert (await shell.ok("api", "POST", "/user/tokens", "--input", "-", given=body)).json["note"] == "whole"
    for fields in (["name"], ["[]=1"], ["a=1", "a[]=2"], ["a[]=1", "a[b]=2"]):
        told = await shell.fails(2, "api", "/user/repos", *(word for one in fields for word in ("-f", one)))
        assert "is no field" in told or "at once" in told
    assert "cannot read" in await shell.fails(2, "api", "/user/repos", "-F", "name=@/none")


async def test_pages_become_one_list(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    for number in range(3):
        await shell.registry.push_image("alice/app", f"v{number}", alice)
    path = "/users/alice/packages/container/app/versions?per_page=1"
    assert len((await shell.ok("api", path)).json) == 1
    done = await shell.ok("api", path, "--paginate", "--verbose")
    assert (len(done.json), done.err.count("> GET ")) == (3, 3)
    assert "is no list" in await shell.fails(1, "api", "/user", "--paginate")
    assert "--paginate is for GET" in await shell.fails(2, "api", "POST", "/user/repos", "--paginate")


async def test_refusals_have_their_exit_status(shell: Shell) -> None:
    alice = await shell.registry.user("alice", ("read:packages",))
    shell.env["MOORAGE_TOKEN"] = alice
    assert "request: " in await shell.fails(3, "api", "/users/nobody")
    assert (await shell.fails(5, "api", "/user/tokens")).startswith("error: ")
    assert (await shell.fails(4, "api", "/user", MOORAGE_TOKEN="mrp_wrong")).startswith("error: Bad credentials\n")
    more = await shell.registry.token("alice", SCOPES)
    await shell.fails(6, "api", "POST", "/user/repos", "--input", "-", given="{", MOORAGE_TOKEN=more)
    await shell.fails(7, "api", "/user", "--host", "127.0.0.1:1")
    other = await shell.fails(2, "api", "https://other.example/api/v3/user")
    assert "the token goes to its own host only" in other
    assert "is no method" in await shell.fails(2, "api", "FLY", "/user")
    assert "is no header" in await shell.fails(2, "api", "/user", "-H", "A b: c")


async def test_json_goes_through_jq(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    assert (await shell.ok("api", "/user", "--jq", ".login")).out == "alice\n"
    assert (await shell.ok("packages", "--jq", ".[].name")).out == "app\n"
    assert "jq refused" in (await shell.fails(2, "packages", "--jq", ".[")).replace("\\", "")
    assert "there is no jq here" in await shell.fails(2, "packages", "--jq", ".", PATH="/nonexistent")


async def test_fields_may_stand_apart_from_their_option(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    apart = [{"name": "app", "visibility": "private"}]
    assert (await shell.ok("packages", "--json", "name,visibility")).json == apart
    assert (await shell.ok("packages", "--json", "name,visibility", "alice")).json == apart
    assert (await shell.ok("package", "alice/app", "--json", "name")).json == {"name": "app"}
    assert (await shell.ok("package", "--json", "alice/app")).json["name"] == "app"
    assert "unrecognized arguments" in await shell.fails(2, "package", "alice/app", "--json", "name", "more")

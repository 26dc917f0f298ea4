"""Organizations, teams and repositories: the commands ``org``, ``team`` and ``repo``."""

from tests.cli.commands import Shell
from tests.support.api import SCOPES, Acme, acme


async def _shell_of_acme(shell: Shell) -> Acme:
    made = await acme(shell.registry)
    shell.env["MOORAGE_TOKEN"] = made.owner
    return made


async def test_an_organization_is_made_filled_and_deleted(shell: Shell) -> None:
    made = await _shell_of_acme(shell)
    assert (await shell.ok("org", "create", "labs", "--dry-run")).err.startswith("would be done: ")
    assert (await shell.ok("org", "list", "-q")).out == "Acme\n"
    done = await shell.ok("org", "create", "labs", "--name", "The Labs", "--json", "login")
    assert done.json == {"login": "labs"}
    assert done.err == "labs is an organization, and you own it.\n  undo: moorage org delete labs\n"
    assert set((await shell.ok("org", "list", "-q")).out.split()) == {"Acme", "labs"}
    done = await shell.ok("org", "add", "labs", "member")
    assert done.err == "member: member of labs\n  undo: moorage org remove labs member\n"
    done = await shell.ok("org", "add", "labs", "member", "--role", "admin")
    assert done.err.endswith("(was member)\n  undo: moorage org add labs member --role member\n")
    facts = dict(line.split("\t") for line in (await shell.ok("org", "show", "labs")).out.splitlines())
    assert (facts["name"], facts["owners"]) == ("The Labs", "owner,member")
    assert (await shell.ok("org", "members", "labs", "-q", "--role", "member")).out == ""
    assert "would be done" in (await shell.ok("org", "remove", "labs", "member", "--dry-run")).err
    done = await shell.ok("org", "remove", "labs", "member")
    assert done.err.endswith("undo: moorage org add labs member --role admin\n")
    assert (await shell.ok("org", "members", "labs")).out == "owner\n"
    assert "would be deleted: labs with 0 packages" in (await shell.ok("org", "delete", "labs", "--dry-run")).err
    assert "try: --yes" in await shell.fails(2, "org", "delete", "labs")
    text = await shell.on_terminal("org", "delete", "labs", typed="\n", NO_COLOR="1")
    assert "This cannot be undone. [y/N] error: not done" in text
    assert (await shell.ok("org", "delete", "labs", "-y")).err.startswith("Deleted labs with ")
    await shell.fails(3, "org", "show", "labs")
    assert (await shell.ok("org", "list", "-q")).out == "Acme\n"
    shell.env["MOORAGE_TOKEN"] = made.member
    for denied in (["org", "add", "acme", "stranger"], ["org", "delete", "acme", "-y"], ["team", "create", "acme/x"]):
        assert (await shell.fails(5, *denied)).startswith("error: ")
    shell.env["MOORAGE_TOKEN"] = made.stranger
    assert (await shell.run("org", "members", "acme")).status in {3, 5}
    await shell.fails(6, "org", "create", "acme")


async def test_a_scope_that_is_missing_is_named_with_what_gives_it(shell: Shell) -> None:
    shell.env["MOORAGE_TOKEN"] = await shell.registry.user("alice")
    told = await shell.fails(5, "org", "list")
    assert "read:org" in told
    have = "delete:packages,read:packages,write:packages"
    assert f"try: moorage login {shell.host} --scope {have},read:org\n" in told


async def test_teams(shell: Shell) -> None:
    made = await _shell_of_acme(shell)
    assert (await shell.ok("team", "list", "acme")).err == "No teams.\n"
    done = await shell.ok("team", "create", "acme/Deploy It", "--description", "ships", "--member", "owner")
    assert done.err == "acme/deploy-it is a team with owner\n  undo: moorage team delete acme/deploy-it\n"
    assert (await shell.ok("team", "list", "acme")).out == "deploy-it\tDeploy It\tships\n"
    assert (await shell.ok("team", "list", "acme", "-q")).out == "acme/deploy-it\n"
    assert "would be done" in (await shell.ok("team", "add", "acme/deploy-it", "member", "--dry-run")).err
    done = await shell.ok("team", "add", "acme/deploy-it", "member")
    assert done.err == "member is in acme/deploy-it\n  undo: moorage team remove acme/deploy-it member\n"
    assert set((await shell.ok("team", "show", "acme/deploy-it", "-q")).out.split()) == {"owner", "member"}
    await made.ok("POST", "/orgs/acme/repos", made.owner, {"name": "code"}, 201)
    done = await shell.ok("repo", "add", "acme/code", "deploy-it", "write", "--team")
    assert done.err.endswith("undo: moorage repo remove acme/code deploy-it --team\n")
    done = await shell.ok("repo", "add", "acme/code", "acme/deploy-it", "read", "--team")
    assert "(was write)\n  undo: moorage repo add acme/code acme/deploy-it write --team\n" in done.err
    assert "repositories\tAcme/code\n" in (await shell.ok("team", "show", "acme/deploy-it")).out
    assert "(was read)" in (await shell.ok("repo", "remove", "acme/code", "deploy-it", "--team")).err
    await shell.ok("team", "remove", "acme/deploy-it", "member")
    assert (await shell.ok("team", "show", "acme/deploy-it", "--json", "members")).json == {"members": ["owner"]}
    assert "with 1 member and all its roles" in (await shell.ok("team", "delete", "acme/deploy-it", "--dry-run")).err
    assert "try: --yes" in await shell.fails(2, "team", "delete", "acme/deploy-it")
    await shell.ok("team", "delete", "acme/deploy-it", "-y")
    await shell.fails(3, "team", "show", "acme/deploy-it")
    assert "expected ORG/TEAM" in await shell.fails(2, "team", "show", "deploy-it")
    assert "expected ORG/TEAM" in await shell.fails(2, "team", "show", "a/b/c")


async def test_repositories(shell: Shell) -> None:
    made = await _shell_of_acme(shell)
    assert (await shell.ok("repo", "list")).err == "No repositories.\n"
    done = await shell.ok("repo", "create", "Owner/tool", "--description", "a tool")
    assert done.err == "Owner/tool is a private repository.\n  undo: moorage repo delete Owner/tool\n"
    await shell.ok("repo", "create", "acme/code", "--visibility", "public")
    await shell.fails(6, "repo", "create", "acme/code")
    assert set((await shell.ok("repo", "list", "-q")).out.split()) == {"owner/tool", "Acme/code"}
    assert (await shell.ok("repo", "list", "acme", "-q")).out == "Acme/code\n"
    assert (await shell.ok("repo", "list", "-q", "--visibility", "private")).out == "owner/tool\n"
    facts = dict(line.split("\t") for line in (await shell.ok("repo", "show", "owner/tool")).out.splitlines())
    assert (facts["visibility"], facts["description"]) == ("private", "a tool")
    await shell.fails(3, "repo", "show", "owner/tool", MOORAGE_TOKEN=made.stranger)
    assert "would be done" in (await shell.ok("repo", "add", "owner/tool", "stranger", "read", "--dry-run")).err
    done = await shell.ok("repo", "add", "owner/tool", "stranger", "read")
    assert done.err == "stranger: read on owner/tool\n  undo: moorage repo remove owner/tool stranger\n"
    done = await shell.ok("repo", "add", "owner/tool", "stranger", "write")
    assert done.err.endswith("(was read)\n  undo: moorage repo add owner/tool stranger read\n")
    assert "stranger\twrite\n" in (await shell.ok("repo", "members", "owner/tool")).out
    await shell.fails(5, "repo", "delete", "owner/tool", "-y", MOORAGE_TOKEN=made.stranger)
    done = await shell.ok("repo", "remove", "owner/tool", "stranger")
    assert done.err.endswith("undo: moorage repo add owner/tool stranger write\n")
    await shell.fails(3, "repo", "show", "owner/tool", MOORAGE_TOKEN=made.stranger)
    assert "its packages would stay" in (await shell.ok("repo", "delete", "owner/tool", "--dry-run")).err
    text = await shell.on_terminal("repo", "delete", "owner/tool", typed="y\n", NO_COLOR="1")
    assert "Deleted owner/tool; its packages stay" in text
    await shell.fails(3, "repo", "show", "owner/tool")
    assert "expected OWNER/REPO" in await shell.fails(2, "repo", "show", "tool")


async def test_a_noun_alone_or_with_a_wrong_verb_is_told_the_nearest(shell: Shell) -> None:
    told = await shell.fails(2, "org")
    assert "why: expected list, show, members, create, add, remove, delete\n" in told
    assert "try: moorage team create\n" in await shell.fails(2, "team", "creat", "acme/x")
    assert "try: moorage repo --help" not in await shell.fails(2, "repo", "x")
    assert (await shell.ok("__complete", "team", "a")).out == "add\n"
    assert "org\n" in (await shell.ok("__complete", "o")).out
    assert (await shell.ok("__complete", "config", "get", "")).out == "host\nowner\n"
    shell.env["MOORAGE_TOKEN"] = alice = await shell.registry.user("alice")
    for tag in ("v1", "v2", "latest"):
        await shell.registry.push_image("alice/app", tag, alice)
    assert (await shell.ok("__complete", "inspect", "ali")).out == "alice/app\n"
    assert (await shell.ok("__complete", "inspect", "alice/app:v")).out == "alice/app:v1\nalice/app:v2\n"
    assert (await shell.ok("__complete", "inspect", "alice/none:")).out == ""
    assert (await shell.ok("__complete", "org", "show", "ali")).out == ""


async def test_all_of_it_needs_a_host_that_answers(shell: Shell) -> None:
    token = await shell.registry.user("alice", SCOPES)
    for command in (["org", "list"], ["team", "show", "a/b"], ["repo", "list"], ["repo", "add", "a/b", "c", "read"]):
        await shell.fails(7, *command, MOORAGE_HOST="127.0.0.1:1", MOORAGE_TOKEN=token)
        await shell.fails(4, *command, MOORAGE_TOKEN="mrp_wrong")

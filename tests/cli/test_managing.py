"""The commands that change who may what, and what is there."""

import asyncio
import signal
import sys

from tests.api.test_versions import push_index, push_referrer
from tests.cli.commands import Shell
from tests.cli.former import former
from tests.support.api import acme
from tests.support.shelf import IMAGE, Shelf

SCOPES = ("read:packages", "write:packages", "delete:packages", "user", "repo")


async def test_access_is_granted_told_and_revoked(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    bob = await shell.registry.user("bob", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    await shell.fails(3, "package", "alice/app", MOORAGE_TOKEN=bob)
    done = await shell.ok("access", "grant", "alice/app", "bob", "read")
    assert done.err == "bob: read on alice/app\n  undo: moorage access revoke alice/app bob\n"
    assert (await shell.ok("access", "grant", "alice/app", "bob", "write", "--dry-run")).err.startswith("would be done")
    done = await shell.ok("access", "grant", "alice/app", "Bob", "write")
    assert done.err == "Bob: write on alice/app (was read)\n  undo: moorage access grant alice/app Bob read\n"
    assert (await shell.ok("access", "alice/app")).out == "bob\twrite\tdirect\n"
    why = await shell.ok("access", "alice/app", "--why", "bob")
    assert why.out.startswith("write\tgrant\t")
    assert why.err == "bob: write on alice/app\n"
    assert (await shell.ok("access", "alice/app", "--why", "bob", MOORAGE_TOKEN=bob)).out == why.out
    denied = await shell.fails(5, "access", "alice/app", MOORAGE_TOKEN=bob)
    assert denied.startswith("error: ")
    assert "request: " in denied
    done = await shell.ok("access", "revoke", "alice/app", "bob")
    assert done.err.endswith("(was write)\n  undo: moorage access grant alice/app bob write\n")
    await shell.fails(3, "package", "alice/app", MOORAGE_TOKEN=bob)
    assert "invalid choice: 'owner'" in await shell.fails(2, "access", "grant", "alice/app", "bob", "owner")


async def test_teams_and_workflows_get_roles(shell: Shell) -> None:
    made = await acme(shell.registry)
    shell.env["MOORAGE_TOKEN"] = made.owner
    await shell.registry.push_image("acme/app", "v1", made.owner)
    await made.ok("POST", "/orgs/acme/teams", made.owner, {"name": "deploy"}, 201)
    await made.ok("POST", "/orgs/acme/repos", made.owner, {"name": "code"}, 201)
    await shell.ok("access", "grant", "acme/app", "acme/deploy", "write", "--team")
    await shell.ok("access", "grant", "acme/app", "acme/code", "read", "--workspace")
    await shell.ok("access", "grant", "acme/app", "acme/code", "write", "--workflow")
    rows = {tuple(line.split("\t")) for line in (await shell.ok("access", "acme/app")).out.splitlines()}
    assert {("deploy", "write", "team"), ("Acme/code", "write", "workflow"), ("Acme/code", "read", "workspace")} <= rows
    await shell.ok("access", "revoke", "acme/app", "acme/code", "--workspace")
    done = await shell.ok("link", "acme/app", "acme/code", "--dry-run")
    assert done.err == "acme/app would be linked to acme/code.\n  undo: moorage unlink acme/app\n"
    asked = await shell.fails(2, "link", "acme/app", "acme/code", "--inherit")
    assert "The roles over acme/app of owner, deploy end." in asked
    assert "try: --yes" in asked
    await shell.ok("link", "acme/app", "acme/code", "--inherit", "-y")
    assert "repository\tAcme/code\n" in (await shell.ok("package", "acme/app")).out
    done = await shell.ok("unlink", "acme/app")
    assert done.err.endswith("undo: moorage link acme/app Acme/code\n")


async def test_visibility_is_changed_after_a_question(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    assert (await shell.ok("visibility", "alice/app")).out == "private\n"
    asked = await shell.fails(2, "visibility", "alice/app", "public")
    assert asked == (
        "error: nobody can be asked here\n  why: Make alice/app public? Then anybody may pull 1 version.\n  try: --yes\n"
    )
    done = await shell.ok("visibility", "alice/app", "public", "--yes")
    assert done.err == (
        "alice/app is public now: anybody may pull 1 version.\n  undo: moorage visibility alice/app private\n"
    )
    assert "already" in (await shell.ok("visibility", "alice/app", "public", "-y")).err
    assert (await shell.run("visibility", "alice/app", "internal")).status == 6


async def test_what_goes_is_shown_and_comes_back(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "kept", alice)
    child = await shell.registry.push_image("alice/app", "child", alice)
    assert (await shell.registry.call("DELETE", "/v2/alice/app/manifests/child", alice)).status == 202
    index = await push_index(shell.registry, "v1", [child], alice)
    await push_referrer(shell.registry, "", index, alice)
    done = await shell.ok("delete", "alice/app:v1", "--dry-run")
    assert {line.split("\t")[0] for line in done.out.splitlines()} >= {index, child}
    assert done.err.startswith("1 version and 2 with it (parts, signatures); ")
    assert done.err.endswith("Nothing was done (--dry-run).\n")
    asked = await shell.run("delete", "alice/app:v1")
    assert (asked.status, "why: Delete them?" in asked.err) == (2, True)
    done = await shell.ok("delete", "alice/app:v1", "--yes")
    undo = f"moorage restore alice/app@{index}"
    assert done.err.endswith(
        f"Deleted 1 version and 2 with it (parts, signatures). Restorable for 30 days.\n  undo: {undo}\n"
    )
    assert (await shell.ok("tags", "alice/app", "-q")).out == "kept\n"
    assert (await shell.ok("versions", "alice/app", "-q", "--deleted")).out.count("sha256:") == 3
    refused = await shell.run("delete", "alice/app:kept", "--yes")
    assert (refused.status, "last tagged version" in refused.err) == (6, True)
    done = await shell.ok(*undo.split()[1:])
    assert f"restored {index} with v1\n" in done.err
    assert set((await shell.ok("tags", "alice/app", "-q")).out.split()) == {"kept", "v1"}


async def test_many_versions_are_selected_deleted_and_restored_by_time(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    for number in range(5):
        await shell.registry.push_image("alice/app", f"nightly-{number}", alice)
    release = await shell.registry.push_image("alice/app", "v1", alice)
    done = await shell.ok("delete", "alice/app", "--match", "nightly-*", "--keep", "2", "-y", "-q")
    assert done.out.count("\n") == 3
    assert done.err == ""
    left = {"nightly-4", "nightly-3", "v1"}
    assert set((await shell.ok("tags", "alice/app", "-q")).out.split()) == left
    await shell.registry.push_image("alice/app", "v1", alice)
    assert (await shell.ok("versions", "alice/app", "-q", "--untagged")).out == f"{release}\n"
    done = await shell.ok("delete", "alice/app", "--untagged", "--older-than", "1d", "-y")
    assert done.err == "Nothing to delete.\n"
    done = await shell.ok("delete", "alice/app", "--untagged", "-y")
    assert f"undo: moorage restore alice/app@{release}\n" in done.err
    done = await shell.ok("restore", "alice/app", "--since", "10m")
    assert done.err.count("restored sha256:") == 4
    assert "nothing was deleted since then" in await shell.fails(3, "restore", "alice/app", "--since", "10m")
    assert len((await shell.ok("tags", "alice/app", "-q")).out.split()) == 6


async def test_who_interrupts_a_deletion_is_told_what_is_gone(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    for number in range(53):
        await shell.registry.push_image("alice/app", f"nightly-{number}", alice, size=10)
    async with former(shell.registry.url) as slow:
        slow.deletes = 1
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", "delete", "alice/app", "--match", "nightly-*", "--keep", "1", "-y",
            env={**shell._environment, "MOORAGE_HOST": slow.host},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            await slow.stalled.wait()
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            _, err = await child.communicate()
    assert child.returncode == 130
    told = err.decode().splitlines()[-3:]
    assert told[0] == "Deleted 50 versions. Restorable for 30 days."
    assert told[2] == "error: interrupted"
    assert len((await shell.ok("tags", "alice/app", "-q", "--all")).out.split()) == 3
    done = await shell.ok(*told[1].removeprefix("  undo: moorage ").split())
    assert done.err.count("restored sha256:") == 50


async def test_a_deletion_that_took_a_while_is_undone(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    for number in range(3):
        await shell.registry.push_image("alice/app", f"nightly-{number}", alice, size=10)
    async with asyncio.TaskGroup() as tasks, shell.registry.services.db.transaction() as tx:
        await tx.execute("SELECT FROM packages WHERE name = 'app' FOR UPDATE")
        deleting = tasks.create_task(shell.ok("delete", "alice/app", "--match", "nightly-*", "--keep", "1", "-y"))
        await asyncio.sleep(2.5)
    undo = deleting.result().err.splitlines()[-1]
    done = await shell.ok(*undo.removeprefix("  undo: moorage ").split())
    assert done.err.count("restored sha256:") == 2


async def test_a_package_goes_and_comes_back(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    assert "alice/app: 1 version, 1 tag" in (await shell.ok("delete", "alice/app", "--dry-run")).err
    asked = await shell.run("delete", "alice/app")
    assert (asked.status, asked.out, "try: --yes" in asked.err) == (2, "", True)
    done = await shell.ok("delete", "alice/app", "-y")
    assert done.err.endswith("Deleted alice/app. It can be restored for 30 days.\n  undo: moorage restore alice/app\n")
    await shell.fails(3, "package", "alice/app")
    assert (await shell.ok("packages", "--deleted", "-q")).out == "alice/app\n"
    assert "alice/app is restored: 1 version, 1 tag." in (await shell.ok("restore", "alice/app")).err
    await shell.ok("package", "alice/app")


async def test_tokens_are_made_listed_and_revoked(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    done = await shell.ok("tokens", "new", "ci", "--package", "alice/*", "--can", "pull,push", "--expires", "30d")
    token = done.out.strip()
    assert done.out == f"{token}\n"
    assert token not in done.err
    assert "undo: moorage tokens revoke " in done.err
    pulled = await shell.registry.call("GET", "/v2/alice/app/manifests/v1", token)
    assert pulled.status == 200
    rows = [line.split("\t") for line in (await shell.ok("tokens")).out.splitlines()]
    assert rows[0][1:4] == ["ci", token[-8:], "read+write:alice/*"]
    assert token not in (await shell.ok("tokens", "--json")).out
    assert (await shell.ok("tokens", "list")).out == (await shell.ok("tokens")).out
    assert "either --package or --scope is needed" in await shell.fails(2, "tokens", "new", "ci")
    assert "'fly' is no action" in await shell.fails(2, "tokens", "new", "x", "--package", "*", "--can", "fly")
    assert "try: --yes" in await shell.fails(2, "tokens", "revoke", "ci")
    assert (await shell.ok("tokens", "revoke", "ci", "-y")).err.startswith("Revoked 'ci'")
    assert (await shell.registry.call("GET", "/v2/alice/app/manifests/v1", token)).status == 401
    assert "no tokens are called 'ci'" in await shell.fails(3, "tokens", "revoke", "ci", "-y")
    weak = await shell.registry.token("alice", ("read:packages",))
    assert (await shell.fails(5, "tokens", MOORAGE_TOKEN=weak)).startswith("error: ")


async def test_a_terminal_is_asked_and_no_is_the_default(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    question = "Delete alice/app with all of it? [y/N] "
    for typed in ("\n", "no\n", "n\n"):
        text = await shell.on_terminal("delete", "alice/app", typed=typed)
        assert question in text
        assert "\x1b[31merror:\x1b[0m not done\r\n" in text
    await shell.ok("package", "alice/app")
    text = await shell.on_terminal("delete", "alice/app", typed="y\n", NO_COLOR="1")
    assert f"{question}Deleted alice/app. It can be restored for 30 days.\r\n" in text
    await shell.fails(3, "package", "alice/app")


async def test_what_others_wrote_does_nothing_to_a_terminal(shell: Shell) -> None:
    shell.env["MOORAGE_TOKEN"] = await shell.registry.user("alice", SCOPES)
    await shell.ok("tokens", "new", "\x1b[31mred\ttab\nline", "--package", "alice/*", "-q")
    assert (await shell.ok("tokens")).out.split("\t")[1] == "\N{REPLACEMENT CHARACTER}[31mred tab line"
    text = await shell.on_terminal("tokens", NO_COLOR="1")
    assert "\x1b" not in text
    assert (await shell.ok("tokens", "--json=note", "--limit", "1")).json == [{"note": "\x1b[31mred\ttab\nline"}]


async def test_untagged_versions_are_no_artifacts_of_images(shell: Shell) -> None:
    """An SBOM has no tag, and belongs to its image."""
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    await shell.registry.push_image("alice/app", "v1", alice)
    image = await shell.registry.push_image("alice/app", "v2", alice)
    shelf = Shelf(shell.registry, alice)
    about = {"mediaType": IMAGE, "digest": image, "size": 500}
    sbom = (await shelf.referrer("alice/app", about, "application/spdx+json"))["digest"]
    for options in (("--untagged",), ("--older-than", "2999-01-01T00:00:00Z", "--untagged"), ("--match", "x*")):
        done = await shell.ok("delete", "alice/app", *options, "-y")
        assert done.err == "Nothing to delete.\n", options
    assert sbom in (await shell.ok("versions", "alice/app", "-q")).out
    assert (await shell.ok("versions", "alice/app", "-q", "--untagged")).out == ""

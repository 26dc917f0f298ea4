"""The commands ``tag-rule``, and what the commands for tags say of a rule that forbids them something."""

from tests.cli.commands import Shell
from tests.support.api import acme


async def test_a_rule_is_made_listed_disabled_and_removed(shell: Shell) -> None:
    made = await acme(shell.registry)
    shell.env["MOORAGE_TOKEN"] = made.owner
    assert "moorage tag-rule add acme releases" in (await shell.ok("tag-rule", "list", "acme")).err
    add = ("tag-rule", "add", "acme", "releases", "v*.*.*", "--except", "*-dev")
    assert (await shell.ok(*add, "--dry-run")).err.startswith("would be done: ")
    assert (await shell.ok("tag-rule", "list", "acme")).out == ""
    done = await shell.ok(*add)
    assert done.err == (
        "releases forbids to move and to delete v*.*.* of acme/*\n  undo: moorage tag-rule remove acme releases\n"
    )
    undo = "moorage tag-rule add acme releases 'v*.*.*' --except '*-dev' --package '*' --forbid move,delete"
    assert (await shell.ok(*add)).err.endswith(f"undo: {undo}\n")  # it takes the place of itself
    listed = await shell.ok("tag-rule", "list", "acme")
    assert listed.out == "releases\t*\tv*.*.*\t*-dev\tmove,delete\t\tyes\n"
    first, second = [await shell.registry.push_image("acme/app", tag, made.owner) for tag in ("v1.0.0", "latest")]
    told = await shell.fails(6, "tag", f"acme/app@{second}", "v1.0.0", "--force")
    assert f"tag v1.0.0 of acme/app is immutable (rule releases; it is {first[:19]})" in told
    assert "moorage tag-rule disable acme releases" in told
    assert "may not be deleted" in await shell.fails(6, "untag", "acme/app:v1.0.0")
    await shell.registry.push_image("acme/app", "v2.0.0-dev", made.owner)
    await shell.ok("delete", "acme/app", "--match", "v*", "-y")
    assert set((await shell.ok("tags", "acme/app", "-q")).out.split()) == {"v1.0.0", "latest"}
    for kept in ("acme/app:v1.0.0", "acme/app"):
        refused = await shell.run("delete", kept, "-y")
        assert (refused.status, "may not be deleted" in refused.err) == (6, True), refused
    done = await shell.ok("tag-rule", "disable", "acme", "releases")
    assert done.err == "releases is disabled\n  undo: moorage tag-rule enable acme releases\n"
    await shell.ok("tag", f"acme/app@{second}", "v1.0.0", "--force")
    await shell.ok("tag-rule", "enable", "acme", "releases")
    assert "immutable" in await shell.fails(6, "tag", f"acme/app@{first}", "v1.0.0", "--force")
    done = await shell.ok("tag-rule", "remove", "acme", "releases")
    undo = "moorage tag-rule add acme releases 'v*.*.*' --except '*-dev' --package '*' --forbid move,delete"
    assert done.err == f"releases is removed\n  undo: {undo}\n"
    assert "try: moorage tag-rule list acme" in await shell.fails(3, "tag-rule", "enable", "acme", "releases")
    await shell.fails(2, "tag-rule", "add", "acme", "x", "v*", "--forbid", "all")
    assert "expected a range" in await shell.fails(6, "tag-rule", "add", "acme", "x", "[z-a]")


async def test_rules_are_of_organizations_and_of_oneself(shell: Shell) -> None:
    made = await acme(shell.registry)
    shell.env["MOORAGE_TOKEN"] = made.member
    await shell.ok("tag-rule", "add", "member", "all", "*", "--unless", "admin", "--forbid", "create")
    listed = await shell.ok("tag-rule", "list", "member")
    assert listed.out == "all\t*\t*\t\tcreate\tadmin\tyes\n"
    await shell.fails(5, "tag-rule", "add", "acme", "all", "*")
    await shell.fails(5, "tag-rule", "list", "stranger")
    await shell.fails(3, "tag-rule", "list", "nobody")


async def test_a_tag_is_rolled_back(shell: Shell) -> None:
    made = await acme(shell.registry)
    shell.env["MOORAGE_TOKEN"] = made.owner
    first, second = [await shell.registry.push_image("acme/app", "latest", made.owner) for _ in range(2)]
    assert (await shell.ok("tags", "rollback", "acme/app:latest", "--dry-run")).err.startswith("would be done: ")
    done = await shell.ok("tags", "rollback", "acme/app:latest")
    undo = f"moorage tags rollback acme/app:latest --to {second}"
    assert done.err == f"acme/app:latest: {second[:19]} → {first[:19]}\n  undo: {undo}\n"
    assert (await shell.ok("tags", "history", "acme/app:latest")).out.splitlines()[0].split("\t")[1] == (
        "packages.tag_rolled_back"
    )
    await shell.ok(*undo.split()[1:])
    await shell.ok("tag-rule", "add", "acme", "held", "latest")
    await shell.fails(6, "tags", "rollback", "acme/app:latest")
    await shell.ok("tags", "rollback", "acme/app:latest", "--force")
    await shell.fails(2, "tags", "rollback", f"acme/app@{first}")

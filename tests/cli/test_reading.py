"""The commands that read: packages, versions, tags, trees, sizes."""

from tests.api.test_versions import push_index, push_referrer
from tests.cli.commands import Shell

SCOPES = ("read:packages", "write:packages", "delete:packages", "user")


async def test_packages_are_listed_for_pipes_and_as_json(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    assert (await shell.ok("packages")).err == "No packages.\n"
    for name in ("app", "web/front"):
        await shell.registry.push_image(f"alice/{name}", "v1", alice)
    assert (await shell.ok("packages", "-q")).out.split() == ["alice/app", "alice/web/front"]
    rows = [line.split("\t") for line in (await shell.ok("packages")).out.splitlines()]
    assert [row[:3] for row in rows] == [["alice/app", "private", "1"], ["alice/web/front", "private", "1"]]
    assert all(row[3].endswith("Z") for row in rows), "times are ISO 8601"
    found = (await shell.ok("packages", "alice", "--json")).json
    assert {one["name"] for one in found} == {"app", "web/front"}
    assert (await shell.ok("packages", "--json=name,visibility", "--limit", "1")).json == [
        {"name": "app", "visibility": "private"}
    ]
    assert "unknown field 'nme'" in await shell.fails(2, "packages", "--json=nme")
    assert (await shell.ok("packages", "-q", "--match", "web*")).out == "alice/web/front\n"
    assert (await shell.ok("packages", "-q", "--search", "fro")).out == "alice/web/front\n"
    assert (await shell.ok("packages", "-q", "--visibility", "public")).out == ""
    facts = dict(line.split("\t") for line in (await shell.ok("package", "alice/app")).out.splitlines())
    assert facts["pull"] == f"docker pull {shell.host}/alice/app:v1"
    assert (await shell.ok("open", "alice/app:v1")).out == f"{shell.registry.url}/alice/app:v1\n"


async def test_what_is_hidden_is_not_found(shell: Shell) -> None:
    alice, bob = await shell.registry.user("alice", SCOPES), await shell.registry.user("bob", SCOPES)
    await shell.registry.push_image("alice/app", "v1", alice)
    for name in ("alice/app", "alice/none"):
        told = await shell.fails(3, "package", name, MOORAGE_TOKEN=bob)
        assert told.startswith("error: Not Found\n  request: ")
    assert f"try: moorage login {shell.host}" in await shell.fails(4, "package", "alice/app")
    assert "'Alice App' is no reference" in await shell.fails(2, "package", "Alice App")
    assert "alice/app:v1 names a version" in await shell.fails(2, "package", "alice/app:v1")


async def test_versions_tags_and_sizes(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    first = await shell.registry.push_image("alice/app", "v1.0", alice, size=5000)
    second = await shell.registry.push_image("alice/app", "v1.1", alice)
    third = await shell.registry.push_image("alice/app", "nightly", alice)
    rows = [line.split("\t") for line in (await shell.ok("versions", "alice/app")).out.splitlines()]
    assert [row[:3] for row in rows] == [
        [third, "nightly", "linux/amd64"], [second, "v1.1", "linux/amd64"], [first, "v1.0", "linux/amd64"],
    ]  # fmt: skip
    assert rows[0][5] == "alice"
    assert (await shell.ok("versions", "alice/app", "-q", "--match", "v1.*", "--limit", "1")).out == f"{second}\n"
    assert (await shell.ok("versions", "alice/app", "-q", "--untagged")).out == ""
    assert (await shell.ok("versions", "alice/app", "-q", "--older-than", "1h")).out == ""
    assert "expected 30m, 12h" in await shell.fails(2, "versions", "alice/app", "--older-than", "soon")
    assert (await shell.ok("tags", "alice/app", "-q", "--sort", "name")).out.split() == ["nightly", "v1.0", "v1.1"]
    assert (await shell.ok("tags", "alice/app", "-q", "--match", "v*")).out.split() == ["v1.0", "v1.1"]
    assert (await shell.ok("tags", "alice/app", "--json=name,digest", "--limit", "1")).json == [
        {"name": "nightly", "digest": third}
    ]
    package, stored, pulled, deleted = (await shell.ok("du")).out.strip("\n").split("\t")
    assert package == "alice/app"
    assert int(stored) > 7000
    assert int(pulled) >= 7000
    assert int(deleted) == 0
    assert (await shell.ok("du", "alice/app", "--json")).json[0]["stored_bytes"] == int(stored)


async def test_tags_in_the_order_of_versions(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    ordered = ["v1.10.0", "v1.9.0", "v1.9.0-rc.10", "v1.9.0-rc.9", "v1.9.0-beta", "v1.2", "0.9", "latest"]
    first, *more = sorted(ordered)
    await shell.registry.push_image("alice/app", first, alice)
    await shell.ok("tag", f"alice/app:{first}", *more)
    assert (await shell.ok("tags", "alice/app", "-q", "--sort", "version")).out.split() == ordered
    some = await shell.ok("tags", "alice/app", "-q", "--sort", "version", "--match", "v*", "--limit", "2")
    assert some.out.split() == ordered[:2]


async def test_packages_and_versions_are_sorted_and_selected(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    for name, tag in (("zoo", "v1"), ("app", "v1"), ("zoo", "v2")):
        await shell.registry.push_image(f"alice/{name}", tag, alice, size=len(name + tag) * 1000)
    await shell.registry.services.db.execute(
        "UPDATE packages SET updated_at = now() + interval '1 minute' WHERE name = 'zoo'"
    )
    assert (await shell.ok("packages", "-q", "--sort", "updated")).out.split() == ["alice/zoo", "alice/app"]
    assert (await shell.ok("packages", "-q", "--sort", "name", "--limit", "1")).out.split() == ["alice/app"]
    arm = await shell.registry.push_image("alice/app", "arm", alice, architecture="arm64", size=20_000)
    assert (await shell.ok("versions", "alice/app", "-q", "--platform", "linux/arm64")).out == f"{arm}\n"
    await shell.registry.push_image("alice/app", "arm", alice, architecture="arm64")
    assert arm in (await shell.ok("versions", "alice/app", "-q", "--untagged")).out
    assert arm not in (await shell.ok("versions", "alice/app", "-q", "--tagged")).out
    rows = [line.split("\t") for line in (await shell.ok("du", "alice/app", "--by", "version")).out.splitlines()]
    assert (rows[0][0], int(rows[0][2]) > 20_000, len(rows)) == (arm, True, 3)
    assert "is no reference" in await shell.fails(2, "du", "--by", "version")


async def test_tags_are_made_moved_and_taken_away_and_each_tells_its_undo(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    first = await shell.registry.push_image("alice/app", "v1", alice)
    second = await shell.registry.push_image("alice/app", "v2", alice)
    done = await shell.ok("tag", "alice/app:v1", "latest", "stable")
    assert done.err == "".join(
        f"{tag}: {first[:19]}\n  undo: moorage untag alice/app:{tag}\n" for tag in ("latest", "stable")
    )
    assert "points there already" in (await shell.ok("tag", "alice/app:v1", "latest")).err
    refused = await shell.fails(6, "tag", "alice/app:v2", "latest")
    assert "a tag is moved only with --force" in refused
    assert "try: moorage tag alice/app:v2 latest --force" in refused
    assert "would be done" in (await shell.ok("tag", "alice/app:v2", "latest", "--force", "--dry-run")).err
    done = await shell.ok("tag", f"alice/app@{second}", "latest", "--force")
    undo = f"moorage tag alice/app@{first} latest --force"
    assert done.err == f"latest: {first[:19]} → {second[:19]}\n  undo: {undo}\n"
    rows = [line.split("\t") for line in (await shell.ok("tags", "history", "alice/app:latest")).out.splitlines()]
    assert [(row[2], row[3], row[4], row[5]) for row in rows] == [
        ("latest", first, second, "alice"), ("latest", "", first, "alice"),
    ]  # fmt: skip
    assert (await shell.ok("activity", "alice/app")).out.count("packages.tag_") == 5
    one = await shell.ok("activity", "alice/app", "--limit", "1", "--verbose")
    assert (one.out.count("\n"), one.err.count("GET ")) == (1, 1), "no page is asked for that nobody sees"
    await shell.ok(*undo.split()[1:])
    done = await shell.ok("untag", "alice/app:latest")
    assert done.err.endswith(f"  undo: moorage tag alice/app@{first} latest\n")
    assert (await shell.ok("tags", "alice/app", "-q", "--sort", "name")).out.split() == ["stable", "v1", "v2"]
    assert "there is no tag alice/app:latest" in await shell.fails(3, "untag", "alice/app:latest")
    some = await shell.run("untag", "alice/app:stable", "alice/app:latest")
    assert some.status == 8


async def test_the_tree_of_an_index(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    child = await shell.registry.push_image("alice/app", "child", alice, size=2000)
    index = await push_index(shell.registry, "v1", [child], alice)
    signature = await push_referrer(shell.registry, "", index, alice)
    lines = (await shell.ok("tree", "alice/app:v1")).out.splitlines()
    assert lines[0] == f"alice/app:v1  index  {index[:19]}"
    assert lines[1].startswith("├ image  2.")
    assert lines[2] == f"└ signature (sigstore)  2 B  {signature[:19]}"
    assert (await shell.ok("tree", "alice/app:v1", "-q")).out.split() == [index, child, signature]
    assert (await shell.ok("tree", "alice/app:v1", "-q", "--depth", "0")).out.split() == [index]
    assert (await shell.ok("tree", "alice/app:v1", "--json=digest")).json == {"digest": index}
    assert (await shell.fails(3, "tree", "alice/app:none")).startswith("error: alice/app:none: ")


async def test_a_terminal_gets_a_table_with_colours(shell: Shell) -> None:
    alice = await shell.registry.user("alice", SCOPES)
    await shell.registry.push_image("alice/app", "v1", alice)
    for env, plain in (({}, False), ({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, True)):
        text = await shell.on_terminal("packages", MOORAGE_TOKEN=alice, **env)
        assert ("\x1b[2mPACKAGE" in text) != plain, text
        head, row = text.replace("\x1b[2m", "").replace("\x1b[0m", "").split("\r\n")[:2]
        assert head.split() == ["PACKAGE", "VISIBILITY", "VERSIONS", "UPDATED"]
        assert head.index("VISIBILITY") == row.index("private")
        assert row.endswith(("now", "s ago"))

"""`moorage import`: repositories of another registry, whole, below an account here; run again, it sends nothing."""

import re
from typing import Any

from tests.api.test_versions import push_referrer
from tests.cli.commands import Shell
from tests.cli.test_copy import image, other, sign_in, there
from tests.support.multiplatform import Repository, layer_of, publish
from tests.support.server import Registry

__all__ = ["other"]


async def test_a_namespace_is_imported_with_all_that_belongs_to_it(shell: Shell, other: Registry) -> None:
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    index, signature, more = await image(shell.registry, alice)
    second = await shell.registry.push_image("alice/tools/lint", "v2", alice)
    source, target = f"{shell.host}/alice/*", other.url.removeprefix("http://")
    words = ("import", source, "--to", f"{target}/bob")
    dry = await shell.ok(*words, "--dry-run")
    assert " would come; 0 were here" in dry.err
    assert (await other.call("GET", "/v2/bob/app/tags/list", bob)).status == 404
    done = await shell.ok(*words)
    assert f"{target}/bob/app:v1@{index}\n" in done.out
    assert f"{target}/bob/tools/lint:v2@{second}\n" in done.out
    for digest in (index, signature, *more):
        await there(other, "bob/app", digest, bob)
    await there(other, "bob/app", index.replace(":", "-") + ".sig", bob)
    again = await shell.ok(*words)
    assert (again.out, again.err.partition(";")[0]) == ("", "0 images came, 0 B sent")
    later = await push_referrer(shell.registry, "", index, alice, "sbom")
    await shell.ok(*words)
    listed: Any = (await other.call("GET", f"/v2/bob/app/referrers/{index}", bob)).json
    assert {one["digest"] for one in listed["manifests"]} == {signature, later}


async def test_settings_come_along_where_the_list_tells_them(shell: Shell, other: Registry) -> None:
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    await shell.registry.push_image("alice/app", "v1", alice)
    await shell.ok("visibility", f"{shell.host}/alice/app", "public", "--yes")
    target = other.url.removeprefix("http://")
    words = ("import", f"{shell.host}/alice/*", "--to", f"{target}/bob", "--list-by", "github")
    done = await shell.ok(*words, "--with", "visibility", "--json")
    assert [(one["name"], one["state"]) for one in done.json] == [("bob/app", "came")]
    told = await other.call("GET", "/api/v3/users/bob/packages/container/app", bob)
    assert told.json["visibility"] == "public"  # type: ignore[index]


async def test_what_cannot_come_is_told_and_the_rest_comes(shell: Shell, other: Registry) -> None:
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    await shell.registry.push_image("alice/app", "v1", alice)
    target = other.url.removeprefix("http://")
    names = shell.home / "names"
    names.write_text(f"# ours\n{shell.host}/alice/app:v1\n{shell.host}/alice/app:v9\n{shell.host}/alice/none\n")
    done = await shell.run("import", "--names", str(names), "--to", f"{target}/bob")
    assert done.status == 8, done
    assert "; 0 were here; 2 did not come" in done.err
    assert "alice/app:v9 did not come: " in done.err
    assert f"{shell.host}/alice/none did not come: " in done.err
    await there(other, "bob/app", "v1", bob)
    twice = await shell.fails(2, "import", f"{shell.host}/a/app", f"{shell.host}/b/app", "--to", f"{target}/bob")
    assert "two sources would be bob/app" in twice


async def test_a_source_that_is_away_ends_the_import(shell: Shell, other: Registry) -> None:
    await sign_in(shell, other, "bob")
    target = other.url.removeprefix("http://")
    names = [f"127.0.0.1:1/a/app{number}:v1" for number in range(12)]
    said = await shell.fails(7, "import", *names, "--to", f"{target}/bob", "-j", "16")
    assert "cannot reach 127.0.0.1:1" in said


async def test_a_layer_that_several_repositories_have_is_sent_once(shell: Shell, other: Registry) -> None:
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    base = layer_of(3_000_000)
    for name in ("one", "two", "three"):
        ours = Repository(shell.registry.http, shell.registry.url, f"alice/{name}", alice)
        await publish(ours, "v1", platforms=1, layer_bytes=1000, keeps_referrers=True, base=base)
    target = other.url.removeprefix("http://")
    words = ("import", f"{shell.host}/alice/*", "--to", f"{target}/bob", "-j", "3")
    assert re.search(r"came, 3\.\d MB sent", (done := await shell.ok(*words)).err), done.err
    fresh = await other.user("carol")
    await shell.ok("login", target, "--with-token", given=fresh)
    again = await shell.ok(*words[:3], f"{target}/carol", "-j", "3")
    assert re.search(r"came, 3\.\d MB sent", again.err), again.err  # of bob carol may read nothing
    for name in ("one", "two", "three"):
        await there(other, f"bob/{name}", "v1", bob)

"""`moorage adopt`: a folder that distribution wrote, taken over where it is."""

import asyncio
import os
from pathlib import Path

import orjson
import pytest

from storage.metadata import adoptions
from storage.objects.base import ObjectKey
from tests.support.adopting import adopt, digest_of, moorage, started, why
from tests.support.server import Registry, on_disk, running
from tests.support.shelved import Shelf, collect


@pytest.fixture
async def token(registry: Registry) -> str:
    return await registry.user("team")


@pytest.fixture
def shelf(registry: Registry) -> Shelf:
    return Shelf(registry.services.stores)


async def test_what_distribution_wrote_is_served_from_where_it_is(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    layer = os.urandom(200_000)
    first = await shelf.image("team/app", "v1", "latest", layers=(layer,))
    second = await shelf.image("team/app", layers=(b"small",))
    both = await shelf.index("team/app", (first, second), "both")
    signed = await shelf.image("team/app", subject=first, artifactType="application/spdx+json")
    await shelf.index("team/app", (signed,), first.replace(":", "-"))
    await shelf.put("team/app/_uploads/3f/data", "half")
    deep = await shelf.image("team/deep/er", "v1")
    before = [found.key async for found in shelf.store.scan("")]
    report = await adopt(env)
    assert (report["repositories"], report["manifests"], report["tags"], report["known"]) == (2, 6, 5, 0)
    for name, reference, digest in (
        ("team/app", "v1", first), ("team/app", "latest", first), ("team/app", "both", both),
        ("team/app", second, second), ("team/app", signed, signed), ("team/deep/er", "v1", deep),
    ):  # fmt: skip
        assert await digest_of(registry, name, reference, token) == digest, (name, reference)
    (body,) = [
        (await registry.call("GET", f"/v2/team/app/blobs/{one}", token)).body for one in [await shelf.blob(layer)]
    ]
    assert body == layer
    listed = await registry.call("GET", f"/v2/team/app/referrers/{first}", token)
    assert [one["digest"] for one in orjson.loads(listed.body)["manifests"]] == [signed]
    again = await adopt(env)
    assert (again["manifests"], again["tags"], again["known"]) == (0, 0, 6)
    assert [found.key async for found in shelf.store.scan("")] == before


async def test_tags_follow_the_old_registry_until_somebody_writes_them_here(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    first = await shelf.image("team/app", "latest", "gone", "ours", layers=(b"1",))
    await adopt(env)
    second = await shelf.image("team/app", "latest", layers=(b"2",))
    await shelf.tag("team/app", "moved", first)
    await shelf.store.delete([ObjectKey(f"{shelf.root}/repositories/team/app/_manifests/tags/gone/current/link")])
    pushed = await registry.push_image("team/app", "ours", token)
    report = await adopt(env, status=1)
    assert (report["tags"], report["removed_tags"]) == (2, 1)
    assert why(report) == {"team/app:ours": "it was written here since, and stays as it is here"}
    for tag, digest in (("latest", second), ("moved", first), ("gone", None), ("ours", pushed)):
        assert await digest_of(registry, "team/app", tag, token) == digest, tag


async def test_what_is_broken_is_told_and_left_out(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    whole = await shelf.image("team/app", "v1", layers=(b"whole",))
    holed = await shelf.image("team/app", "holed", layers=(b"missing",))
    short = await shelf.image("team/app", "short", layers=(b"short layer",))
    above = await shelf.index("team/app", (whole, holed), "above")
    await shelf.store.delete([shelf.key(await shelf.blob(b"missing"))])
    await shelf.store.put(shelf.key(await shelf.blob(b"short layer")), [b"short"])
    old = await shelf.revision("team/app", {"schemaVersion": 1, "fsLayers": []}, ["old"])
    lying = await shelf.image("team/app", "lying", layers=(b"lies",))
    await shelf.store.put(shelf.key(lying), [b"{}"])
    await shelf.put("team/app/_manifests/tags/empty/current/link", "")
    await shelf.put(f"team/app/_manifests/revisions/sha256/{'0' * 64}/link", "")
    await shelf.image("alone", "v1")
    await shelf.image("Team/App", "v1")
    await shelf.image("nobody/app", "v1")
    report = await adopt(env, status=1)
    told = why(report)
    missing, shorter = await shelf.blob(b"missing"), await shelf.blob(b"short layer")
    assert told.pop(f"team/app:{old[:15]}").startswith("Docker image manifests of schema 1 are not taken")
    assert told == {
        f"team/app:{holed[:15]}": f"its blob {missing} is missing",
        f"team/app:{short[:15]}": f"its blob {shorter} has 5 bytes, not 11",
        f"team/app:{above[:15]}": f"its manifest {holed} is missing",
        f"team/app:{lying[:15]}": "its bytes have another digest",
        "team/app:holed": f"its manifest {holed} was not adopted",
        "team/app:short": f"its manifest {short} was not adopted",
        "team/app:above": f"its manifest {above} was not adopted",
        "team/app:lying": f"its manifest {lying} was not adopted",
        "team/app:old": f"its manifest {old} was not adopted",
        "team/app:empty": "its link is broken",
        "team/app:sha256:00000000": "its link is broken",
        "alone:": "expected namespace/image, got 'alone'",
        "Team/App:": "expected namespace/image in lower case, got 'Team/App'",
        "nobody/app:": "no account nobody is here",
    }
    assert await digest_of(registry, "team/app", "v1", token) == whole
    assert await digest_of(registry, "team/app", "holed", token) is None


async def test_names_are_mapped_and_owners_made(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    await shelf.image("ubuntu", "v1")
    await shelf.image("library/alpine", "v1")
    await shelf.image("old/deep/app", "v1")
    arguments = ("--map", "library=team", "--map", "old/deep=fresh/flat", "--default-owner", "team")
    dry = await adopt(env, *arguments, "--create-owners", "team", "--dry-run")
    assert (dry["repositories"], dry["manifests"]) == (3, 3)
    assert await digest_of(registry, "team/ubuntu", "v1", token) is None
    await shelf.image("new/app", "v1")
    report = await adopt(env, *arguments, "--create-owners", "team", status=1)
    assert why(report) == {"new/app:": "the login 'new' is reserved: choose another"}
    for name in ("team/ubuntu", "team/alpine", "fresh/flat/app"):
        assert await digest_of(registry, name, "v1", token) is not None, name
    assert (await moorage(env, "adopt", "--map", "nothing"))[0] == 2


async def test_nothing_is_deleted_of_it_before_it_is_sealed(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    await shelf.image("team/app", "v1", layers=(b"a" * 100_000,))
    await adopt(env)
    before = [found.key async for found in shelf.store.scan("")]
    assert (await registry.call("DELETE", "/api/v3/user/packages/container/app", token)).status == 204
    await collect(registry)
    assert (await registry.services.db.fetch("SELECT count(*) FROM blobs"))[0][0] == 0
    assert [found.key async for found in shelf.store.scan("")] == before
    assert await moorage(env, "adopt", "--seal") == (0, f"sealed {shelf.root}")
    code, said = await moorage(env, "adopt")
    assert (code, said.startswith(f"moorage: {shelf.root} is sealed already.")) == (1, True)
    assert (await moorage(env, "adopt", "--seal"))[0] == 1
    await collect(registry)
    assert not [
        found.key async for found in shelf.store.scan("") if found.key == shelf.key(await shelf.blob(b"a" * 100_000))
    ]


async def test_a_run_that_is_killed_goes_on(env: dict[str, str], registry: Registry, shelf: Shelf, token: str) -> None:
    made = {f"v{n}": await shelf.image("team/app", f"v{n}", layers=(b"%d" % n, b"base")) for n in range(120)}
    made["all"] = await shelf.index("team/app", list(made.values()), "all")
    db = registry.services.db
    for there in (0, 1, 40, 100):
        child = await started(env, "adopt")
        rows = "adopted_blobs" if there == 0 else "manifests"
        for _ in range(4000):
            if (await db.fetch(f"SELECT count(*) FROM {rows}"))[0][0] > there:
                break
            await asyncio.sleep(0.005)
        assert child.returncode is None
        child.kill()
        await child.wait()
    report = await adopt(env)
    assert 0 < report["known"] < len(made)
    assert report["known"] + report["manifests"] == len(made)
    for tag, digest in made.items():
        assert await digest_of(registry, "team/app", tag, token) == digest
    (row,) = await db.fetch("SELECT count(*), count(DISTINCT tag) FROM events WHERE action = 'packages.tag_created'")
    assert (row[0], row[1]) == (len(made), len(made))


async def test_two_repositories_do_not_become_one_package(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    first = await shelf.image("team/app", "v1")
    await shelf.image("ubuntu", "v2")
    await shelf.image("old/ubuntu", "v3")
    arguments = ("--map", "old=team", "--default-owner", "team")
    for _ in range(2):
        report = await adopt(env, *arguments, status=1)
        assert why(report) == {"ubuntu:": "old/ubuntu became team/ubuntu already: --map one of the two"}
        assert report["removed_tags"] == 0
    assert await digest_of(registry, "team/app", "v1", token) == first
    assert await digest_of(registry, "team/ubuntu", "v3", token) is not None


async def test_where_nothing_was_written_nothing_is_adopted(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    await shelf.image("team/app", "v1")
    code, said = await moorage(env, "adopt", "/harbor")
    assert code == 1
    assert said.startswith("moorage: No manifest is below harbor/docker/registry/v2/repositories/ in the store.")
    assert (await registry.services.db.fetch("SELECT count(*) FROM adoptions"))[0][0] == 0
    code, said = await moorage({**env, "MOORAGE_S3_BUCKET": "no-such-bucket"}, "adopt")
    assert (code, said.count("\n"), "Traceback" in said) == (1, 0, False), said


async def test_a_second_run_at_once_is_refused(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    await shelf.image("team/app", "v1")
    db = registry.services.db
    async with db.transaction() as tx:
        assert await adoptions.lock(tx, shelf.root)
        child = await started(env, "adopt")
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(child.communicate())
            while not ended.done():  # the database ends a transaction that is idle for long
                assert await adoptions.lock(tx, shelf.root)
                await asyncio.wait([ended], timeout=1)
        said = ended.result()[0].decode().strip()
        refused = f"moorage: Another moorage adopt is taking {shelf.root}. Wait until it has ended."
        assert (child.returncode, said) == (1, refused)
    assert (await adopt(env))["manifests"] == 1


async def test_a_folder_of_a_local_disk_is_served_from_where_it_is(env: dict[str, str], tmp_path: Path) -> None:
    local = on_disk(env, tmp_path)
    async with running(local) as registry:
        token = await registry.user("team")
        shelf = Shelf(registry.services.stores)
        layer = os.urandom(200_000)
        digest = await shelf.image("team/app", "v1", layers=(layer,))
        before = [found.key async for found in shelf.store.scan("")]
        report = await adopt(local, "--verify")
        assert (report["manifests"], report["tags"], report["verified"]) == (1, 1, report["blobs"])
        assert await digest_of(registry, "team/app", "v1", token) == digest
        pulled = await registry.call("GET", f"/v2/team/app/blobs/{await shelf.blob(layer)}", token)
        assert pulled.body == layer
        assert [found.key async for found in shelf.store.scan("")] == before

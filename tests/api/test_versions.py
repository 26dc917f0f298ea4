"""Versions by API: one a manifest; deleted with what belongs to them, restored as they were, purged in the end."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from registry.jobs.purge_deleted import purge_deleted
from registry.jobs.runner import run_once
from storage.metadata import packages, purges, versions
from storage.metadata.events import Actor
from tests.support.server import Registry, basic, running

API = "/api/v3"
APP = f"{API}/user/packages/container/app"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


async def put(registry: Registry, reference: str, manifest: Mapping[str, object], token: str) -> str:
    body = orjson.dumps(manifest)
    reference = reference or "sha256:" + hashlib.sha256(body).hexdigest()
    headers = {"Content-Type": str(manifest["mediaType"])}
    answer = await registry.call("PUT", f"/v2/alice/app/manifests/{reference}", token, data=body, headers=headers)
    assert answer.status == 201, answer.body
    return str(answer.headers["Docker-Content-Digest"])


async def push_index(registry: Registry, tag: str, children: Sequence[str], token: str, **more: object) -> str:
    entries = [{"mediaType": OCI, "digest": child, "size": 500} for child in children]
    return await put(registry, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, **more}, token)


async def push_referrer(registry: Registry, reference: str, subject: str | None, token: str, note: str = "") -> str:
    empty = await registry.push_blob("alice/app", b"{}", token)
    manifest: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": [],
        "annotations": {"note": note},
    }
    if subject is not None:
        manifest["subject"] = {"mediaType": OCI, "digest": subject, "size": 500}
    return await put(registry, reference, manifest, token)


async def listed(registry: Registry, token: str, query: str = "") -> dict[str, dict[str, Any]]:
    answer = await registry.call("GET", f"{APP}/versions?per_page=100{query}", token)
    assert answer.status == 200, answer.body
    found: Any = answer.json
    return {version["name"]: version for version in found}


async def delete(registry: Registry, token: str, digest: str) -> int:
    found = (await listed(registry, token))[digest]["id"]
    answer = await registry.call("DELETE", f"{APP}/versions/{found}", token)
    assert answer.status == 204, answer.body
    return int(found)


async def restore(registry: Registry, token: str, version_id: int) -> int:
    return (await registry.call("POST", f"{APP}/versions/{version_id}/restore", token)).status


async def pull(registry: Registry, token: str, reference: str) -> tuple[int, str | None]:
    answer = await registry.call("GET", f"/v2/alice/app/manifests/{reference}", token)
    return answer.status, answer.headers.get("Docker-Content-Digest")


async def test_a_version_has_the_json_of_github(registry: Registry) -> None:
    alice = await registry.user("Alice")
    child = await registry.push_image("alice/app", "x", alice)
    index = await push_index(registry, "v1", [child], alice)
    await registry.call("DELETE", "/v2/alice/app/manifests/x", alice)
    found = await listed(registry, alice)
    assert list(found) == [index, child]  # the newest first
    one = found[index]
    url = registry.url
    ours = {"media_type", "kind", "platforms", "size", "pushed_by"}
    assert {k: v for k, v in one.items() if k not in {"id", "created_at", "updated_at", *ours}} == {
        "name": index,
        "url": f"{url}/api/v3/users/Alice/packages/container/app/versions/{one['id']}",
        "package_html_url": f"{url}/users/Alice/packages/container/package/app",
        "html_url": f"{url}/users/Alice/packages/container/app/{one['id']}",
        "metadata": {"package_type": "container", "container": {"tags": ["v1"]}},
    }
    assert found[child]["metadata"]["container"]["tags"] == []
    assert (await registry.call("GET", f"{APP}/versions/{one['id']}", alice)).json == one
    assert (await registry.call("GET", one["url"], alice)).json == one


async def test_pages(registry: Registry) -> None:
    alice = await registry.user("alice")
    digests = [await registry.push_image("alice/app", f"v{n}", alice) for n in range(3)]
    page = await registry.call("GET", f"{APP}/versions?per_page=2", alice)
    assert [v["name"] for v in page.json] == digests[:0:-1]  # type: ignore[attr-defined]
    assert 'page=2>; rel="next"' in page.headers["Link"]
    rest = await registry.call("GET", f"{APP}/versions?per_page=2&page=2", alice)
    assert [v["name"] for v in rest.json] == digests[:1]  # type: ignore[attr-defined]
    assert 'rel="next"' not in rest.headers["Link"]


async def test_a_deleted_version_comes_back_as_it_was(registry: Registry) -> None:
    alice = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", alice)
    other = await registry.push_image("alice/app", "v2", alice)
    body = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).body
    await registry.call("PUT", "/v2/alice/app/manifests/latest", alice, data=body, headers={"Content-Type": OCI})
    before = await listed(registry, alice)
    gone = await delete(registry, alice, digest)
    assert await pull(registry, alice, "v1") == await pull(registry, alice, digest) == (404, None)
    assert list(await listed(registry, alice)) == [other]
    assert (await registry.call("GET", f"{APP}/versions/{gone}", alice)).status == 404
    assert (await registry.call("DELETE", f"{APP}/versions/{gone}", alice)).status == 404
    deleted = await listed(registry, alice, "&state=deleted")
    assert list(deleted) == [digest]
    assert deleted[digest]["id"] == gone
    assert sorted(deleted[digest]["metadata"]["container"]["tags"]) == ["latest", "v1"]
    assert "deleted_at" in deleted[digest]
    assert await restore(registry, alice, gone) == 204
    assert await pull(registry, alice, "v1") == await pull(registry, alice, "latest") == (200, digest)
    after = await listed(registry, alice)
    tags = after[digest]["metadata"]["container"].pop("tags")
    assert sorted(tags) == sorted(before[digest]["metadata"]["container"].pop("tags"))
    assert after == before
    assert await restore(registry, alice, gone) == 404


async def test_tags_given_away_meanwhile_stay_where_they_are(registry: Registry) -> None:
    alice = await registry.user("alice")
    first = await registry.push_image("alice/app", "latest", alice)
    await registry.push_image("alice/app", "keep", alice)
    gone = await delete(registry, alice, first)
    second = await registry.push_image("alice/app", "latest", alice)
    assert await restore(registry, alice, gone) == 204
    assert await pull(registry, alice, "latest") == (200, second)
    assert await pull(registry, alice, first) == (200, first)


async def test_a_push_revives(registry: Registry) -> None:
    alice = await registry.user("alice")
    first = await registry.push_image("alice/app", "v1", alice)
    body = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).body
    await registry.push_image("alice/app", "v2", alice)
    gone = await delete(registry, alice, first)
    again = await registry.call("PUT", "/v2/alice/app/manifests/v3", alice, data=body, headers={"Content-Type": OCI})
    assert again.status == 201
    found = (await listed(registry, alice))[first]
    assert (found["id"], found["metadata"]["container"]["tags"]) == (gone, ["v3"])
    assert await listed(registry, alice, "&state=deleted") == {}


async def test_the_last_ones_stay(registry: Registry) -> None:
    alice = await registry.user("alice")
    only = await registry.push_image("alice/app", "v1", alice)
    ids = {name: v["id"] for name, v in (await listed(registry, alice)).items()}
    refused = await registry.call("DELETE", f"{APP}/versions/{ids[only]}", alice)
    tagged = "You cannot delete the last tagged version of a package. You must delete the package instead."
    assert (refused.status, refused.json["message"]) == (400, tagged)  # type: ignore[index]
    index = await push_index(registry, "", [only], alice)
    await registry.call("PUT", "/v2/alice/app/manifests/x", alice, data=b"")
    refused = await registry.call("DELETE", f"{APP}/versions/{ids[only]}", alice)
    assert (refused.status, refused.json["message"]) == (400, tagged)  # type: ignore[index]
    # What is not tagged goes, and the last of all does not.
    await delete(registry, alice, index)
    await registry.call("DELETE", "/v2/alice/app/manifests/v1", alice)
    refused = await registry.call("DELETE", f"{APP}/versions/{ids[only]}", alice)
    last = "You cannot delete the last version of a package. You must delete the package instead."
    assert (refused.status, refused.json["message"]) == (400, last)  # type: ignore[index]
    # The distribution specification knows no such rule.
    assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{only}", alice)).status == 202
    assert await restore(registry, alice, ids[only]) == 204


async def test_the_signature_of_a_version_does_not_make_it_one_of_two(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice)
    await push_referrer(registry, image.replace(":", "-") + ".sig", None, alice)
    found = (await listed(registry, alice))[image]["id"]
    assert (await registry.call("DELETE", f"{APP}/versions/{found}", alice)).status == 400


async def test_signatures_go_and_come_with_their_subject(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice)
    await registry.push_image("alice/app", "v2", alice)
    bundle = await push_referrer(registry, "", image, alice)
    nested = await push_referrer(registry, "", bundle, alice, "a signature of a signature")
    sig = image.replace(":", "-") + ".sig"
    cosign = await push_referrer(registry, sig, None, alice, "cosign's old way")
    apart = await push_referrer(registry, "", image, alice, "deleted before, on its own")
    await delete(registry, alice, apart)
    gone = await delete(registry, alice, image)
    for digest in (image, bundle, nested, cosign):
        assert await pull(registry, alice, digest) == (404, None)
    assert await pull(registry, alice, sig) == (404, None)
    assert await restore(registry, alice, gone) == 204
    for digest in (image, bundle, nested, cosign):
        assert await pull(registry, alice, digest) == (200, digest)
    assert await pull(registry, alice, sig) == (200, cosign)
    assert await pull(registry, alice, apart) == (404, None)
    found: Any = (await registry.call("GET", f"/v2/alice/app/referrers/{image}", alice)).json
    assert [entry["digest"] for entry in found["manifests"]] == [bundle]


async def test_a_tag_of_its_own_keeps_a_version_from_following(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice)
    both = await registry.push_image("alice/app", "v2", alice)
    body = (await registry.call("GET", "/v2/alice/app/manifests/v2", alice)).body
    sig = image.replace(":", "-") + ".sig"
    await registry.call("PUT", f"/v2/alice/app/manifests/{sig}", alice, data=body, headers={"Content-Type": OCI})
    await delete(registry, alice, image)
    assert await pull(registry, alice, "v2") == (200, both)


async def test_an_index_brings_its_children_back(registry: Registry) -> None:
    alice = await registry.user("alice")
    children = [await registry.push_image("alice/app", f"c{n}", alice) for n in range(2)]
    index = await push_index(registry, "multi", children, alice)
    inner = await push_index(registry, "nested", [index], alice)
    await registry.push_image("alice/app", "other", alice)
    gone = await delete(registry, alice, inner)
    for digest in (index, children[0]):
        await delete(registry, alice, digest)
    assert await pull(registry, alice, children[1]) == (200, children[1])  # as on GitHub, children stay
    assert await restore(registry, alice, gone) == 204
    assert await pull(registry, alice, "nested") == (200, inner)
    assert await pull(registry, alice, "multi") == (200, index)
    assert await pull(registry, alice, "c0") == (200, children[0])


async def test_a_blob_deleted_meanwhile_comes_back_too(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice, size=100_000)
    layer = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).json["layers"][0]["digest"]  # type: ignore[index]
    await registry.push_image("alice/app", "v2", alice)
    gone = await delete(registry, alice, image)
    assert (await registry.call("DELETE", f"/v2/alice/app/blobs/{layer}", alice)).status == 202
    assert (await registry.call("GET", f"/v2/alice/app/blobs/{layer}", alice)).status == 404
    await run_once(registry.services)
    assert await restore(registry, alice, gone) == 204
    assert (await registry.call("GET", f"/v2/alice/app/blobs/{layer}", alice)).status == 200
    assert (await registry.call("DELETE", f"/v2/alice/app/blobs/{layer}", alice)).status == 405


async def test_versions_of_others(registry: Registry) -> None:  # S14
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await registry.push_image("alice/app", "v1", alice)
    await registry.push_image("alice/app", "v2", alice)
    await registry.push_image("bob/app", "v1", bob)
    mine = [version["id"] for version in (await listed(registry, alice)).values()]
    for version in mine:
        for method, path in (
            ("GET", f"{version}"),
            ("DELETE", f"{version}"),
            ("POST", f"{version}/restore"),
            ("GET", f"{version}/downloads"),
        ):
            assert (await registry.call(method, f"{APP}/versions/{path}", bob)).status == 404
    assert [version["id"] for version in (await listed(registry, alice)).values()] == mine
    await registry.call("DELETE", f"{APP}/versions/{mine[0]}", alice)
    assert await restore(registry, bob, mine[0]) == 404


async def test_who_may(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    digest = await registry.push_image("alice/app", "v1", alice)
    await registry.push_image("alice/app", "v2", alice)
    path = f"{API}/users/alice/packages/container/app/versions"
    version = (await listed(registry, alice))[digest]["id"]
    for role in ("read", "write"):
        await registry.call("PUT", f"{APP}/access/users/bob", alice, json={"role": role})
        assert (await registry.call("GET", path, bob)).status == 200
        for method, rest in (("GET", "?state=deleted"), ("DELETE", f"/{version}"), ("POST", f"/{version}/restore")):
            refused = await registry.call(method, path + rest, bob)
            assert refused.status == 403
            assert {"missing", "have", "fix"} <= refused.json.keys()  # type: ignore[attr-defined]
    await registry.call("PUT", f"{APP}/access/users/bob", alice, json={"role": "admin"})
    weak = await registry.token("bob", ["read:packages"])
    assert (await registry.call("DELETE", f"{path}/{version}", weak)).status == 403
    assert (await registry.call("DELETE", f"{path}/{version}", bob)).status == 204
    # Restoring needs the scope to write, as on GitHub, and not the one to delete.
    assert (await registry.call("POST", f"{path}/{version}/restore", weak)).status == 403
    writer = await registry.token("bob", ["write:packages"])
    assert (await registry.call("POST", f"{path}/{version}/restore", writer)).status == 204


async def test_a_pull_that_has_begun_is_finished(registry: Registry) -> None:  # F36
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice, size=1_000_000)
    layer = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).json["layers"][0]["digest"]  # type: ignore[index]
    async with registry.http.get(f"{registry.url}/v2/alice/app/blobs/{layer}", headers=basic(alice)) as response:
        first = await response.content.readany()
        assert (await registry.call("DELETE", APP, alice)).status == 204
        await purge_all(registry)
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).status == 404
        assert (await registry.call("GET", f"/v2/alice/app/blobs/{layer}", alice)).status == 404
        rest = await response.read()
    assert "sha256:" + hashlib.sha256(first + rest).hexdigest() == layer


async def purge_all(registry: Registry) -> None:
    """The window is over."""
    for table in ("packages", "manifests"):
        await registry.services.db.execute(f"UPDATE {table} SET deleted_at = deleted_at - interval '31 days'")
    await run_once(registry.services)


async def count(registry: Registry, table: str) -> int:
    row = await registry.services.db.fetchrow(f"SELECT count(*) AS n FROM {table}")
    assert row is not None
    return int(row["n"])


async def test_purged_versions_leave_nothing(registry: Registry) -> None:
    alice = await registry.user("alice")
    child = await registry.push_image("alice/app", "c", alice, size=100_000)
    index = await push_index(registry, "v1", [child], alice)
    await push_referrer(registry, "", index, alice)
    await registry.call("GET", f"/v2/alice/app/manifests/{index}", alice)
    await registry.services.downloads.flush()
    await registry.push_image("alice/app", "keep", alice)
    gone = await delete(registry, alice, index)
    await delete(registry, alice, child)
    assert await run_once(registry.services) != {}
    assert (await count(registry, "manifests"), await count(registry, "downloads")) == (4, 1)
    await registry.services.db.execute("UPDATE package_blobs SET linked_at = linked_at - interval '31 days'")
    await purge_all(registry)
    assert await restore(registry, alice, gone) == 404
    # Left: the manifest that was kept, its config and its layer.
    tables = ("manifests", "manifest_children", "downloads", "download_totals", "manifest_blobs", "package_blobs")
    assert [await count(registry, table) for table in tables] == [1, 0, 0, 0, 2, 2]


async def test_purged_packages_leave_nothing_and_no_id_is_used_again(registry: Registry) -> None:
    alice = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", alice, size=100_000)
    old = (await registry.call("GET", APP, alice)).json["id"], (await listed(registry, alice))[digest]["id"]  # type: ignore[index]
    body = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).body
    await registry.call("PUT", f"{APP}/access/users/alice", alice, json={"role": "admin"})
    await registry.call("POST", "/v2/alice/app/blobs/uploads/", alice)
    await registry.call("DELETE", APP, alice)
    await purge_all(registry)
    await registry.services.db.execute("DELETE FROM uploads")
    await run_once(registry.services)
    tables = ("packages", "manifests", "tags", "package_blobs", "blobs", "package_users", "link_reviews")
    assert [await count(registry, table) for table in tables] == [0] * len(tables)
    await registry.push_blob("alice/app", b"x", alice)
    refused = await registry.call("PUT", "/v2/alice/app/manifests/v1", alice, data=body, headers={"Content-Type": OCI})
    assert refused.code == "MANIFEST_BLOB_UNKNOWN"
    digest = await registry.push_image("alice/app", "v1", alice)
    new = (await registry.call("GET", APP, alice)).json["id"], (await listed(registry, alice))[digest]["id"]  # type: ignore[index]
    assert new[0] > old[0]
    assert new[1] > old[1]


@pytest.mark.parametrize("first", ["restore", "purge"])
async def test_restored_or_purged_never_both(env: dict[str, str], first: str) -> None:  # F39
    async with running({**env, "MOORAGE_RESTORE_DAYS": "30"}) as registry:
        alice = await registry.user("alice")
        image = await registry.push_image("alice/app", "v1", alice, size=100_000)
        await registry.push_image("alice/app", "v2", alice)
        gone = await delete(registry, alice, image)
        db, window = registry.services.db, 30 * 86400.0
        package: Any = (await registry.call("GET", APP, alice)).json
        if first == "restore":
            # The restoring transaction has the row when the window ends: the purge passes it by.
            async with db.transaction() as tx:
                back = await versions.returning(tx, package["id"], gone, window)
                assert back == [image]
                assert await purge_deleted(registry.services) == 0
                async with db.transaction() as other:
                    assert not await purges.purge(other, package["id"], image, 0.0)
                await versions.unhide(tx, package["id"], back, Actor(None, None))
            assert await pull(registry, alice, "v1") == (200, image)
        else:
            async with db.transaction() as tx:
                assert await purges.purge(tx, package["id"], image, 0.0)
                waiting = asyncio.ensure_future(restore(registry, alice, gone))
                await asyncio.sleep(0.3)
                assert not waiting.done()
            assert await waiting == 404
            assert (await pull(registry, alice, "v1"))[0] == 404
        await run_once(registry.services)
        layers: Any = (await registry.call("GET", "/v2/alice/app/manifests/v2", alice)).json
        for digest in [layer["digest"] for layer in layers["layers"]]:
            assert (await registry.call("GET", f"/v2/alice/app/blobs/{digest}", alice)).status == 200


async def test_deleting_and_pushing_at_once_leaves_a_tagged_version(registry: Registry) -> None:
    alice = await registry.user("alice")
    digests = [await registry.push_image("alice/app", f"v{n}", alice) for n in range(4)]
    ids = {name: version["id"] for name, version in (await listed(registry, alice)).items()}
    outcomes = await asyncio.gather(
        *(registry.call("DELETE", f"{APP}/versions/{ids[digest]}", alice) for digest in digests)
    )
    assert sorted(answer.status for answer in outcomes) == [204, 204, 204, 400]
    assert len(await listed(registry, alice)) == 1


async def test_a_blob_is_not_deleted_under_a_manifest_that_is_coming(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice)
    layer = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).json["layers"][0]["digest"]  # type: ignore[index]
    await registry.push_image("alice/app", "v2", alice)
    gone = await delete(registry, alice, image)
    package: Any = (await registry.call("GET", APP, alice)).json
    async with registry.services.db.transaction() as tx:
        assert await packages.lock(tx, package["id"]) is not None
        back = await versions.returning(tx, package["id"], gone, 86400.0)
        await versions.unhide(tx, package["id"], back, Actor(None, None))
        waiting = asyncio.ensure_future(registry.call("DELETE", f"/v2/alice/app/blobs/{layer}", alice))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert (await waiting).status == 405
    assert (await registry.call("GET", f"/v2/alice/app/blobs/{layer}", alice)).status == 200

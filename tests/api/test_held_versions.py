"""What a tag holds is not deleted away from under it, and what was deleted and named again comes back by its id."""

from typing import Any

from tests.api.test_versions import API, APP, delete, listed, pull, push_index, push_referrer, restore
from tests.support.server import Registry


async def _refusals(registry: Registry, token: str, digest: str) -> list[Any]:
    """How both of the APIs refuse to delete a version."""
    version = (await listed(registry, token))[digest]["id"]
    by_api = await registry.call("DELETE", f"{APP}/versions/{version}", token)
    by_oci = await registry.call("DELETE", f"/v2/alice/app/manifests/{digest}", token)
    assert (by_api.status, by_oci.status) == (400, 405), (by_api.body, by_oci.body)
    assert by_oci.code == "UNSUPPORTED"
    assert "DELETE" not in by_oci.headers["Allow"]
    assert await pull(registry, token, digest) == (200, digest)
    return [by_api.json, by_oci.json]


async def test_a_child_of_a_tagged_index_stays(registry: Registry) -> None:
    alice = await registry.user("alice")
    amd, arm = [await registry.push_image("alice/app", name, alice) for name in ("amd", "arm")]
    await registry.push_image("alice/app", "other", alice)
    inner = await push_index(registry, "inner", [amd, arm], alice)
    outer = await push_index(registry, "", [inner], alice)
    for name in ("v1", "latest"):
        body = (await registry.call("GET", f"/v2/alice/app/manifests/{outer}", alice)).body
        kind = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
        await registry.call("PUT", f"/v2/alice/app/manifests/{name}", alice, data=body, headers=kind)
    for told in await _refusals(registry, alice, amd):
        assert all(word in str(told) for word in (inner, "inner", outer, "latest", "v1")), told
    # Its own tag may go, and that of the index too, which still is below another that has one.
    for tag in ("amd", "inner"):
        assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{tag}", alice)).status == 202
    for digest in (amd, inner):
        for told in await _refusals(registry, alice, digest):
            assert outer in str(told)
    # When nothing that has a tag names it any more, it can go.
    for tag in ("latest", "v1"):
        await _refusals(registry, alice, amd)
        assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{tag}", alice)).status == 202
    await delete(registry, alice, amd)
    assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{arm}", alice)).status == 202


async def test_an_index_that_is_deleted_holds_nothing(registry: Registry) -> None:
    alice = await registry.user("alice")
    child = await registry.push_image("alice/app", "child", alice)
    await registry.push_image("alice/app", "other", alice)
    index = await push_index(registry, "v1", [child], alice)
    gone = await delete(registry, alice, index)
    await delete(registry, alice, child)
    assert await restore(registry, alice, gone) == 204
    assert await pull(registry, alice, child) == (200, child)
    await _refusals(registry, alice, child)


async def test_versions_tell_their_parents(registry: Registry) -> None:
    alice = await registry.user("alice")
    child = await registry.push_image("alice/app", "child", alice)
    await registry.push_image("alice/app", "other", alice)
    indexes = [await push_index(registry, tag, [child], alice, annotations={"a": tag}) for tag in ("v1", "v2")]
    found = await listed(registry, alice)
    assert found[child]["parents"] == sorted(indexes)
    assert [name for name, version in found.items() if "parents" in version] == [child]
    one: Any = (await registry.call("GET", f"{APP}/versions/{found[child]['id']}", alice)).json
    assert one == found[child]
    await delete(registry, alice, indexes[0])
    assert (await listed(registry, alice))[child]["parents"] == indexes[1:]


async def test_a_referrer_with_a_tag_of_its_own_stays(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice)
    await registry.push_image("alice/app", "v2", alice)
    tagged = await push_referrer(registry, "sbom-of-v1", image, alice, "named")
    below = await push_referrer(registry, "", tagged, alice, "of what stays")
    plain = await push_referrer(registry, "", image, alice, "plain")
    old = await push_referrer(registry, image.replace(":", "-") + ".att", image, alice, "named as its subject")
    held = await push_referrer(registry, "", image, alice, "in an index")
    await push_index(registry, "bundle", [held], alice)
    gone = await delete(registry, alice, image)
    for digest in (tagged, below, held):
        assert await pull(registry, alice, digest) == (200, digest)
    assert await pull(registry, alice, "sbom-of-v1") == (200, tagged)
    for digest in (image, plain, old):
        assert await pull(registry, alice, digest) == (404, None)
    assert await restore(registry, alice, gone) == 204
    for digest in (image, plain, old):
        assert await pull(registry, alice, digest) == (200, digest)


async def test_a_package_that_was_deleted_and_named_again(registry: Registry) -> None:
    alice = await registry.user("alice")
    ids, digests = [], []
    for _ in range(3):
        digests.append(await registry.push_image("alice/app", "v1", alice))
        package: Any = (await registry.call("GET", APP, alice)).json
        ids.append(package["id"])
        assert (await registry.call("DELETE", APP, alice)).status == 204
    digests.append(await registry.push_image("alice/app", "v1", alice))
    deleted: Any = (await registry.call("GET", f"{API}/user/packages?package_type=container&state=deleted", alice)).json
    assert [one["id"] for one in deleted] == ids[::-1]
    taken: Any = await registry.call("POST", f"{APP}/restore?token={ids[0]}", alice)
    assert taken.status == 409
    assert f"/restore?token={ids[0]}" in taken.json["fix"]
    # As it advises.
    assert (await registry.call("DELETE", APP, alice)).status == 204
    assert (await registry.call("POST", f"{APP}/restore?token={ids[0]}", alice)).status == 204
    assert await pull(registry, alice, "v1") == (200, digests[0])
    assert (await registry.call("DELETE", APP, alice)).status == 204
    # Without it, the one that was deleted last.
    assert (await registry.call("POST", f"{APP}/restore", alice)).status == 204
    assert await pull(registry, alice, "v1") == (200, digests[0])


async def test_a_token_of_no_deleted_package_restores_nothing(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await registry.push_image("bob/app", "v1", bob)
    other: Any = (await registry.call("GET", APP, bob)).json
    await registry.call("DELETE", APP, bob)
    await registry.push_image("alice/app", "v1", alice)
    mine: Any = (await registry.call("GET", APP, alice)).json
    await registry.call("DELETE", APP, alice)
    for token in (str(other["id"]), "0", "x", "-1", "9" * 30, "%00", "1e3"):
        assert (await registry.call("POST", f"{APP}/restore?token={token}", alice)).status == 404, token
    # Empty is none, as of clients that fill in what they do not have.
    assert (await registry.call("POST", f"{APP}/restore?token=", alice)).status == 204
    assert (await registry.call("POST", f"{APP}/restore?token={mine['id']}", alice)).status == 404

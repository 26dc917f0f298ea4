"""What is shown before a deletion is what is deleted; and what a restore brings back."""

from typing import Any

import pytest

from tests.api.test_versions import push_index, push_referrer
from tests.support.api import acme
from tests.support.server import Answer, Registry, running
from tests.support.shelf import Shelf

_APP = "/api/v3/user/packages/container/app"


async def _version_ids(registry: Registry, token: str) -> dict[str, int]:
    listed: Any = (await registry.call("GET", f"{_APP}/versions?per_page=100", token)).json
    return {one["name"]: one["id"] for one in listed}


async def _preview(registry: Registry, token: str, path: str) -> tuple[Any, str]:
    got: Answer = await registry.call("GET", path, token)
    assert got.status == 200, got.body
    return got.json, got.headers["ETag"]


async def _delete(registry: Registry, token: str, path: str, etag: str) -> int:
    return (await registry.call("DELETE", path, token, headers={"If-Match": etag})).status


async def test_a_version_goes_as_it_was_shown(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice, size=5000)
    await registry.push_image("alice/app", "v2", alice)
    signature = await push_referrer(registry, "", image, alice, "signature")
    cosign = await push_referrer(registry, image.replace(":", "-") + ".att", image, alice, "cosign")
    tagged = await push_referrer(registry, "sbom", image, alice, "stays")
    ids = await _version_ids(registry, alice)
    path = f"{_APP}/versions/{ids[image]}"
    assert (await registry.call("GET", f"/v2/alice/app/manifests/{image}", alice)).status == 200
    await registry.services.downloads.flush()
    shown, etag = await _preview(registry, alice, f"{path}/deletion")
    assert {one["name"]: one["asked_for"] for one in shown["versions"]} == {
        image: True,
        signature: False,
        cosign: False,
    }
    listed: Any = (await registry.call("GET", f"{_APP}/versions?per_page=100", alice)).json
    sizes = {one["name"]: one["size"] for one in listed}
    assert sizes[image] > 5000
    assert {one["name"]: one["size"] for one in shown["versions"]} == {
        name: sizes[name] for name in (image, signature, cosign)
    }, "the size is the one that lists tell"
    assert {one["name"]: one["tags"] for one in shown["versions"]} == {
        image: ["v1"],
        signature: [],
        cosign: [image.replace(":", "-") + ".att"],
    }
    assert (shown["refused"], shown["stays"], shown["downloads_last_30_days"]) == (None, [], 1)
    assert 5000 < shown["bytes"] < 9000
    # Pulls change nothing of what goes; a tag does.
    assert (await registry.call("GET", f"/v2/alice/app/manifests/{image}", alice)).status == 200
    await registry.services.downloads.flush()
    assert (await _preview(registry, alice, f"{path}/deletion"))[1] == etag
    body = (await registry.call("GET", f"/v2/alice/app/manifests/{image}", alice)).body
    kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    assert (await registry.call("PUT", "/v2/alice/app/manifests/late", alice, data=body, headers=kind)).status == 201
    assert await _delete(registry, alice, path, etag) == 412
    shown, etag = await _preview(registry, alice, f"{path}/deletion")
    assert await _delete(registry, alice, path, etag) == 204
    gone = {one["name"] for one in shown["versions"]}
    assert gone == set(ids) - set(await _version_ids(registry, alice))
    assert (await registry.call("GET", f"/v2/alice/app/manifests/{tagged}", alice)).status == 200
    # What comes back; the tag that is another's by now does not.
    await registry.push_image("alice/app", "late", alice)
    back, _ = await _preview(registry, alice, f"{path}/restore")
    assert {one["name"] for one in back["versions"]} == gone
    assert (back["versions"][0]["tags"], back["versions"][0]["tags_taken"]) == (["v1"], ["late"])
    assert (await registry.call("POST", f"{path}/restore", alice)).status == 204
    assert gone <= set(await _version_ids(registry, alice))
    assert (await registry.call("GET", f"{path}/restore", alice)).status == 404


async def test_why_it_is_refused_is_shown_in_the_same_words(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_DOWNLOADS_LOCK": "2"}) as registry:
        alice = await registry.user("alice")
        child = await registry.push_image("alice/app", "child", alice)
        index = await push_index(registry, "v1", [child], alice)
        ids = await _version_ids(registry, alice)

        async def refused(which: str) -> str:
            path = f"{_APP}/versions/{ids[which]}"
            shown, etag = await _preview(registry, alice, f"{path}/deletion")
            got: Any = await registry.call("DELETE", path, alice, headers={"If-Match": etag})
            assert got.status == 400
            assert shown["refused"]["message"] == got.json["message"]
            assert shown["refused"].get("fix") == got.json.get("fix")
            return str(got.json["message"])

        assert "part of a tagged index" in await refused(child)
        # Together both go: but it is all there is.
        both, _ = await _preview(registry, alice, f"{_APP}/deletion?versions={ids[child]},{ids[index]}")
        assert "last tagged version" in both["refused"]["message"]
        assert (await registry.call("DELETE", "/v2/alice/app/manifests/child", alice)).status == 202
        assert "last tagged version" in await refused(index)
        other = await registry.push_image("alice/app", "v2", alice)
        ids = await _version_ids(registry, alice)
        alone, _ = await _preview(registry, alice, f"{_APP}/versions/{ids[index]}/deletion")
        assert [one["name"] for one in alone["stays"]] == [child]
        for _ in range(3):
            assert (await registry.call("GET", f"/v2/alice/app/manifests/{other}", alice)).status == 200
        await registry.services.downloads.flush()
        assert (await registry.call("PATCH", _APP, alice, json={"visibility": "public"})).status == 200
        assert "more than 2 downloads" in await refused(other)
        package, etag = await _preview(registry, alice, f"{_APP}/deletion")
        assert "more than 2 downloads" in package["refused"]["message"]
        assert await _delete(registry, alice, _APP, etag) == 400


async def test_several_versions_go_at_once_or_none(registry: Registry) -> None:
    alice = await registry.user("alice")
    images = [await registry.push_image("alice/app", f"v{number}", alice) for number in range(4)]
    children = [await registry.push_image("alice/app", f"c{number}", alice) for number in range(2)]
    index = await push_index(registry, "many", children, alice)
    await push_referrer(registry, "", images[0], alice, "signature")
    ids = await _version_ids(registry, alice)
    doomed = [ids[images[0]], ids[children[0]], ids[index]]
    path = f"{_APP}/deletion?versions={','.join(map(str, doomed))}"
    shown, etag = await _preview(registry, alice, path)
    assert (len(shown["versions"]), shown["refused"]) == (4, None)
    assert sum(one["asked_for"] for one in shown["versions"]) == 3

    async def delete(versions: list[int], **headers: str) -> Answer:
        return await registry.call("POST", f"{_APP}/deletion", alice, json={"versions": versions}, headers=headers)

    assert (await delete([*doomed, 10**9])).status == 404
    assert (await delete(doomed, **{"If-Match": '"stale"'})).status == 412
    for wrong in ([], [0], [2**63], list(range(1, 102))):
        assert (await delete(wrong)).status == 422, wrong
    assert await _version_ids(registry, alice) == ids
    assert (await delete(doomed, **{"If-Match": etag})).status == 204
    left = await _version_ids(registry, alice)
    assert set(ids) - set(left) == {one["name"] for one in shown["versions"]}
    assert (await delete(doomed)).status == 404
    everything: Any = await delete(list(left.values()))
    assert (everything.status, "last tagged" in everything.json["message"]) == (400, True)
    # Each comes back with what went with it.
    assert (await registry.call("POST", f"{_APP}/versions/{ids[images[0]]}/restore", alice)).status == 204
    assert len(await _version_ids(registry, alice)) == len(left) + 2


async def test_a_package_goes_as_it_was_shown_and_comes_back(registry: Registry) -> None:
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    shown, etag = await _preview(registry, alice, f"{_APP}/deletion")
    assert (shown["version_count"], shown["tag_count"], shown["refused"]) == (1, 1, None)
    await registry.push_image("alice/app", "v2", alice)
    assert await _delete(registry, alice, _APP, etag) == 412
    shown, etag = await _preview(registry, alice, f"{_APP}/deletion")
    assert (await registry.call("GET", f"{_APP}/restore", alice)).status == 404
    assert await _delete(registry, alice, _APP, etag) == 204
    back, _ = await _preview(registry, alice, f"{_APP}/restore")
    assert (back["id"], back["version_count"], back["tag_count"], back["refused"]) == (shown["id"], 2, 2, None)
    await registry.push_image("alice/app", "new", alice)
    back, _ = await _preview(registry, alice, f"{_APP}/restore")
    refused: Any = await registry.call("POST", f"{_APP}/restore", alice)
    assert (refused.status, back["refused"]["message"]) == (409, refused.json["message"])


@pytest.mark.parametrize(
    "rest", ["deletion", "versions/{id}/deletion", "versions/{id}/restore", "deletion?versions={id}"]
)
async def test_who_is_shown_it(registry: Registry, rest: str) -> None:
    people = await acme(registry)
    await registry.push_image("acme/app", "v1", people.owner)
    path = "/api/v3/orgs/acme/packages/container/app/" + rest.format(id=1)
    for token, status in ((None, 401), (people.stranger, 404), (people.member, 404)):
        assert (await registry.call("GET", path, token)).status == status
    hidden = await registry.call("GET", path, people.stranger)
    missing = await registry.call("GET", path.replace("/app/", "/ppa/"), people.stranger)
    assert (hidden.status, hidden.body) == (missing.status, missing.body)


async def test_versions_are_selected_by_tag_and_age(registry: Registry) -> None:
    token = await registry.user("alice", ("read:packages", "write:packages", "delete:packages"))
    shelf = Shelf(registry, token)
    index = await shelf.index("alice/app", "v1")
    await shelf.referrer("alice/app", index, "application/spdx+json")
    await shelf.image("alice/app", "v2")
    old = await shelf.image("alice/app", None)
    path = f"{_APP}/selection"
    numbers = {row["digest"]: row["id"] for row in await registry.services.db.fetch("SELECT id, digest FROM manifests")}

    async def selected(query: str) -> list[int]:
        answer = await registry.call("GET", f"{path}?{query}", token)
        assert answer.status == 200, answer.body
        found: Any = answer.json
        return [one["id"] for one in found]

    assert len(await selected("")) == 3
    assert await selected("tagged=false") == [numbers[old["digest"]]]
    assert await selected("match=v1*") == [numbers[index["digest"]]]
    assert len(await selected("tagged=true&pushed_before=2999-01-01T00:00:00Z")) == 2
    assert await selected("pushed_before=2000-01-01T00:00:00Z") == []
    first = await registry.call("GET", f"{path}?per_page=1", token)
    assert 'rel="next"' in first.headers["Link"]
    for query in ("tagged=x", "pushed_before=soon", "pushed_before=2026-01-01", "pushed_before=0001-01-01T00:00:00Z"):
        assert (await registry.call("GET", f"{path}?{query}", token)).status == 422, query
    await registry.services.db.execute("UPDATE manifests SET deleted_at = now() WHERE digest = $1", index["digest"])
    assert len(await selected("tagged=false")) == 5, "parts of what is deleted are by themselves"

"""A page and the API, which the commands ask, tell the same numbers of the same package."""

from typing import Any

from registry.http.web.text import number
from registry.sizes import size
from tests.support.manage import managed
from tests.support.server import Registry
from tests.support.shelf import Shelf

_API = "/api/v3/orgs/acme/packages/container/web"


async def test_a_page_tells_what_the_api_tells(registry: Registry) -> None:
    world = await managed(registry)
    shelf = Shelf(registry, world.token)
    index = await shelf.index("acme/web", "v3")
    await shelf.referrer("acme/web", index, "application/spdx+json")
    await registry.services.db.execute(
        "INSERT INTO download_totals (version_id, package_id, count) SELECT id, package_id, 1234 FROM manifests WHERE digest = $1",
        index["digest"],
    )

    async def told(path: str) -> Any:
        answer = await registry.call("GET", _API + path, world.token)
        assert answer.status == 200, answer.body
        return answer.json

    rows = {one["name"]: one for one in await told("/versions?per_page=100")}
    one = rows[index["digest"]]
    page = (await world.owner.get("/acme/web:v3")).text
    assert size(one["size"]) in page
    assert number(1234) in page
    (tag,) = [found for found in await told("/tags") if found["name"] == "v3"]
    assert (tag["size"], tag["downloads"]) == (one["size"], 1234)
    tags = (await world.owner.get("/acme/web/-/tags")).text
    assert size(tag["size"]) in tags
    assert "1,234" in tags
    going = await told(f"/deletion?versions={one['id']}")
    preview = (await world.owner.get(f"/acme/web/-/versions/delete?version={one['id']}")).text.replace(" ", "")
    assert f"Versions{len(going['versions'])}Tags1Spacethatcomesfree{size(going['bytes']).replace(' ', '')}" in preview
    assert {two["size"] for two in going["versions"]} == {rows[two["name"]]["size"] for two in going["versions"]}
    whole, deletion = await told(""), await told("/deletion")
    assert deletion["version_count"] == whole["version_count"] == len(rows)
    shown = (await world.owner.get("/acme/web/-/delete")).text
    assert f"Versions that go: {len(rows)}" in shown
    assert f"Tags that go: {deletion['tag_count']}" in shown

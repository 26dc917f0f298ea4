"""The page of an organization's tag rules, and what pages say of a change that a rule forbids."""

import pytest

from tests.support.manage import change, done, managed, refused
from tests.support.server import Registry

_RULES = "/acme/-/settings/tag-rules"


async def test_the_first_rule_is_offered_and_holds(registry: Registry) -> None:
    world = await managed(registry)
    page = await world.owner.get(_RULES)
    assert (page.field("name"), page.field("tags")) == ("releases", "v[0-9]*.[0-9]*.[0-9]*")
    assert _RULES in (await world.owner.get("/acme/-/settings")).answer.body.decode()
    rule = {"name": "held", "tags": "v1 w*", "excepts": "wx", "package": "web", "forbid": "move"}
    page = await done(world.owner, _RULES, rule)
    assert "The rule holds from now on: held" in page.text
    assert "v1 w*" in page.text
    page = await refused(world.owner, "/acme/web/-/tag", {"tag": "v1", "digest": world.digests[1]}, 409)
    assert page.heading == "A rule keeps this tag"
    assert "The rule forbids to move the tag v1." in page.text
    assert "An owner of the account can disable the rule: held" in page.text
    page = await done(world.owner, f"{_RULES}/held", {"change": "disable"})
    assert "The rule is disabled: held" in page.text
    await done(world.owner, "/acme/web/-/tag", {"tag": "v1", "digest": world.digests[1]})
    await done(world.owner, f"{_RULES}/held", {"change": "enable"})
    await refused(world.owner, "/acme/web/-/tag", {"tag": "v1", "digest": world.digests[0]}, 409)
    page = await done(world.owner, f"{_RULES}/held", {"change": "remove"})
    assert "The rule is removed: held" in page.text
    page = await done(world.owner, f"{_RULES}/held", {"change": "remove"})
    assert "There is no such rule any more: held" in page.text


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"tags": "(a"}, "tags"), ({"excepts": "[z-a]"}, "excepts"), ({"package": "$"}, "package"),
        ({"name": "No"}, "name"), ({"forbid": ""}, "forbid"),
    ],
)  # fmt: skip
async def test_what_is_wrong_stands_at_its_field(registry: Registry, wrong: dict[str, str], field: str) -> None:
    world = await managed(registry)
    fields = {"name": "x", "tags": "v*", "forbid": "move", **wrong}
    page = await refused(world.owner, _RULES, fields)
    assert f'href="#field-{field}"' in page.answer.body.decode()
    assert page.field("tags") == fields["tags"]


async def test_kept_tags_stay_on_every_way_of_deletion(registry: Registry) -> None:
    world = await managed(registry)
    await done(world.owner, _RULES, {"name": "all", "tags": "*", "forbid": "delete"})
    number = await world.number(world.digests[0])
    for path in ("/acme/web/-/delete", f"/acme/web/-/versions/delete?version={number}"):
        page = await world.owner.get(path)
        assert "The rule forbids to delete the tag v1." in page.text, page.text
    await refused(world.owner, "/acme/web/-/untag", {"tag": "v1"}, 409)
    for path, fields in (
        ("/acme/web/-/delete", {"typed": "acme/web", "seen": "x"}),
        ("/acme/web/-/versions/delete", {"version": str(number), "seen": "x"}),
    ):
        assert "The rule forbids to delete the tag v1." in (await refused(world.owner, path, fields, 200)).text


async def test_a_tag_is_rolled_back_from_its_history(registry: Registry) -> None:
    world = await managed(registry)
    await done(world.owner, "/acme/web/-/tag", {"tag": "v1", "digest": world.digests[1]})
    assert "/acme/web/-/tags/v1" in (await world.owner.get("/acme/web:v1")).answer.body.decode()
    page = await world.owner.get("/acme/web/-/tags/v1")
    assert (page.field("tag"), page.field("digest")) == ("v1", world.digests[0])
    page = await done(world.owner, "/acme/web/-/rollback", {"tag": "v1", "digest": world.digests[0]})
    assert "Tag rolled back" in page.text
    assert "Roll back" not in (await world.reader.get("/acme/web/-/tags/v1")).text
    await done(world.owner, "/acme/web/-/untag", {"tag": "v1"})
    await done(world.owner, "/acme/web/-/rollback", {"tag": "v1", "digest": world.digests[0]})
    assert (await change(world.owner, "/acme/web/-/rollback", {"tag": "v1", "digest": "x"})).status == 404
    none = "sha256:" + "0" * 64
    page = await done(world.owner, "/acme/web/-/rollback", {"tag": "v1", "digest": none})
    assert "This version can no longer be restored." in page.text

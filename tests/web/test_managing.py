"""Pages that change packages: access, settings, deletion and restore, over HTTP as a browser without script."""

import pytest

from tests.support.manage import Managed, change, done, managed, refused
from tests.support.pages import Html
from tests.support.people import browser, send
from tests.support.server import Registry

WEB = "/acme/web"
ACCESS = f"{WEB}/-/access"


@pytest.fixture
async def world(registry: Registry) -> Managed:
    return await managed(registry)


def row(page: Html, text: str) -> bool:
    """Whether the cells of a row stand on the page, one after the other."""
    return "".join(text.split()) in "".join(page.text.split())


def flash(page: Html) -> dict[str, str]:
    """The fields of the form that undoes what was done."""
    body = page.answer.body.decode()
    part = body[body.index('class="flash') :].partition("</div>")[0]
    fields = [piece.partition('"')[0] for piece in part.split('<input type="hidden" name="')[1:]]
    values = [
        piece.partition('value="')[2].partition('"')[0] for piece in part.split('<input type="hidden" name="')[1:]
    ]
    return {name: value for name, value in zip(fields, values, strict=True) if name not in {"csrf", "once"}}


async def role(world: Managed, login: str) -> str:
    path = f"/api/v3/orgs/acme/packages/container/web/access/{login}"
    return str((await world.registry.call("GET", path, world.token)).json["permission"])  # type: ignore[index]


async def test_the_table_tells_who_has_which_role_and_why(world: Managed) -> None:
    page = await world.owner.get(ACCESS)
    for text in ("olivia Admin Owner of the organization", "rita Read Direct"):
        assert row(page, text), page.text
    assert (await world.reader.get(WEB)).links.count(ACCESS) == 0, "a reader sees no control"
    assert "Delete" not in (await world.reader.get(f"{WEB}/-/versions")).text
    assert "Remove the tag" not in (await world.reader.get(f"{WEB}:v1")).text
    for path in (ACCESS, f"{WEB}/-/settings", f"{WEB}/-/delete", f"{WEB}/-/restore", f"{WEB}/-/settings/public"):
        assert "admin role on acme/web" in (await world.reader.get(path, 403)).text
        assert (await world.stranger.get(path, 404)).heading == "There is nothing here"
        assert (await world.visitor.get(path, 404)).heading == "There is nothing here"


async def test_a_role_is_granted_changed_removed_and_the_removal_undone(world: Managed) -> None:
    page = await done(world.owner, ACCESS, {"kind": "user", "who": "rita", "role": "write"})
    assert "rita: Write" in page.text
    assert await role(world, "rita") == "write"
    page = await done(world.owner, ACCESS, flash(page))
    assert await role(world, "rita") == "read"
    page = await done(world.owner, ACCESS, {"kind": "user", "who": "rita", "role": "none"})
    assert not row(page, "rita Read Direct")
    await world.reader.get(WEB, 404)
    page = await done(world.owner, ACCESS, flash(page))
    assert row(page, "rita Read Direct")
    await world.reader.get(WEB)
    page = await done(world.owner, ACCESS, {"kind": "team", "who": "devs", "role": "admin"})
    assert row(page, "devs Team Admin Direct")
    assert await role(world, "rita") == "admin"
    for kind, word in (("actions", "Workflows"), ("codespaces", "Workspaces")):
        page = await done(world.owner, ACCESS, {"kind": kind, "who": "acme/code", "role": "write"})
        assert row(page, f"acme/code {word} Write Direct")
        page = await done(world.owner, ACCESS, {"kind": kind, "who": "acme/code", "role": "none"})
        assert not row(page, f"acme/code {word}")


@pytest.mark.parametrize(
    ("kind", "who", "told"),
    [
        ("user", "nobody", "Nobody has this login."), ("user", "", "Nobody has this login."),
        ("user", "x" * 3000, "Nobody has this login."), ("user", "a\x00b", "Nobody has this login."),
        ("user", "stan", "Only members of the organization can have a role"),
        ("team", "none", "The organization has no such team."), ("actions", "acme", "There is no such repository"),
        ("codespaces", "acme/none", "There is no such repository"),
    ],
)  # fmt: skip
async def test_what_was_typed_is_kept_and_the_field_is_named(world: Managed, kind: str, who: str, told: str) -> None:
    page = await refused(world.owner, ACCESS, {"kind": kind, "who": who, "role": "admin"})
    assert told in page.text
    wrong = page.all("input", id=f"field-who-{kind}")[0]
    assert wrong["aria-invalid"] == "true"
    assert wrong["value"] == who.replace("\x00", "")[:255].strip()
    assert [link for link in page.links if link == f"#field-who-{kind}"]


async def test_a_person_is_checked_with_every_reason(world: Managed) -> None:
    await done(world.owner, ACCESS, {"kind": "team", "who": "devs", "role": "write"})
    page = await world.owner.get(f"{ACCESS}?person=rita")
    for text in ("rita: Write", "Member of the organization: acme · No role", "Direct · Read", "Team: devs · Write"):
        assert text in page.text
    assert "There is no reason that gives a role" in (await world.owner.get(f"{ACCESS}?person=stan")).text
    for login in ("nobody", "acme", "a%00b", "x" * 200):
        assert "Nobody has this login." in (await world.owner.get(f"{ACCESS}?person={login}")).text


async def test_a_link_says_what_it_overwrites_before(world: Managed) -> None:
    await done(world.owner, ACCESS, {"kind": "team", "who": "devs", "role": "write"})
    settings = f"{WEB}/-/settings"
    assert "acme/code" in (await world.owner.get(settings)).answer.body.decode()
    page = await world.owner.get(f"{settings}/link?repository=acme/code&inherit=on")
    assert "These lose the role that they have now: olivia, rita, devs" in page.text
    assert "Inherited" not in (await world.owner.get(ACCESS)).text, "to look changes nothing"
    page = await done(world.owner, f"{settings}/link", {"repository": "acme/code", "inherit": "on"})
    assert "The package is linked to the repository: acme/code" in page.text
    page = await world.owner.get(ACCESS)
    assert "Access comes from the repository" in page.text
    assert row(page, "acme/code Workflows Admin Inherited from the repository: acme/code")
    assert "rita" not in page.text
    told = (await refused(world.owner, ACCESS, {"kind": "user", "who": "rita", "role": "read"})).text
    assert "The package inherits its access from its repository" in told
    assert "You stay an admin" in (await world.owner.get(f"{settings}/inheritance")).text
    assert "list of its own now" in (await done(world.owner, f"{settings}/inheritance", {"inherit": "off"})).text
    assert "does not name this repository any more" in (await world.owner.get(f"{settings}/unlink")).text
    assert "no repository now" in (await done(world.owner, f"{settings}/unlink")).text
    await world.owner.get(f"{settings}/unlink", 404)
    for name in ("acme/none", "acme", "olivia/web", "x/../y"):
        page = await done(world.owner, f"{settings}/link", {"repository": name})
        assert page.all("div", **{"class": "flash bad"}), name


async def test_to_be_public_asks_for_the_name_and_for_a_recent_sign_in(world: Managed) -> None:
    path = f"{WEB}/-/settings/public"
    late = await browser(world.registry, "olivia", minutes_ago=20)
    for answer in (await late.get_raw(path), await change(late, path, {"typed": "acme/web"})):
        assert (answer.status, answer.headers["Location"]) == (303, f"/login?next={path}")
    page = await refused(world.owner, path, {"typed": "acme"})
    assert "This is not the name." in page.text
    pull = "/v2/acme/web/manifests/v1"
    assert (await world.registry.call("GET", pull)).status == 401
    assert "The package is public now." in (await done(world.owner, path, {"typed": "acme/web"})).text
    anonymous = await world.registry.call("GET", "/token?scope=repository:acme/web:pull")
    bearer = {"Authorization": f"Bearer {anonymous.json['token']}"}  # type: ignore[index]
    assert (await world.registry.call("GET", pull, headers=bearer)).status == 200
    await world.visitor.get(WEB)
    assert "Pulls without signing in fail" in (await world.owner.get(f"{WEB}/-/settings/private")).text
    await done(world.owner, f"{WEB}/-/settings/private")
    await world.visitor.get(WEB, 404)
    await world.owner.get(f"{WEB}/-/settings/secret", 404)


async def test_a_rule_of_the_organization_is_told(world: Managed) -> None:
    await done(world.owner, ACCESS, {"kind": "user", "who": "rita", "role": "admin"})
    await done(world.owner, "/acme/-/settings", {"part": "packages", "private": "on"})
    page = await done(world.reader, f"{WEB}/-/settings/public", {"typed": "acme/web"})
    assert "The organization does not let its members do this" in page.text


async def test_a_package_is_deleted_and_restored(world: Managed) -> None:
    path = f"{WEB}/-/delete"
    page = await world.owner.get(path)
    for text in ("Versions that go: 2", "Tags that go: 2", "It can be restored until"):
        assert text in page.text
    late = await browser(world.registry, "olivia", minutes_ago=20)
    assert (await change(late, path, {"typed": "acme/web"})).headers["Location"] == f"/login?next={path}"
    assert (
        "This is not the name." in (await refused(world.owner, path, {"typed": "web", "seen": page.field("seen")})).text
    )
    package_id = await world.package_id()
    page = await done(world.owner, path, {"typed": "acme/web", "seen": page.field("seen")})
    assert "The package is deleted: acme/web" in page.text
    assert "This package is deleted" in (await world.owner.get(WEB)).text
    await world.reader.get(WEB, 404)
    listed = await world.owner.get("/acme/-/deleted")
    assert "30 days left" in listed.text
    assert "Another package" not in listed.text
    assert f"{WEB}/-/restore?package={package_id}" in listed.links
    assert "Nothing is deleted" in (await world.reader.get("/acme/-/deleted")).text
    await world.stranger.get("/acme/-/deleted", 404)
    await world.reader.get(f"{WEB}/-/restore?package={package_id}", 404)
    before = await world.owner.get(f"{WEB}/-/restore?package={package_id}")
    assert row(before, "Versions 2 Tags 2 Days left 30")
    page = await done(world.owner, f"{WEB}/-/restore", {"package": str(package_id)})
    assert "The package is restored: acme/web" in page.text
    assert (await world.owner.get(f"{WEB}:v1")).status == 200


async def test_a_name_in_use_is_told_before_the_restore(world: Managed) -> None:
    package_id = await world.package_id()
    await done(
        world.owner,
        f"{WEB}/-/delete",
        {"typed": "acme/web", "seen": (await world.owner.get(f"{WEB}/-/delete")).field("seen")},
    )
    await world.registry.push_image("acme/web", "new", world.token)
    page = await world.owner.get(f"{WEB}/-/restore?package={package_id}")
    assert "Another package has this name now" in page.text
    page = await done(world.owner, f"{WEB}/-/restore", {"package": str(package_id)})
    assert "Another package has this name now" in page.text
    assert "Another package has this name now" in (await world.owner.get("/acme/-/deleted")).text


async def test_a_stale_form_deletes_nothing_and_says_what_changed(world: Managed) -> None:
    number = await world.number(world.digests[0])
    path = f"{WEB}/-/versions/delete"
    page = await world.owner.get(f"{path}?version={number}")
    body = (await world.registry.call("GET", "/v2/acme/web/manifests/v1", world.token)).body
    kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    await world.registry.call("PUT", "/v2/acme/web/manifests/stable", world.token, data=body, headers=kind)
    fields = {"version": str(number), "seen": page.field("seen"), "was": page.field("was")}
    stale = world.owner.read(await change(world.owner, path, fields))
    assert "nothing was deleted" in stale.text
    assert "Tags that go now, too: stable" in stale.text
    await world.owner.get(f"{WEB}:v1")
    page = await done(world.owner, path, {**fields, "seen": stale.field("seen")})
    assert "Deleted with all that belongs to them: one version." in page.text
    await world.owner.get(f"{WEB}:v1", 404)
    whole = await world.owner.get(f"{WEB}/-/delete")
    await world.registry.push_image("acme/web", "v4", world.token)
    fields = {"typed": "acme/web", "seen": whole.field("seen"), "was": whole.field("was")}
    stale = world.owner.read(await change(world.owner, f"{WEB}/-/delete", fields))
    assert "Versions: 1 then, 2 now" in stale.text
    await world.owner.get(WEB)


async def test_versions_are_chosen_looked_at_deleted_and_brought_back(world: Managed) -> None:
    await world.registry.push_image("acme/web", "v3", world.token)
    listed = await world.owner.get(f"{WEB}/-/versions")
    boxes = [box["value"] for box in listed.all("input", name="version")]
    assert len(boxes) == 3
    chosen = [str(await world.number(digest)) for digest in world.digests]
    path = f"{WEB}/-/versions/delete"
    preview = await world.owner.get(f"{path}?version={chosen[0]}&version={chosen[1]}")
    host = world.registry.url.partition("://")[2]
    assert row(preview, "Versions 2 Tags 2")
    for text in (f"docker pull {host}/acme/web:v1", f"docker pull {host}/acme/web:v2"):
        assert text in preview.text
    token = preview.field("csrf")
    body = [("csrf", token), ("seen", preview.field("seen")), *(("version", one) for one in chosen)]
    answer = await world.owner.post(path, body)
    assert answer.status == 303
    page = await world.owner.get(str(answer.headers["Location"]))
    assert "2 versions" in page.text
    assert page.text.count("Undo") == 1
    deleted = await world.owner.get(f"{WEB}/-/restore")
    assert world.digests[0][7:19] in deleted.text
    page = await done(world.owner, f"{WEB}/-/restore", {"version": chosen[0]})
    assert f"Restored: {world.digests[0][7:19]}." in page.text
    assert "Tags that came back: v1." in page.text
    await world.owner.get(f"{WEB}:v1")
    answer = await world.owner.get_raw(path)
    assert answer.headers["Location"] == f"{WEB}/-/versions", (
        "without a choice nothing is shown, and no package deleted"
    )
    for bad in ("0", "x", "9" * 30, "-1"):
        await world.owner.get(f"{path}?version={bad}", 404)
    await world.owner.get(f"{path}?" + "&".join(f"version={n}" for n in range(1, 103)), 422)


async def test_a_refusal_is_told_before_and_has_no_button(world: Managed) -> None:
    numbers = [str(await world.number(digest)) for digest in world.digests]
    page = await world.owner.get(f"{WEB}/-/versions/delete?version={numbers[0]}&version={numbers[1]}")
    assert "This would be the last version" in page.text
    assert not page.all("input", name="seen")


async def test_a_tag_is_removed_by_one_click_and_put_back(world: Managed) -> None:
    page = await done(world.owner, f"{WEB}/-/untag", {"tag": "v1"})
    assert "The tag is removed: v1" in page.text
    await world.owner.get(f"{WEB}:v1", 404)
    page = await done(world.owner, f"{WEB}/-/tag", flash(page))
    assert page.heading == "v1"
    page = await done(world.owner, f"{WEB}/-/untag", {"tag": "none"})
    assert "There is no such tag any more: none" in page.text
    for fields in ({"tag": ""}, {"tag": "-"}):
        await refused(world.owner, f"{WEB}/-/untag", fields, 404)
    for fields in ({"tag": "x", "digest": "sha256:1"}, {"tag": "x", "digest": "sha256:" + "0" * 64}):
        await refused(world.owner, f"{WEB}/-/tag", fields, 404)


async def test_the_activity_tells_who_did_what_and_in_which_way(world: Managed) -> None:
    await done(world.owner, f"{WEB}/-/untag", {"tag": "v1"})
    await done(world.owner, ACCESS, {"kind": "user", "who": "rita", "role": "write"})
    await done(world.owner, f"{WEB}/-/settings/internal")
    page = await world.owner.get(f"{WEB}/-/activity")
    for text in ("Tag removed v1", "Role granted rita", "Read → Write", "in these pages", "private → internal",
                 "Version pushed", "with an access token"):  # fmt: skip
        assert text in page.text, (text, page.text)
    seen = (await world.reader.get(f"{WEB}/-/activity")).text
    assert "Version pushed" in seen
    assert "Role granted" not in seen
    await world.visitor.get(f"{WEB}/-/activity", 404)
    await world.stranger.get(f"{WEB}/-/activity", 404)


async def test_in_korean_too(world: Managed) -> None:
    for path in (ACCESS, f"{WEB}/-/settings", f"{WEB}/-/delete", f"{WEB}/-/activity", f"{WEB}/-/restore",
                 "/acme/-/settings", "/acme/-/people", "/acme/-/teams", "/acme/-/deleted", "/acme/-/repositories",
                 "/new/organization"):  # fmt: skip
        assert (await world.owner.get(path, Accept_Language="ko")).language == "ko"


async def test_hidden_and_missing_are_one_page(world: Managed) -> None:
    for below in ("access", "settings", "delete", "restore", "activity", "versions/delete?version=1"):
        pages = [await world.stranger.get(f"/acme/{name}/-/{below}", 404) for name in ("web", "none")]
        bodies = [page.answer.body.decode().replace(page.answer.headers["X-Moorage-Request-Id"], "") for page in pages]
        first, second = (body.partition("<main")[2].partition("</main>")[0] for body in bodies)
        assert first == second, below


async def test_a_package_of_a_person(world: Managed) -> None:
    alice = await browser(world.registry, "alice")
    token = await world.registry.token("alice")
    await world.registry.push_image("alice/app", "v1", token)
    page = await alice.get("/alice/app/-/access")
    assert row(page, "alice Admin Owner of the account")
    assert "Team" not in page.text
    page = await done(alice, "/alice/app/-/access", {"kind": "user", "who": "stan", "role": "read"})
    assert "stan: Read" in page.text
    await world.stranger.get("/alice/app")
    assert "internal" not in (await alice.get("/alice/app/-/settings")).text
    page = await done(alice, "/alice/app/-/settings/internal")
    assert "Only packages of organizations can be internal." in page.text
    assert await send(alice, "/alice/app", "/alice/app/-/untag", {"tag": "v1"}) != ""


async def test_what_was_never_pushed_has_no_access_and_no_settings(world: Managed) -> None:
    begun = await world.registry.call("POST", "/v2/acme/begun/blobs/uploads/", world.token)
    assert begun.status == 202
    for below in ("access", "settings", "settings/link?repository=acme/code", "settings/public"):
        await world.owner.get(f"/acme/begun/-/{below}", 404)


async def test_what_was_done_is_told_and_undone_in_its_own_session_only(world: Managed) -> None:
    """Over plain http, whoever serves another port of the host can put a cookie of its own session here."""
    answer = await change(world.owner, f"{WEB}/-/untag", {"tag": "v1"})
    place = str(answer.headers["Location"])
    cookie = world.owner.cookies["moorage_flash"]
    for other in (world.reader, world.visitor, await browser(world.registry, "olivia")):
        other.cookies["moorage_flash"] = cookie
        page = other.read(await other.get_raw(place))
        assert "The tag is removed" not in page.text
        assert "Undo" not in page.text
        other.cookies.pop("moorage_flash", None)
    page = await world.owner.get(place)
    assert "The tag is removed: v1" in page.text
    assert "Undo" in page.text


async def test_a_mistyped_name_is_kept_to_be_corrected(world: Managed) -> None:
    for path in (f"{WEB}/-/settings/public", f"{WEB}/-/delete", "/acme/-/settings/delete"):
        page = await refused(world.owner, path, {"typed": "acme/wab"})
        assert page.all("input", name="typed")[0]["value"] == "acme/wab", path


async def test_the_last_version_leads_to_the_deletion_of_the_package(world: Managed) -> None:
    numbers = [str(await world.number(digest)) for digest in world.digests]
    page = await world.owner.get(f"{WEB}/-/versions/delete?version={numbers[0]}&version={numbers[1]}")
    assert f"{WEB}/-/delete" in page.links
    assert "Commands that fail" not in page.text


async def test_all_deleted_versions_of_a_page_come_back_at_once(world: Managed) -> None:
    await world.registry.push_image("acme/web", "v3", world.token)
    for digest in world.digests:
        number = await world.number(digest)
        path = f"/api/v3/orgs/acme/packages/container/web/versions/{number}"
        assert (await world.registry.call("DELETE", path, world.token)).status == 204
    page = await world.owner.get(f"{WEB}/-/restore")
    assert "Restore all 2 of this page" in page.text
    ids = [str(await world.number(digest)) for digest in world.digests]
    answer = await world.owner.post(
        f"{WEB}/-/restore", [("csrf", page.field("csrf")), *(("version", one) for one in ids)]
    )
    page = await world.owner.get(str(answer.headers["Location"]))
    assert "Tags that came back: v1, v2." in page.text


async def test_the_start_page_names_ones_organizations(world: Managed) -> None:
    for viewer in (world.owner, world.reader):
        assert "/acme" in (await viewer.get("/")).links
    assert "/acme" not in (await world.stranger.get("/")).links

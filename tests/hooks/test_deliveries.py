"""Webhooks from the push to the receiver: what is told, how it is signed, in which order, and how often."""

import asyncio
import hashlib
from itertools import groupby
from typing import Any

import orjson
from aiohttp import web

from registry.hooks.hooks import HOOKS_MAX
from registry.jobs.runner import run_once
from registry.jobs.tell_hooks import tell_hooks
from storage.metadata import administration
from tests.hooks.conftest import World, made
from tests.support.multiplatform import INDEX, Repository
from tests.support.receiver import ALLOWED, SECRET, Receiver
from tests.support.server import running


async def test_a_push_is_told(world: World) -> None:
    hook = await world.hook()
    digest = await world.push("web/app", "v1")
    await world.deliver()
    ping, told = world.receiver.got
    assert ping.headers["X-GitHub-Event"] == "ping"
    assert ping.json["hook_id"] == hook
    assert told.headers["X-GitHub-Event"] == "package"
    assert told.headers["X-GitHub-Hook-ID"] == str(hook)
    assert told.headers["User-Agent"].startswith("Moorage-Hook/")
    assert told.is_signed()
    package = told.json["package"]
    assert (told.json["action"], package["name"], package["namespace"]) == ("published", "web/app", "acme")
    assert package["package_version"]["container_metadata"]["tag"] == {"name": "v1", "digest": digest}
    assert told.json["sender"]["login"] == "alice"
    assert told.json["organization"]["login"] == "acme"
    assert told.json["repository"] is None


async def test_what_is_told_of_changes(world: World) -> None:
    await world.push("app", "before")  # of which nobody is told
    await world.hook()
    digest = await world.push("app", "v1")
    await world.call("PUT", "/orgs/acme/packages/container/app/tags/v2", {"digest": digest}, status=201)
    await world.call("DELETE", "/orgs/acme/packages/container/app/tags/v1", status=204)
    await world.call("PATCH", "/orgs/acme/packages/container/app", {"visibility": "public"})
    await world.call("DELETE", "/orgs/acme/packages/container/app", status=204)
    await world.call("POST", "/orgs/acme/packages/container/app/restore", status=204)
    await world.deliver()
    assert world.receiver.told == [
        ("package", "published", "v1"),
        ("package", "updated", "v2"),
        ("moorage.package", "tag_deleted", "v1"),
        ("moorage.package", "visibility_changed", ""),
        ("moorage.package", "deleted", ""),
        ("moorage.package", "restored", ""),
    ]
    changed = next(one for one in world.receiver.got if one.what[1] == "visibility_changed")
    assert "X-GitHub-Event" not in changed.headers
    assert changed.json["changes"] == {"before": "private", "after": "public"}


async def test_only_what_a_hook_wants(world: World) -> None:
    await world.hook("/all", events=["*"])
    await world.hook("/registry", events=["registry_package"])
    await world.hook("/off", active=False)
    await world.call("POST", "/orgs/acme/repos", {"name": "code", "private": True}, status=201)
    await world.hook("/repo", "repos/acme/code", events=["package"])
    await world.push("app", "v1")
    await world.deliver()
    link = {"repository": "acme/code", "inherit_access": True}
    await world.call("PUT", "/orgs/acme/packages/container/app/repository", link)
    await world.push("app", "v2")
    await world.registry.push_image("alice/other", "v1", world.alice)
    await world.deliver()
    tags = {
        path: [one.what for one in world.receiver.of(path) if one.event != "ping"]
        for path in ("/all", "/registry", "/off", "/repo")
    }
    assert [event for event, _ in groupby(what[0] for what in tags["/all"])] == [
        "package", "registry_package", "moorage.package", "package", "registry_package"
    ]  # fmt: skip
    assert [what[2] for what in tags["/registry"]] == ["v1", "v2"]
    assert tags["/off"] == []
    assert tags["/repo"] == [("package", "published", "v2")]
    repository = world.receiver.of("/repo")[-1].json["repository"]
    assert repository["full_name"] == "acme/code"
    assert world.receiver.of("/repo")[-1].headers["X-GitHub-Hook-Installation-Target-Type"] == "repository"


async def _platforms(world: World, name: str, tag: str, *, before_index: Any = None) -> str:
    """Push an image of three platforms as clients do: each of them by its digest, then the index; its digest."""
    repository = Repository(world.registry.http, world.registry.url, f"acme/{name}", world.alice)
    images = []
    for architecture in ("amd64", "arm64", "riscv64"):
        config = await repository.push_blob(orjson.dumps({"architecture": architecture, "os": "linux"}))
        layer = await repository.push_blob(architecture.encode())
        image = await repository.put(
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {**config, "mediaType": "application/vnd.oci.image.config.v1+json"},
                "layers": [layer],
            }
        )
        images.append({**image, "platform": {"architecture": architecture, "os": "linux"}})
        if before_index is not None:
            await before_index()
    index = await repository.put({"mediaType": INDEX, "manifests": images}, tag)
    return str(index["digest"])


async def test_a_push_for_several_platforms_is_one(world: World) -> None:
    await world.hook()
    await world.hook("/children", children=True)
    digest = await _platforms(world, "app", "v1")
    await world.deliver()
    await world.due()
    await world.deliver()
    (told,) = (one for one in world.receiver.of("/in") if one.event != "ping")
    assert told.what == ("package", "published", "v1")
    assert told.json["package"]["package_version"]["version"] == digest
    assert [one.what[2] for one in world.receiver.of("/children")[1:]] == ["", "", "", "v1"]


async def test_a_slow_push_for_several_platforms_is_one_too(world: World) -> None:
    """The jobs run between the images and their index."""
    await world.hook()
    await _platforms(world, "app", "v1", before_index=world.deliver)
    await world.deliver()
    await world.due()
    await world.deliver()
    assert world.receiver.told == [("package", "published", "v1")]


async def test_an_image_without_a_tag_is_told_after_a_while_or_with_its_tag(world: World) -> None:
    await world.hook()
    digest = await _untagged(world, "app")
    other = await _untagged(world, "tagged")
    await world.deliver()
    assert world.receiver.told == []
    await world.call("PUT", "/orgs/acme/packages/container/tagged/tags/v1", {"digest": other}, status=201)
    await world.deliver()
    assert world.receiver.told == [("package", "published", ""), ("package", "updated", "v1")]
    await world.due()
    await world.deliver()
    assert world.receiver.got[-1].json["package"]["package_version"]["name"] == digest


async def _untagged(world: World, name: str) -> str:
    repository = Repository(world.registry.http, world.registry.url, f"acme/{name}", world.alice)
    config = await repository.push_blob(orjson.dumps({"architecture": "amd64", "os": "linux", "author": name}))
    config["mediaType"] = "application/vnd.oci.image.config.v1+json"
    image = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []}
    return str((await repository.put(image))["digest"])


async def test_what_fails_is_sent_again_the_same_and_holds_up_its_package_alone(world: World) -> None:
    hook = await world.hook()
    await world.deliver()
    refused = {"v1"}
    world.receiver.answer = lambda one: web.Response(status=500 if one.what[2] in refused else 200, text="so")
    await world.push("app", "v1")
    await world.push("app", "v2")
    await world.push("other", "v3")
    for _ in range(3):
        await world.deliver()
        await world.registry.services.db.execute("UPDATE hooks SET rests_until = now()")
    assert sorted(what[2] for what in world.receiver.told) == ["v1", "v3"]
    refused.clear()
    await world.due()
    await world.deliver()
    assert [what[2] for what in world.receiver.told if what[2] != "v3"] == ["v1", "v1", "v2"]
    first, again = (one for one in world.receiver.got if one.what[2] == "v1")
    assert (first.body, first.headers["X-GitHub-Delivery"]) == (again.body, again.headers["X-GitHub-Delivery"])
    v1 = next(one for one in await world.deliveries(hook) if one["guid"] == again.headers["X-GitHub-Delivery"])
    assert (v1["state"], v1["attempts"], v1["status_code"]) == ("delivered", 2, 200)


async def test_what_is_sent_again_has_the_signature_of_the_secret_of_now(world: World) -> None:
    """Whoever mends a secret that the receiver did not know has what was refused sent again, and taken."""
    hook = await world.hook()
    world.receiver.answer = lambda one: web.Response(status=204 if one.is_signed("another") else 401)
    await world.push("app", "v1")
    await world.deliver()
    await world.call("PATCH", f"/orgs/acme/hooks/{hook}/config", {"secret": "another"})
    await world.due()
    await world.deliver()
    (told, _) = await world.deliveries(hook)
    assert (told["state"], told["attempts"]) == ("delivered", 2)
    await world.call("PATCH", f"/orgs/acme/hooks/{hook}/config", {"secret": None})
    await world.call("POST", f"/orgs/acme/hooks/{hook}/deliveries/{told['id']}/attempts", status=202)
    await world.deliver()
    assert not {name for name in world.receiver.got[-1].headers if name.startswith("X-Hub-Signature")}
    assert world.receiver.got[-1].body == world.receiver.got[-2].body


async def test_what_fails_for_an_hour_holds_up_nothing_any_more(world: World) -> None:
    await world.hook()
    await world.deliver()
    world.receiver.answer = lambda one: web.Response(status=500 if one.what[2] == "v1" else 200)
    await world.push("app", "v1")
    await world.push("app", "v2")
    await world.deliver()
    old = "UPDATE hook_deliveries SET created_at = now() - interval '61 minutes' WHERE tag = 'v1'"
    await world.registry.services.db.execute(old)
    await world.due()
    await world.deliver()
    await world.due()
    await world.deliver()
    assert {what[2] for what in world.receiver.told} == {"v1", "v2"}


async def test_an_answer_may_put_off_the_next_attempt(world: World) -> None:
    hook = await world.hook()
    await world.deliver()
    world.receiver.answer = lambda _: web.Response(status=503, headers={"Retry-After": "1800"})
    await world.push("app", "v1")
    await world.deliver()
    row = await world.registry.services.db.fetchrow(
        "SELECT extract(epoch FROM due_at - now()) AS seconds FROM hook_deliveries WHERE state = 'waiting'"
    )
    assert row is not None
    assert 1700 < row["seconds"] <= 1800
    assert (await world.call("GET", f"/orgs/acme/hooks/{hook}"))["last_response"] == {
        "code": 503, "status": "failing", "message": "Invalid HTTP Response: 503"
    }  # fmt: skip


async def test_it_gives_up_at_last(world: World) -> None:
    hook = await world.hook()
    await world.deliver()
    world.receiver.status = 500
    await world.push("app", "v1")
    for _ in range(12):
        await world.deliver()
        await world.due()
    (failed,) = await world.call("GET", f"/orgs/acme/hooks/{hook}/deliveries?status=failure")
    assert (failed["state"], failed["attempts"], failed["next_attempt_at"]) == ("failed", 9, None)


async def test_a_receiver_that_is_gone_disables_its_hook(world: World) -> None:
    hook = await world.hook()
    await world.deliver()
    world.receiver.status = 410
    await world.push("app", "v1")
    await world.deliver()
    assert (await world.call("GET", f"/orgs/acme/hooks/{hook}"))["disabled_reason"] == "the receiver answered 410 Gone"
    world.receiver.status = 200
    await world.push("app", "v2")
    await world.deliver()
    log = await world.call("GET", "/orgs/acme/audit-log?phrase=action:hook")
    assert [one["action"] for one in log] == ["hook.disable", "hook.create"]
    await world.call("PATCH", f"/orgs/acme/hooks/{hook}", {"active": True})
    await world.push("app", "v3")
    await world.deliver()
    assert [what[2] for what in world.receiver.told] == ["v1", "v3"]


async def test_a_receiver_that_fails_for_a_day_disables_its_hook(world: World) -> None:
    hook = await world.hook()
    await world.deliver()
    world.receiver.status = 500
    await world.registry.services.db.execute(
        "UPDATE hooks SET failures = 19, failing_since = now() - interval '25 hours'"
    )
    await world.push("app", "v1")
    await world.deliver()
    found = await world.call("GET", f"/orgs/acme/hooks/{hook}")
    assert found["disabled_reason"] == "nothing could be delivered for a day"


async def test_a_delivery_is_shown_and_sent_once_more(world: World) -> None:
    hook = await world.hook()
    await world.push("app", "v1")
    world.receiver.answer = lambda _: web.Response(text="thank you", headers={"X-Server": "receiver"})
    await world.deliver()
    (delivery, _) = await world.deliveries(hook)
    full = await world.call("GET", f"/orgs/acme/hooks/{hook}/deliveries/{delivery['id']}")
    assert full["request"]["payload"]["action"] == "published"
    assert full["request"]["headers"]["X-GitHub-Event"] == "package"
    assert full["response"]["payload"] == "thank you"
    assert full["response"]["headers"]["X-Server"] == "receiver"
    assert full["status"] == "OK"
    await world.call("POST", f"/orgs/acme/hooks/{hook}/deliveries/{delivery['id']}/attempts", status=202)
    await world.deliver()
    first, again = world.receiver.got[-2:]
    assert first.body == again.body
    assert first.headers["X-GitHub-Delivery"] == again.headers["X-GitHub-Delivery"]
    newest = (await world.deliveries(hook))[0]
    assert (newest["redelivery"], newest["guid"]) == (True, delivery["guid"])
    assert newest["id"] != delivery["id"]


async def test_nothing_waits_for_a_hook_that_is_deleted(world: World) -> None:
    """It would count among what waits, which wakes somebody, and nobody could see of which hook it is."""
    hook = await world.hook()
    world.receiver.status = 500
    await world.push("app", "v1")
    await world.deliver()
    await _untagged(world, "app")
    await world.deliver()
    db = world.registry.services.db
    assert (await administration.counts(db)).hook_deliveries == 1
    await world.call("DELETE", f"/orgs/acme/hooks/{hook}", status=204)
    await world.due()
    await world.deliver()
    assert (await administration.counts(db)).hook_deliveries == 0
    assert [row["event"] for row in await db.fetch("SELECT event FROM hook_deliveries")] == ["ping"]
    assert len(world.receiver.told) == 1


async def test_the_deliveries_have_pages(world: World) -> None:
    hook = await world.hook()
    for _ in range(4):
        await world.call("POST", f"/orgs/acme/hooks/{hook}/pings", status=204)
        await world.deliver()
    seen, path = [], f"/orgs/acme/hooks/{hook}/deliveries?per_page=2"
    while path:
        answer = await world.registry.call("GET", f"/api/v3{path}", world.alice)
        seen += [one["id"] for one in orjson.loads(answer.body)]
        link = answer.headers.get("Link", "")
        path = link.partition("/api/v3")[2].partition(">")[0]
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


async def test_nothing_in_the_database_tells_url_or_secret(world: World) -> None:
    hook = await world.hook("/services/T00/a-secret-path")
    await world.deliver()
    row = await world.registry.services.db.fetchrow("SELECT sealed, hooks::text AS text FROM hooks")
    assert row is not None
    log = await world.registry.services.db.fetch("SELECT events::text AS text FROM events")
    for secret in (SECRET.encode(), b"a-secret-path"):
        assert secret not in row["sealed"]
        assert secret.decode() not in row["text"] + "".join(one["text"] for one in log)
    shown = await world.call("GET", f"/orgs/acme/hooks/{hook}/config")
    assert shown["secret"] == "********"
    assert shown["url"].endswith("/a-secret-path")


async def test_a_hook_is_changed(world: World) -> None:
    hook = await world.hook()
    path = f"/orgs/acme/hooks/{hook}"
    await world.call("PATCH", path, {"add_events": ["registry_package"], "remove_events": ["package"]})
    assert (await world.call("GET", path))["events"] == ["moorage.package", "registry_package"]
    url = world.receiver.url + "/other"
    await world.call("PATCH", f"{path}/config", {"url": url})
    await world.push("app", "v1")
    await world.deliver()
    assert [one.is_signed() for one in world.receiver.of("/other")] == [True]
    config = {"url": url, "content_type": "form"}
    await world.call("PATCH", path, {"config": {**config, "secret": "********"}})
    await world.push("app", "v2")
    await world.deliver()
    last = world.receiver.got[-1]
    assert (last.is_signed(), last.json["registry_package"]["name"]) == (True, "app")
    await world.call("PATCH", path, {"config": config})
    await world.push("app", "v3")
    await world.deliver()
    assert "X-Hub-Signature-256" not in world.receiver.got[-1].headers
    await world.call("DELETE", path, status=204)
    await world.push("app", "v4")
    await world.deliver()
    assert world.receiver.got[-1].what[2] == "v3"


async def test_what_no_hook_may_be(world: World) -> None:
    wrong: list[dict[str, object]] = [
        {"config": {"url": url}}
        for url in (
            "https://10.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/", "http://8.8.8.8/", "ftp://a.example/",
            "https://user:password@a.example/", "https://a.example/#part", "https:///path", "/path", "https://a b/",
            "https://a.example:99999/", "https://ä.example/", "https://a.example/" + "x" * 1999,
        )
    ]  # fmt: skip
    good = {"url": "https://a.example/"}
    wrong += [{"config": good, "events": ["push"]}, {"config": good, "events": []}]
    wrong += [{"config": {**good, "insecure_ssl": "1"}}, {"config": {**good, "secret": "x" * 256}}]
    wrong += [{"config": {**good, "secret": "*" * 8}}]  # as it is told: everybody would know it
    for body in wrong:
        await world.call("POST", "/orgs/acme/hooks", body, status=422)
    await world.call("POST", "/orgs/acme/repos", {"name": "code"}, status=201)
    for whose in ("orgs/acme", "repos/acme/code"):
        crowd = [
            world.registry.call("POST", f"/api/v3/{whose}/hooks", world.alice, json={"config": good})
            for _ in range(HOOKS_MAX + 5)
        ]
        statuses = sorted(answer.status for answer in await asyncio.gather(*crowd))
        assert statuses == [201] * HOOKS_MAX + [422] * 5


async def test_other_formats(world: World) -> None:
    await world.hook("/distribution", format="distribution")
    await world.hook("/cloudevents", format="cloudevents")
    digest = await world.push("app", "v1")
    await world.call("PATCH", "/orgs/acme/packages/container/app", {"visibility": "public"})
    await world.call("DELETE", "/orgs/acme/packages/container/app", status=204)
    await world.deliver()
    pushed, deleted = (one.json["events"][0] for one in world.receiver.of("/distribution")[1:])
    assert (pushed["action"], deleted["action"]) == ("push", "delete")
    target = pushed["target"]
    assert (target["repository"], target["tag"], target["digest"]) == ("acme/app", "v1", digest)
    assert target["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert world.receiver.of("/distribution")[0].json == {"events": []}
    assert world.receiver.of("/cloudevents")[0].json["type"] == "moorage.ping"
    event = world.receiver.of("/cloudevents")[1]
    assert event.headers["Content-Type"] == "application/cloudevents+json"
    assert (event.json["specversion"], event.json["type"]) == ("1.0", "moorage.package.published")
    assert event.json["data"]["package"]["name"] == "app"
    assert event.is_signed()


async def test_another_key_of_the_settings(world: World) -> None:
    """What cannot be opened any more is told, and set anew."""
    hook = await world.hook()
    await world.registry.services.db.execute("UPDATE hooks SET sealed = $1", hashlib.sha256(b"x").digest() * 3)
    await world.push("app", "v1")
    await world.deliver()
    (delivery, _) = await world.deliveries(hook)
    assert delivery["status"] == "its secret cannot be opened: MOORAGE_SECRET_KEY has changed"
    assert (await world.call("GET", f"/orgs/acme/hooks/{hook}"))["config"]["url"] == ""
    await world.call("PATCH", f"/orgs/acme/hooks/{hook}", {"active": True}, status=422)
    await world.call("PATCH", f"/orgs/acme/hooks/{hook}", {"config": {"url": world.receiver.url + "/new"}})
    await world.push("app", "v2")
    await world.deliver()
    assert [what[2] for what in world.receiver.told] == ["v2"]


async def test_without_a_hook_nothing_is_committed(world: World) -> None:
    await world.push("app", "v1")
    before = await world.registry.services.db.fetchrow("SELECT pg_current_snapshot()::text")
    await world.deliver()
    assert await world.registry.services.db.fetchrow("SELECT pg_current_snapshot()::text") == before


async def test_a_new_key_takes_over_from_the_old_one(env: dict[str, str], receiver: Receiver) -> None:
    """As docs/operate/key-rotation.md says: both for a while, and then the new one alone."""
    old, new = "former-secret-" * 4, "another-secret-" * 4
    async with running({**env, **ALLOWED, "MOORAGE_SECRET_KEY": old}) as registry:
        world = await made(registry, receiver)
        hook = await world.hook()
    async with running({**env, **ALLOWED, "MOORAGE_SECRET_KEY": f"{new},{old}"}) as registry:
        assert await run_once(registry.services, ["reseal_hooks"]) == {"reseal_hooks": 1}
    async with running({**env, **ALLOWED, "MOORAGE_SECRET_KEY": new}) as registry:
        world = World(registry, receiver, world.alice)
        await world.push("app", "v1")
        await world.deliver()
        assert (await world.call("GET", f"/orgs/acme/hooks/{hook}"))["config"]["url"] == receiver.url + "/in"
    assert receiver.got[-1].what[2] == "v1"
    assert receiver.got[-1].is_signed()


async def test_a_package_that_has_moved_on_is_not_told_to_its_former_owner(world: World) -> None:
    await world.hook(events=["*"])
    await world.push("app", "v1")
    await tell_hooks(world.registry.services)
    path = "/api/v3/orgs/acme/packages/container/app/transfer"
    assert (await world.registry.call("POST", path, world.admin, json={"new_owner": "alice"})).status == 202
    await world.deliver()
    assert [what[1] for what in world.receiver.told] == ["transferred"]
    assert world.receiver.got[-1].json["changes"] == {"before": "acme/app", "after": "alice/app"}


async def test_a_delivery_that_is_our_fault_is_given_up(world: World) -> None:
    hook = await world.hook()
    await world.push("app", "v1")
    await tell_hooks(world.registry.services)
    await world.registry.services.db.execute("UPDATE manifests SET body = '[]'")  # as no push leaves it
    await world.push("app", "v2")
    await world.deliver()
    given_up = next(one for one in await world.deliveries(hook) if one["state"] == "failed")
    assert given_up["status"] == "this is our fault, and it is in our log"
    assert [what[2] for what in world.receiver.told] == ["v2"]


async def test_deliveries_are_forgotten_after_thirty_days(world: World) -> None:
    hook = await world.hook()
    await world.push("app", "v1")
    await world.deliver()
    old = "UPDATE hook_deliveries SET created_at = now() - interval '31 days' WHERE event = 'ping'"
    await world.registry.services.db.execute(old)
    assert await run_once(world.registry.services, ["forget_deliveries"]) == {"forget_deliveries": 1}
    assert [one["event"] for one in await world.deliveries(hook)] == ["package"]


async def test_s51_a_name_that_leads_inside_is_refused(env: dict[str, str], receiver: Receiver) -> None:
    """Nothing is sent; and no answer tells what is there."""
    async with running(env) as registry:
        world = await made(registry, receiver)
        port = receiver.url.rpartition(":")[2]
        config = {"url": f"https://localhost:{port}/", "content_type": "json"}
        await world.call("POST", "/orgs/acme/hooks", {"config": config}, status=201)
        await world.deliver()
        (delivery,) = await world.deliveries(1)
        assert delivery["status"] == "refused address: the host has none that a webhook may reach"
        assert (delivery["state"], delivery["status_code"]) == ("failed", 0)
    assert not receiver.got

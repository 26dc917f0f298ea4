"""The settings of mirrors by API: who sets them, what is refused, what the upstream is asked, and how soon all know."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from auth.sealing import Sealing
from registry.mirror.mirrors import Mirrors
from storage.metadata.database import Database
from tests.support.api import Acme, acme
from tests.support.server import Registry, running
from tests.support.upstream import Upstream

MIRROR = "/orgs/acme/mirror"
_LOOK_SECONDS = 6


@dataclass
class Setting:
    people: Acme
    origin: Registry
    upstream: Upstream

    @property
    def db(self) -> Database:
        return self.people.registry.services.db

    async def put(self, token: str, status: int, **more: Any) -> Any:
        return await self.people.ok("PUT", MIRROR, token, {"url": self.upstream.url, **more}, status)

    async def actions(self) -> list[str]:
        log = await self.people.ok("GET", "/orgs/acme/audit-log", self.people.owner)
        return [one["action"] for one in log if one["action"].startswith("mirror.")]


@pytest.fixture
async def setting(env: dict[str, str], origin: Registry, upstream: Upstream) -> AsyncIterator[Setting]:
    async with running({**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8"}, 2) as registry:
        yield Setting(await acme(registry), origin, upstream)


async def test_owners_set_members_see_and_nobody_else(setting: Setting) -> None:
    people = setting.people
    await people.ok("GET", MIRROR, people.member, status=404)
    for token, status in ((people.member, 403), (people.stranger, 404)):
        await setting.put(token, status)
    made = await setting.put(people.owner, 201, allow=["library/*"], idle_days=7)
    assert made == {
        "url": setting.upstream.url, "aliases": [], "hosts": [], "username": None, "realm_hosts": [],
        "allow": ["library/*"], "deny": [], "tag_seconds": 300, "stale_seconds": None, "missing_seconds": 60,
        "fetch_by": "read", "idle_days": 7, "max_bytes": None, "paused": False,
    }  # fmt: skip
    assert await people.ok("GET", MIRROR, people.member) == made
    assert await people.status("GET", MIRROR, people.stranger) == 404
    assert (await setting.put(people.owner, 200))["allow"] == []
    await setting.put(people.owner, 200)  # nothing is different: no event
    status = await people.ok("GET", f"{MIRROR}/status", people.member)
    assert (status["failing"], status["fetching"]) == (0, 0)
    for token, refused in ((people.member, 403), (people.stranger, 404)):
        await people.ok("DELETE", MIRROR, token, status=refused)
    await people.ok("DELETE", MIRROR, people.owner, status=204)
    await people.ok("DELETE", MIRROR, people.owner, status=404)
    assert await setting.actions() == ["mirror.destroy", "mirror.update", "mirror.create"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "http://192.0.2.1"}, "not of the internet"),
        ({"url": "https://127.0.0.2/?a=b"}, "without a query"),
        ({"url": "https://u:p@registry.example"}, "without a user"),
        ({"url": "ftp://registry.example"}, "https://host/path"),
        ({"allow": ["li(brary"]}, "For 'allow'"),
        ({"deny": ["[z-a]"]}, "For 'deny'"),
        ({"allow": ["["]}, "For 'allow'"),
        ({"allow": ["******a*b*c*d*e*f"]}, "stars"),
        ({"deny": ["x" * 129]}, "1 to 128"),
        ({"fetch_by": "all"}, "fetch_by"),
        ({"tag_seconds": -1}, "tag_seconds"),
        ({"stale_seconds": -1}, "stale_seconds"),
        ({"idle_days": 10**6}, "idle_days"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"password": "p"}, "username"),
        ({"username": "a:b", "password": "p"}, "colon"),
        ({"username": "a\nb", "password": "p"}, "printable"),
    ],
)
async def test_what_no_mirror_can_have_is_refused(setting: Setting, wrong: dict[str, Any], said: str) -> None:
    refused = await setting.put(setting.people.owner, 422, **wrong)
    assert said in refused["message"], refused
    await setting.people.ok("GET", MIRROR, setting.people.owner, status=404)


async def test_an_upstream_that_is_none_is_refused(setting: Setting) -> None:
    owner = setting.people.owner
    setting.upstream.status = 500
    assert "with 500" in (await setting.put(owner, 422))["message"]
    setting.upstream.status = 0
    gone = await setting.people.ok("PUT", MIRROR, owner, {"url": "http://127.0.0.1:1"}, 422)
    assert "cannot reach" in gone["message"]
    wrong = await setting.put(owner, 422, username="library", password="mgp_wrong")
    assert "refuses the user name and password" in wrong["message"]


async def test_the_password_is_kept_for_the_same_upstream_and_told_to_nobody(setting: Setting) -> None:
    people, owner = setting.people, setting.people.owner
    pusher = await setting.origin.user("library")
    made = await setting.put(owner, 201, username="library", password=pusher)
    assert pusher not in str(made)
    assert made["username"] == "library"
    sealed = await setting.db.fetchrow("SELECT secret FROM mirrors")
    assert sealed is not None
    assert pusher.encode() not in sealed["secret"]
    setting.upstream.seen.clear()
    await setting.put(owner, 200, username="library", tag_seconds=1)
    assert not setting.upstream.seen  # it is known already, and may be away
    (known,) = people.registry.services.mirroring.known.values()
    assert (known.password, known.tag_seconds) == (pusher, 1)
    # Another upstream is not told what was meant for this one.
    other = setting.upstream.url.replace("127.0.0.1", "localhost")
    refused = await people.ok("PUT", MIRROR, owner, {"url": other, "username": "library"}, 422)
    assert "refuses the user name" in refused["message"]
    assert (await setting.put(owner, 200))["username"] is None  # without a name it is asked as nobody
    assert await setting.actions() == ["mirror.update", "mirror.update", "mirror.create"]
    log = await people.ok("GET", "/orgs/acme/audit-log", owner)
    assert pusher not in str(log)


async def test_a_password_is_sealed_anew_when_the_key_changes(setting: Setting) -> None:
    pusher = await setting.origin.user("library")
    await setting.put(setting.people.owner, 201, username="library", password=pusher)
    old, new = setting.people.registry.services.settings.secrets[0], b"another key of the settings"
    assert await Mirrors(setting.db, Sealing([old])).reseal() == 0
    both = Mirrors(setting.db, Sealing([new, old]))
    assert [await both.reseal() for _ in range(2)] == [1, 0]
    (found,) = await Mirrors(setting.db, Sealing([new])).every()
    assert (found.password, found.is_locked) == (pusher, False)


async def test_names_are_of_the_whole_registry(setting: Setting) -> None:
    people = setting.people
    denied = await setting.put(people.owner, 403, aliases=["docker.io"])
    assert "whole installation" in denied["message"]
    await people.ok("PUT", "/orgs/acme/memberships/admin", people.owner, {"role": "admin"})
    names = {"aliases": ["docker.io", "registry-1.docker.io"], "hosts": ["hub.example:5000"]}
    made = await setting.put(people.admin, 201, **names)
    assert (made["aliases"], made["hosts"]) == (names["aliases"], names["hosts"])
    # An owner leaves them as they are, or puts them away; where they lead is not up to an owner either.
    elsewhere = {"url": setting.upstream.url.replace("127.0.0.1", "localhost"), "aliases": ["docker.io"]}
    await people.ok("PUT", MIRROR, people.owner, elsewhere, 403)
    assert (await setting.put(people.owner, 200, aliases=["registry-1.docker.io", "docker.io"]))["hosts"] == []
    await people.ok("POST", "/admin/organizations", people.admin, {"login": "other", "admin": "admin"}, 201)
    for taken in ({"aliases": ["DOCKER.io"]}, {"aliases": ["quay.io", "docker.io"]}):
        body = {"url": setting.upstream.url, **taken}
        refused = await people.ok("PUT", "/orgs/other/mirror", people.admin, body, 409)
        assert "docker.io" in refused["message"]
        await people.ok("GET", "/orgs/other/mirror", people.admin, status=404)
    for wrong in ({"aliases": ["a b"]}, {"hosts": ["https://a"]}, {"aliases": [f"a{n}" for n in range(11)]}):
        await people.ok("PUT", "/orgs/other/mirror", people.admin, {"url": setting.upstream.url, **wrong}, 422)
    # Whoever is gone has no names.
    await people.ok("DELETE", "/orgs/acme", people.owner, status=202)
    body = {"url": setting.upstream.url, "aliases": ["docker.io"]}
    assert (await people.ok("PUT", "/orgs/other/mirror", people.admin, body, 201))["aliases"] == ["docker.io"]


async def test_two_at_once_do_not_have_one_name(setting: Setting) -> None:
    people = setting.people
    for login in ("one", "two", "three"):
        await people.ok("POST", "/admin/organizations", people.admin, {"login": login, "admin": "admin"}, 201)
    body = {"url": setting.upstream.url, "aliases": ["docker.io", "quay.io"]}
    done = await asyncio.gather(
        *(people.status("PUT", f"/orgs/{login}/mirror", people.admin, body) for login in ("one", "two", "three"))
    )
    assert sorted(done) == [201, 409, 409]


async def test_an_organization_with_packages_is_no_mirror(setting: Setting) -> None:
    people = setting.people
    await people.registry.push_image("acme/own", "1", people.owner)
    assert "packages of its own" in (await setting.put(people.owner, 422))["message"]


async def test_all_processes_know_within_seconds(setting: Setting) -> None:
    await setting.put(setting.people.owner, 201)
    first, second = setting.people.registry.replicas
    assert len(first.mirroring.known) == 1
    await asyncio.sleep(_LOOK_SECONDS)
    assert len(second.mirroring.known) == 1
    await setting.people.ok("DELETE", MIRROR, setting.people.owner, status=204)
    assert not first.mirroring.known
    await asyncio.sleep(_LOOK_SECONDS)
    assert not second.mirroring.known

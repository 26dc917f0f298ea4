"""People sign in to the pages by a provider, a real process: who is taken, and what of a provider's word is believed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from registry.accounts.accounts import create_user, find, suspend
from registry.accounts.organizations import create as create_organization
from registry.accounts.organizations import create_team, set_role
from tests.support.pages import Html, Pages
from tests.support.people import browser, person, send, sign_in_with
from tests.support.provider import Running
from tests.support.provider import provider as another_provider
from tests.support.server import Answer, Registry, running

ALICE = {
    "sub": "1001", "preferred_username": "alice", "email": "alice@corp.example", "email_verified": True, "groups": ["staff"],
}  # fmt: skip
Next = Callable[..., Awaitable[None]]


def config(*providers: dict[str, object]) -> str:
    return orjson.dumps(list(providers)).decode()


@pytest.fixture
async def registry(env: dict[str, str], provider: Running) -> AsyncIterator[Registry]:
    env["MOORAGE_OIDC_SIGN_IN"] = config(provider.sign_in_config())
    async with running(env, replicas=2) as served:
        yield served


@pytest.fixture
def following(registry: Registry, provider: Running) -> Next:
    """Says who signs in next."""

    async def say(person: dict[str, object] | None = None, **how: object) -> None:
        await provider.say_next(registry.http, {**ALICE, **(person or {})}, **how)

    return say


async def go(pages: Pages, path: str = "/login/oidc/corp?next=/alice", replica: int = 0) -> Answer:
    """Follows a browser to the provider and back; the answer to what it brings."""
    return await back(pages, await there(pages, path), replica)


async def there(pages: Pages, path: str = "/login/oidc/corp?next=/alice") -> str:
    """Goes to the provider; the address that it sends the browser back to."""
    started = await pages.get_raw(path)
    assert started.status == 303, started.body
    async with pages.registry.http.get(started.headers["Location"], allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        return answer.headers["Location"]


async def back(pages: Pages, url: str, replica: int = 0) -> Answer:
    parts = urlsplit(url)
    assert parts.path.startswith("/login/oidc/"), url
    return await pages.get_raw(f"{parts.path}?{parts.query}", replica=replica)


async def who(pages: Pages) -> str | None:
    """The account that is signed in."""
    shown = await pages.get_raw("/settings/profile")
    return None if shown.status == 303 else pages.read(shown).text.split("Explore ")[1].split()[0]


async def test_a_person_of_an_allowed_domain_gets_an_account(registry: Registry, following: Next) -> None:
    pages = Pages(registry)
    login = await pages.get("/login?next=/alice")
    assert "/login/oidc/corp?next=/alice" in login.links
    await following()
    done = await go(pages)
    assert (done.status, done.headers["Location"]) == (303, "/alice")
    assert await who(pages) == "alice"
    assert set(pages.cookies) == {"moorage"}, "the cookie of the way is gone"
    account = await find(registry.services.db, "alice")
    assert account.email == "alice@corp.example"
    assert not account.site_admin
    again = Pages(registry)
    await following({"preferred_username": "other", "email": "new@elsewhere.example", "email_verified": False})
    assert (await go(again)).status == 303
    assert await who(again) == "alice", "whoever is the same subject is the same person"


async def test_a_flow_may_end_on_another_replica(env: dict[str, str], provider: Running) -> None:
    env["MOORAGE_OIDC_SIGN_IN"] = config(provider.sign_in_config())
    env["MOORAGE_PUBLIC_URL"] = "http://registry.example"
    async with running(env, replicas=2) as registry:
        await provider.say_next(registry.http, ALICE)
        pages = Pages(registry)
        url = await there(pages)
        assert url.startswith("http://registry.example/login/oidc/corp/callback?")
        assert (await back(pages, url, replica=1)).status == 303


async def test_what_is_asked_of_the_provider(registry: Registry, provider: Running, following: Next) -> None:
    await following()
    pages = Pages(registry)
    started = await pages.get_raw("/login/oidc/corp?next=/alice")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(started.headers["Location"]).query).items()}
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{registry.url}/login/oidc/corp/callback"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile email"
    assert "prompt" not in asked
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    line = started.headers["Set-Cookie"]
    assert "HttpOnly" in line
    assert "SameSite=Lax" in line
    assert "Max-Age=600" in line
    assert "secret" not in started.headers["Location"]
    other = await Pages(registry).get_raw("/login/oidc/corp")
    assert parse_qs(urlsplit(other.headers["Location"]).query)["state"] != [asked["state"]]
    signed_in = await browser(registry, "bob")
    again = await signed_in.get_raw("/login/oidc/corp?next=/settings/security")
    assert parse_qs(urlsplit(again.headers["Location"]).query)["prompt"] == ["login"]


_TIMES = {"exp", "iat", "nbf"}  # in seconds from now


def _now(seconds: int) -> int:
    return int(time.time()) + seconds


@pytest.mark.parametrize(
    "lie",
    [
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"iss": None}},
        {"claims": {"aud": "other"}},
        {"claims": {"aud": ["moorage", "other"]}},
        {"claims": {"aud": ["moorage", "other"], "azp": "other"}},
        {"claims": {"aud": "other", "azp": "moorage"}},
        {"claims": {"azp": "other"}},
        {"claims": {"aud": None}},
        {"claims": {"nonce": "x" * 43}},
        {"claims": {"nonce": None}},
        {"claims": {"nonce": 7}},
        {"claims": {"exp": -60}},
        {"claims": {"exp": None}},
        {"claims": {"iat": 600}},
        {"claims": {"nbf": 600}},
        {"claims": {"sub": None}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": "s" * 256}},
        {"alg": "none"},
        {"kid": "hidden"},
        {"kid": "weak"},
        {"header": {"jwk": {"kty": "oct", "k": "AA"}}},
        {"header": {"jku": "http://127.0.0.1:1/"}},
        {"redirect_iss": "https://evil.example"},
        {"claims": {"sub": "\ud800"}},
        {"claims": {"sub": "a\0b"}},
    ],
    ids=str,
)
async def test_a_token_that_does_not_hold_signs_nobody_in(
    registry: Registry, following: Next, lie: dict[str, Any]
) -> None:
    claims = {n: _now(v) if n in _TIMES and v is not None else v for n, v in lie.get("claims", {}).items()}
    await following(claims, **{name: how for name, how in lie.items() if name != "claims"})
    pages = Pages(registry)
    refused = await go(pages)
    assert refused.status == 422, refused.headers
    assert "cannot be verified" in pages.read(refused).text
    assert await who(pages) is None
    row = await registry.services.db.fetchrow("SELECT count(*) FROM identities")
    assert row is not None
    assert row[0] == 0


async def test_several_audiences_need_us_as_the_party(registry: Registry, following: Next) -> None:
    await following({"aud": ["other", "moorage"], "azp": "moorage"})
    assert (await go(Pages(registry))).status == 303


@pytest.mark.parametrize("kid", ["ec", "ed"])
async def test_other_algorithms_of_the_settings(registry: Registry, following: Next, kid: str) -> None:
    await following(kid=kid)
    assert (await go(Pages(registry))).status == 303


async def test_a_state_is_of_this_browser_and_good_once(registry: Registry, following: Next) -> None:
    await following()
    victim, mallory = Pages(registry), Pages(registry)
    url = await there(mallory)
    for wrong in (url, url.replace("state=", "state=x"), url.split("&state=")[0]):
        refused = await back(victim, wrong)
        assert refused.status == 422, "login CSRF: the victim's browser has begun nothing"
        assert "in another browser" in victim.read(refused).text
    await there(victim)
    assert (await back(victim, url)).status == 422, "nor does its own flow help"
    replay = dict(mallory.cookies)
    assert (await back(mallory, url)).status == 303
    thief = Pages(registry, replay)
    refused = await back(thief, url)
    assert refused.status == 422, "the code was used"
    assert "did not sign you in" in thief.read(refused).text


async def test_a_flow_ends_after_ten_minutes(env: dict[str, str], registry: Registry, following: Next) -> None:
    await following()
    async with running(env, replicas=2, ahead_seconds=(0, 601)) as late:
        pages = Pages(late)
        url = await there(pages)
        assert (await back(pages, url, replica=1)).status == 422
        assert (await back(pages, url)).status == 422, "its cookie is gone"


async def test_a_cookie_that_was_changed_is_none(registry: Registry, following: Next) -> None:
    await following()
    for change in (
        lambda text: text[:-1] + ("1" if text[-1] == "0" else "0"),
        lambda text: "x" + text,
        lambda text: text.partition(".")[0],
        lambda _: "é.",
    ):
        pages = Pages(registry)
        url = await there(pages)
        pages.cookies["moorage_flow"] = change(pages.cookies["moorage_flow"])
        if pages.cookies["moorage_flow"].isascii():
            assert (await back(pages, url)).status == 422


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "alice@evil.example"}, {"email": "alice@corp.example.evil.example"}, {"email": None},
        {"email_verified": False}, {"email_verified": None}, {"email_verified": "true"}, {"email_verified": 1},
        {"email": ["alice@corp.example"]}, {"email": "a@b@corp.example"}, {"email": "@corp.example"},
        {"email": "\ud800@corp.example"},
    ],
    ids=str,
)  # fmt: skip
async def test_only_a_verified_address_of_the_domain_makes_an_account(
    registry: Registry, following: Next, claims: dict[str, object]
) -> None:
    await following(claims)
    pages = Pages(registry)
    refused = await go(pages)
    assert refused.status == 422
    assert "You have no account here" in pages.read(refused).text
    assert await who(pages) is None


async def test_a_group_makes_an_account_too(env: dict[str, str], provider: Running) -> None:
    env["MOORAGE_OIDC_SIGN_IN"] = config(provider.sign_in_config(domains=[], groups=["staff"]))
    async with running(env) as registry:
        for groups, status in ((["guests"], 422), ("staff", 422), (None, 422), (["x", "staff"], 303)):
            claims = {**ALICE, "email": None, "groups": groups}
            await provider.say_next(registry.http, claims)
            assert (await go(Pages(registry))).status == status, groups


async def test_an_existing_account_is_nobodys_for_its_name_or_its_address(registry: Registry, following: Next) -> None:
    """The provider says that somebody has the login, and the e-mail, of an account: that alone signs nobody in."""
    await person(registry, "alice")
    await registry.services.db.execute("UPDATE accounts SET email = 'alice@corp.example'")
    await following()
    pages = Pages(registry)
    refused = await go(pages)
    assert refused.status == 422
    assert "the login is taken" in pages.read(refused).text
    assert await who(pages) is None


async def test_a_second_issuer_with_the_same_subject_is_somebody_else(env: dict[str, str], provider: Running) -> None:
    with another_provider() as second:
        env["MOORAGE_OIDC_SIGN_IN"] = config(
            provider.sign_in_config(), second.sign_in_config(name="partner", domains=["corp.example"])
        )
        async with running(env) as registry:
            for one, login in ((provider, "alice"), (second, "eve")):
                await one.say_next(registry.http, {**ALICE, "preferred_username": login})
            alice, eve = Pages(registry), Pages(registry)
            assert (await go(alice)).status == 303
            assert (await go(eve, "/login/oidc/partner")).status == 303
            assert (await who(alice), await who(eve)) == ("alice", "eve")
            mixed = Pages(registry)
            url = await there(mixed, "/login/oidc/partner")
            assert (await back(mixed, url.replace("/partner/", "/corp/"))).status == 422


async def test_logins_of_providers_are_made_ours(registry: Registry, following: Next) -> None:
    for number, (name, login) in enumerate(
        [("Bob.Smith@corp.example", "Bob-Smith"), ("carol", "carol"), ("settings", None), ("é", None), ("", None)]
    ):
        await following({"sub": str(number), "preferred_username": name})
        pages = Pages(registry)
        answer = await go(pages)
        assert answer.status == (422 if login is None else 303), name
        assert await who(pages) == login


async def test_a_suspended_person_stays_out(registry: Registry, following: Next) -> None:
    await following()
    assert (await go(Pages(registry))).status == 303
    await suspend(registry.services.db, "alice", suspended=True)
    pages = Pages(registry)
    assert (await go(pages)).status == 422
    assert await who(pages) is None


async def test_who_refuses_at_the_provider_is_told(registry: Registry, following: Next) -> None:
    await following(error="access_denied")
    pages = Pages(registry)
    refused = await go(pages)
    assert refused.status == 422
    assert "The provider did not sign you in." in pages.read(refused).text


async def test_two_first_sign_ins_at_once_make_one_account(registry: Registry, following: Next) -> None:
    await following()
    several = [Pages(registry) for _ in range(4)]
    urls = [await there(pages) for pages in several]
    answers = await asyncio.gather(*(back(p, url) for p, url in zip(several, urls, strict=True)))
    assert [answer.status for answer in answers] == [303] * 4
    row = await registry.services.db.fetchrow("SELECT count(*) FROM accounts")
    assert row is not None
    assert row[0] == 1


async def test_an_account_is_connected_by_its_person_only(registry: Registry, following: Next) -> None:
    await person(registry, "bob")
    bob = await browser(registry, "bob")
    await following()
    asked = await go(bob, "/login/oidc/corp?connect=1&next=/settings/security")
    shown = bob.read(asked)
    assert shown.heading == "Connect an identity"
    for text in ("Corp", "alice@corp.example", "bob"):
        assert text in shown.text
    row = await registry.services.db.fetchrow("SELECT count(*) FROM identities")
    assert row is not None
    assert row[0] == 0, "whoever made the browser come here has connected nothing"
    mallory = await browser(registry, "mallory")
    mallory.cookies["moorage_identity"] = bob.cookies["moorage_identity"]
    await send(mallory, "/settings/security", "/settings/security/connect", index=1)
    assert "alice@corp.example" not in (await mallory.get("/settings/security")).text
    token = shown.all("input", name="csrf")[1]["value"]
    assert (await bob.post("/settings/security/connect", {"csrf": token})).headers["Location"] == "/settings/security"
    assert "alice@corp.example" in (await bob.get("/settings/security")).text
    fresh = Pages(registry)
    assert (await go(fresh)).status == 303
    assert await who(fresh) == "bob"
    other = await browser(registry, "carol")
    taken = other.read(await go(other, "/login/oidc/corp?connect=1"))
    token = taken.all("input", name="csrf")[1]["value"]
    await other.post("/settings/security/connect", {"csrf": token})
    assert "belongs to another account" in (await other.get("/settings/security")).text


async def test_connecting_wants_a_recent_sign_in(registry: Registry, following: Next) -> None:
    await following()
    bob = await browser(registry, "bob", minutes_ago=16)
    shown = bob.read(await go(bob, "/login/oidc/corp?connect=1"))
    token = shown.all("input", name="csrf")[1]["value"]
    page = bob.read(await bob.post("/settings/security/connect", {"csrf": token}))
    assert (page.status, page.heading) == (403, "Sign in again, and send the form once more")


async def test_the_last_way_in_is_not_taken_away(registry: Registry, following: Next, provider: Running) -> None:
    await following()
    pages = Pages(registry)
    await go(pages)
    fields = {"issuer": provider.url, "subject": "1001"}
    await send(pages, "/settings/security", "/settings/security/disconnect", fields, index=1)
    assert "last way to sign in" in (await pages.get("/settings/security")).text
    await send(
        pages, "/settings/security", "/settings/security/password", {"password": "violet kettle gravel moon"}, index=1
    )
    await send(pages, "/settings/security", "/settings/security/disconnect", fields, index=1)
    assert "alice@corp.example" not in (await pages.get("/settings/security")).text
    assert await sign_in_with(Pages(registry), "alice") == "/"
    refused = await go(Pages(registry))
    assert refused.status == 422, "the login is taken: by who had it before"


async def test_how_long_ago_the_provider_saw_the_person(registry: Registry, following: Next) -> None:
    for ago, status in ((60, 200), (3600, 303)):
        await following({"auth_time": _now(-ago)})
        pages = Pages(registry)
        assert (await go(pages)).status == 303
        assert (await pages.get_raw("/settings/security")).status == status


MAPPED = {"staff": ["acme"], "dev": ["acme/builders"], "lead": ["acme:admin"], "gone": ["nowhere"]}


async def test_groups_give_and_take_seats_at_each_sign_in(env: dict[str, str], provider: Running) -> None:
    env["MOORAGE_OIDC_SIGN_IN"] = config(provider.sign_in_config(organizations=MAPPED))
    async with running(env) as registry:
        db = registry.services.db
        await create_user(db, "owner")
        await create_organization(db, "acme", "owner")
        await create_organization(db, "other", "owner")
        acme = await find(db, "acme")
        await create_team(db, acme.id, "Builders", "", [])

        async def seats(*groups: str) -> tuple[str | None, int]:
            await provider.say_next(registry.http, {**ALICE, "groups": list(groups)})
            assert (await go(Pages(registry))).status == 303
            row = await db.fetchrow(
                "SELECT (SELECT role FROM memberships WHERE org_id = $1 AND user_id = person.id),"
                " (SELECT count(*) FROM team_members WHERE user_id = person.id) FROM accounts person WHERE login = 'alice'",
                acme.id,
            )
            assert row is not None
            return row[0], row[1]

        assert await seats() == (None, 0)
        assert await seats("staff") == ("member", 0)
        assert await seats("staff", "dev", "gone") == ("member", 1)
        assert await seats("dev") == ("member", 1)
        assert await seats("lead") == ("admin", 0)
        assert await seats("staff") == ("member", 0)
        await set_role(db, "other", "alice", "member")
        assert await seats() == (None, 0)
        row = await db.fetchrow("SELECT count(*) FROM memberships WHERE user_id <> $1", acme.id)
        assert row is not None
        assert row[0] == 3, "what no group names stays: the owner's two seats, and alice's in the other organization"


async def test_the_last_owner_stays_whatever_the_groups_say(env: dict[str, str], provider: Running) -> None:
    env["MOORAGE_OIDC_SIGN_IN"] = config(provider.sign_in_config(organizations=MAPPED))
    async with running(env) as registry:
        await provider.say_next(registry.http, ALICE)
        assert (await go(Pages(registry))).status == 303
        await create_organization(registry.services.db, "acme", "alice")
        await provider.say_next(registry.http, {**ALICE, "groups": []})
        assert (await go(Pages(registry))).status == 303
        row = await registry.services.db.fetchrow("SELECT role FROM memberships")
        assert row is not None
        assert row[0] == "admin"


async def test_a_provider_that_is_down_is_no_answer(env: dict[str, str], provider: Running) -> None:
    env["MOORAGE_OIDC_SIGN_IN"] = config({**provider.sign_in_config(), "issuer": "http://127.0.0.1:9"})
    async with running(env) as registry:
        pages = Pages(registry)
        away = await pages.get("/login/oidc/corp", 503)
        assert "Retry-After" in away.answer.headers
        assert (await pages.get("/login")).status == 200


async def test_without_providers_there_is_no_such_page(env: dict[str, str]) -> None:
    async with running(env) as registry:
        pages = Pages(registry)
        assert isinstance(await pages.get("/login/oidc/corp", 404), Html)
        await pages.get("/login/oidc/corp/callback", 404)


async def test_s56_the_way_back_from_a_provider_leads_nowhere_else(registry: Registry, following: Next) -> None:
    await following()
    for trick in ("//evil.example", "/%5Cevil.example", "https:evil.example"):
        done = await go(Pages(registry), f"/login/oidc/corp?next={trick}")
        assert (done.status, done.headers["Location"]) == (303, "/")

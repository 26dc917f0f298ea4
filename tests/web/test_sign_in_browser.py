"""Sign-in and the settings of an account in Chromium: by keyboard alone, without script, and in every view."""

from pathlib import Path

import orjson
import pytest

from registry.accounts import sign_in as rules
from registry.accounts.accounts import create_user
from registry.accounts.organizations import create as create_organization
from tests.support.keyboard import Keys
from tests.support.pages import Browsed, views
from tests.support.people import PASSWORD, browser, person
from tests.support.provider import provider
from tests.support.server import Registry, running
from tests.web.conftest import Browse
from tests.web.test_devices import begin

pytestmark = pytest.mark.pages
VIEWS = views(320, 1280)
SIGNED_IN = (
    "/settings/profile", "/settings/security", "/settings/sessions", "/settings/tokens", "/settings/tokens/new?scopes=repo",
    "/settings/tokens/new?kind=fine-grained", "/settings/language", "/login/device",
)  # fmt: skip


async def signed_in(window: Browsed) -> bool:
    return bool(await window.page.locator("details.menu").count())


async def test_a_link_signs_in_and_leaves_no_trace(registry: Registry, browse: Browse) -> None:
    await create_user(registry.services.db, "alice")
    code = (await rules.issue_code(registry.services.db, "alice")).reveal()
    async with browse(registry.url) as window:
        await window.open(f"/login/code#{code}")
        assert await window.page.locator("#field-code").input_value() == code
        assert "#" not in window.page.url
        await window.page.get_by_role("button", name="Sign in", exact=True).click()
        await window.page.get_by_role("heading", name="Security").wait_for()
        await window.page.get_by_label("New password").fill(PASSWORD)
        await window.page.get_by_role("button", name="Set the password").click()
        await window.page.get_by_text("The password is set").wait_for()
        assert not [url for url in window.requests if code in url], "what is behind the # is never sent"
        names = {cookie["name"] for cookie in await window.page.context.cookies()}
        assert names == {"moorage"}


async def test_by_keyboard_alone_one_signs_in_makes_a_token_and_signs_out(registry: Registry, browse: Browse) -> None:
    await person(registry, "alice")
    async with browse(registry.url) as window:
        keys = Keys(window)
        await window.open("/settings/tokens/new?scopes=write:packages")
        await keys.write("Login", "alice")
        await keys.write("Password", PASSWORD)
        await keys.keyboard.press("Enter")
        await window.page.get_by_role("heading", name="New token").wait_for()
        await keys.write("Name", "laptop")
        await keys.keyboard.press("Enter")
        await window.page.get_by_role("heading", name="The token is made").wait_for()
        text = await window.page.get_by_role("region", name="Access token").inner_text()
        assert (await registry.call("GET", "/v2/", text.strip())).status == 200
        await window.page.evaluate("document.activeElement.blur()")
        await keys.to("alice")
        await keys.keyboard.press("Enter")
        await keys.to("Sign out")
        await keys.keyboard.press("Enter")
        await window.page.get_by_text("You are signed out.").wait_for()
        assert not await signed_in(window)


async def test_without_script_a_token_is_made_and_revoked(registry: Registry, browse: Browse) -> None:
    await person(registry, "alice")
    async with browse(registry.url, script=False) as window:
        await window.open("/login?next=/settings/tokens")
        await window.page.get_by_label("Login").fill("alice")
        await window.page.get_by_label("Password").fill(PASSWORD)
        await window.page.locator("main").get_by_role("button", name="Sign in").click()
        await window.page.get_by_role("link", name="New token").click()
        await window.page.get_by_label("Name").fill("laptop")
        await window.page.get_by_label("read:packages").check()
        await window.page.get_by_role("button", name="Make the token").click()
        await window.page.get_by_role("heading", name="The token is made").wait_for()
        await window.page.get_by_role("link", name="All tokens").click()
        await window.page.get_by_role("button", name="Revoke").click()
        await window.page.get_by_text("No tokens yet").wait_for()


async def test_a_wrong_password_is_told_where_the_focus_is(registry: Registry, browse: Browse) -> None:
    async with browse(registry.url) as window:
        await window.open("/login")
        window.expected.add("the server responded with a status of 422")
        await window.page.get_by_label("Login").fill("alice")
        await window.page.get_by_label("Password").fill("wrong wrong wrong")
        await window.page.locator("main").get_by_role("button", name="Sign in").click()
        await window.page.get_by_role("alert").wait_for()
        assert await window.page.evaluate("document.activeElement.id") == "errors"
        assert await window.page.get_by_label("Login").input_value() == "alice"
        await window.axe()


async def test_a_device_is_approved(registry: Registry, browse: Browse, pictures: Path | None) -> None:
    alice = await browser(registry, "alice")
    device = await begin(registry, host="laptop.example")
    async with browse(registry.url, cookies=alice.cookies) as window:
        await window.open(f"/login/device?user_code={device['user_code']}")
        await window.page.get_by_label("Code").fill(device["user_code"])
        await window.page.get_by_role("button", name="Continue").click()
        await window.page.get_by_text("laptop.example").wait_for()
        await window.look("device-waiting", pictures)
        await window.page.get_by_role("button", name="Sign in this device").click()
        await window.page.get_by_text("The device is signed in").wait_for()
        await window.look("device-approved", pictures)


@pytest.mark.timeout(900)
async def test_the_pages_in_every_view(registry: Registry, browse: Browse, pictures: Path | None) -> None:
    alice = await browser(registry, "alice", site_admin=True)
    db = registry.services.db
    await create_organization(db, "acme", "alice")
    await registry.token("alice", ["read:packages", "write:packages", "repo"])
    await db.execute("UPDATE accounts SET packages_sso_required = true WHERE login = 'acme'")
    await db.execute("UPDATE tokens SET note = repeat('n', 255) WHERE kind = 'classic'")
    await db.execute("UPDATE accounts SET name = '홍길동', email = 'alice@corp.example' WHERE login = 'alice'")
    row = await db.fetchrow("SELECT id FROM tokens WHERE kind = 'classic'")
    assert row is not None
    for width, theme, language in VIEWS:
        view = f"{width}-{theme}-{language}"
        async with browse(registry.url, width=width, theme=theme, language=language) as window:
            for path in ("/login", "/login/code"):
                await window.open(path)
                await window.look(f"{path[1:].replace('/', '-')}-{view}", pictures)
        async with browse(registry.url, width=width, theme=theme, language=language, cookies=alice.cookies) as window:
            for path in (*SIGNED_IN, f"/settings/tokens/{row[0]}", "/login"):
                await window.open(path)
                await window.look(f"in-{path[1:].replace('/', '-').replace('?', '-')}-{view}", pictures)


async def test_a_provider_signs_in_through_the_browser(env: dict[str, str], browse: Browse) -> None:
    """The policy of the pages lets the way there and back pass, and the cookies come along."""
    with provider() as corp:
        env["MOORAGE_OIDC_SIGN_IN"] = orjson.dumps([corp.sign_in_config()]).decode()
        claims = {"preferred_username": "alice", "email": "alice@corp.example", "email_verified": True}
        async with running(env) as registry, browse(registry.url) as window:
            await corp.say_next(registry.http, claims)
            await window.open("/login?next=/settings/profile")
            await window.page.get_by_role("link", name="Sign in with Corp").click()
            await window.page.get_by_role("heading", name="Profile").wait_for()
            assert await window.page.get_by_text("alice@corp.example").count() == 1
            await window.open("/settings/security")
            await window.page.get_by_role("link", name="Connect with Corp").click()
            await window.page.get_by_role("heading", name="Connect an identity").wait_for()
            await window.axe()
            await window.page.get_by_role("button", name="Connect", exact=True).click()
            await window.page.get_by_text("belongs to another account").wait_for()
            away = [url for url in window.requests if url.startswith(corp.url)]
            assert len(away) == 2
            window.requests = [url for url in window.requests if url not in away]

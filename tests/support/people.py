"""People with passwords, and their browsers."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from registry.accounts import sign_in, web_sessions
from registry.accounts.accounts import create_user, find
from registry.errors import AccountError
from tests.support.pages import Html, Pages
from tests.support.server import Registry

PASSWORD = "violet kettle gravel moon"


async def person(registry: Registry, login: str, *, password: str = PASSWORD, site_admin: bool = False) -> int:
    """Makes a user with a password; the id of the account."""
    await create_user(registry.services.db, login, site_admin=site_admin)
    account = await find(registry.services.db, login)
    await sign_in.set_password(registry.services.db, registry.services.hasher(), account.id, password, "localhost")
    return account.id


async def browser(registry: Registry, login: str, *, minutes_ago: float = 0, site_admin: bool = False) -> Pages:
    """A browser in which a user, made if need be, is signed in."""
    with suppress(AccountError):
        await create_user(registry.services.db, login, site_admin=site_admin)
    account = await find(registry.services.db, login)
    session = await web_sessions.begin(
        registry.services.db,
        account.id,
        "password",
        proved_at=datetime.now(UTC) - timedelta(minutes=minutes_ago),
        address="127.0.0.1",
        user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    )
    assert session is not None
    return Pages(registry, {"moorage": session.reveal()})


async def send(
    pages: Pages, page: str, path: str, fields: dict[str, str] | None = None, *, index: int = 0
) -> Html | str:
    """Opens a page, and sends a form as it stands there, with these fields; the address that follows, or a page."""
    token = (await pages.get(page)).all("input", name="csrf")[index]["value"]
    answer = await pages.post(path, {"csrf": token, **(fields or {})})
    if answer.status == 303:
        return str(answer.headers["Location"])
    return pages.read(answer)


async def sign_in_with(pages: Pages, login: str, password: str = PASSWORD, following: str = "") -> Html | str:
    """Signs in as a person does: opens the page, and sends its form."""
    return await send(pages, "/login", "/login", {"login": login, "password": password, "next": following})


async def login_of(pages: Pages, replica: int = 0) -> str | None:
    """Who the start page greets, on a replica."""
    cookie = "; ".join(f"{name}={value}" for name, value in pages.cookies.items())
    headers = {"Cookie": cookie, "Accept-Encoding": "identity"}
    found = pages.read(await pages.registry.call("GET", "/", headers=headers, replica=replica))
    menus = found.all("details", **{"class": "menu"})
    if not menus:
        assert "/login" in found.links
        return None
    return found.text.split("Explore ")[1].split()[0]

"""What docs/operate/key-rotation.md tells: secrets change one replica after the other, and nobody notices."""

import re
from pathlib import Path
from typing import Final

import pytest

from registry.devservers.postgres import EmbeddedPostgres
from tests.docs.operated import run, section
from tests.support.doctor import doctor, lines
from tests.support.pages import Pages
from tests.support.people import PASSWORD, person
from tests.support.server import Registry, running

_PAGE: Final = "operate/key-rotation.md"
_URL: Final = "http://registry.example"
_OLD, _NEW = "former-secret-" * 4, "another-secret-" * 4


def _steps() -> list[tuple[str, str]]:
    """What replicas have before and after each step of the page, beside each other for a while."""
    text = (Path(__file__).parent.parent.parent / "docs" / _PAGE).read_text()
    told = [
        value.replace("old", _OLD).replace("new", _NEW)
        for value in re.findall(r"^\d\. `([a-z,]+)`", text, re.MULTILINE)
    ]
    assert len(told) == 3
    return list(zip([_OLD, *told], told, strict=False))


async def _works_together(one: Registry, other: Registry, login: str) -> None:
    """Tokens, forms and messages of one replica are good at the other."""
    token = await one.token(login)
    asked = await one.call("GET", f"/token?service={one.url.removeprefix('http://')}", token)
    bearer = {"Authorization": f"Bearer {asked.json['token']}"}  # type: ignore[index]
    assert (await other.call("GET", "/v2/", headers=bearer)).status == 200
    pages = Pages(one)
    fields = {"csrf": (await pages.get("/login")).field("csrf"), "login": login, "password": PASSWORD}
    pages.registry = other
    assert (await pages.post("/login", fields, Origin=_URL)).status == 303
    page = await pages.get("/settings/sessions")
    pages.registry = one
    ended = await pages.post("/settings/sessions", {"csrf": page.field("csrf"), "session": "others"}, Origin=_URL)
    assert ended.status == 303
    pages.registry = other
    page = await pages.get("/settings/sessions")
    assert "All other sessions have ended." in page.text
    fields = {"csrf": page.field("csrf"), "theme": "dark", "next": "/"}
    pages.registry = one
    assert (await pages.post("/-/preferences", fields, Origin=_URL)).status == 303


@pytest.mark.parametrize("step", [0, 1, 2])
async def test_the_secret_key(env: dict[str, str], step: int) -> None:
    before, after = _steps()[step]
    env["MOORAGE_PUBLIC_URL"] = _URL
    async with (
        running(env | {"MOORAGE_SECRET_KEY": before}) as one,
        running(env | {"MOORAGE_SECRET_KEY": after}) as two,
    ):
        await person(one, "alice")
        await _works_together(one, two, "alice")
        await _works_together(two, one, "alice")


async def test_the_password_of_the_database(env: dict[str, str], postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    async with running(env) as registry:
        token = await registry.user("alice")
        url = env["MOORAGE_DATABASE_URL"]
        try:
            told = {"ADMIN_URL": postgres.dsn("postgres"), "PASSWORD": "neu"}
            await run(section(_PAGE, "The password of the database")[:2], told, tmp_path)
            second = env | {"MOORAGE_DATABASE_URL": f"postgresql://moorage_2:neu@{url.partition('@')[2]}"}
            async with running(second) as other:
                await other.push_image("alice/app", "v1", token)
                assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token)).status == 200
                status, said = await doctor(second, other.url)
                assert (status, lines(said, "!")) == (0, [])
        finally:
            await registry.services.db.execute("DROP ROLE IF EXISTS moorage_2")

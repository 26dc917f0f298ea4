"""Every page of the table of addresses, for each kind of viewer, in a registry of hostile texts; one without a line fails.

Over HTTP each page is read in both languages. In Chromium the pages that are shown are looked at in each width, theme
and language: the widths all for every page, axe at two of them, each in another theme, which the languages exchange.
"""

import re
from dataclasses import dataclass

import pytest

from registry.http.web.app import ROUTES
from tests.support.hostile import LONG_IMAGE, LONG_LOGIN, LONG_TAG, Hostile, hostile
from tests.support.pages import Browsed
from tests.support.server import Registry
from tests.support.statements import counted
from tests.web.conftest import Browse

WIDTHS = (320, 768, 1280, 1920)
VIEWERS = ("visitor", "reader", "owner", "admin")


@dataclass(frozen=True)
class Page:
    """What each viewer is answered, in the order of VIEWERS; ``path``: where it is not its address, filled in."""

    statuses: tuple[int, int, int, int]
    path: str | None = None


SAME = (200, 200, 200, 200)
READ = (404, 200, 200, 200)
MANAGE = (404, 403, 200, 200)
OWN = (303, 200, 200, 200)
OWNERS = (303, 404, 200, 404)
ADMINS = (404, 404, 404, 200)
MOVED = (308, 308, 308, 308)
NOBODY = (404, 404, 404, 404)
_P, _O, _A = "/{owner}/{image}/-", "/{owner}/-", "/-/admin"
_V = "/{owner}/{image}@{digest}"
PAGES: dict[str, Page] = {
    "/": Page(SAME),
    "/favicon.ico": Page(MOVED),
    "/login": Page(SAME),
    "/login/code": Page(SAME),
    "/login/oidc/{provider}": Page(NOBODY),
    "/login/oidc/{provider}/callback": Page(NOBODY),
    "/login/device": Page(OWN),
    "/settings/profile": Page(OWN),
    "/settings/security": Page(OWN),
    "/settings/sessions": Page(OWN),
    "/settings/audit-log": Page(OWN),
    "/settings/language": Page(OWN),
    "/settings/packages": Page(OWN),
    "/settings/tokens": Page(OWN),
    "/settings/tokens/new": Page(OWN),
    "/new/token": Page(MOVED),
    "/settings/tokens/{number}": Page(OWNERS),
    _A: Page((404, 404, 404, 308)),
    **{
        f"{_A}/{place}": Page(ADMINS)
        for place in (
            "accounts",
            "new/user",
            "organizations",
            "new/organization",
            "accounts/{owner}",
            "tokens",
            "tokens/{number}/revoke",
            "packages",
            "packages/{owner}/{image}",
            "audit-log",
            "storage",
            "usage",
            "jobs",
            "health",
            "settings",
        )
    },
    f"{_A}/accounts/{{owner}}/sign-in-link": Page(ADMINS, f"{_A}/accounts/rita/sign-in-link"),
    f"{_A}/accounts/{{owner}}/quota": Page(ADMINS),
    f"{_A}/accounts/{{owner}}/{{change}}": Page(ADMINS, f"{_A}/accounts/{LONG_LOGIN}/suspend"),
    f"{_A}/packages/{{owner}}/{{image}}/-/transfer": Page(ADMINS, f"{_A}/packages/acme/web/-/transfer?new_owner=rita"),
    "/explore": Page(SAME),
    "/search": Page(SAME, "/search?q=q"),
    **{f"/{kind}/{{owner}}": Page(MOVED) for kind in ("orgs", "users")},
    **{f"/{kind}/{{owner}}/packages": Page(MOVED) for kind in ("orgs", "users")},
    **{f"/{kind}/{{owner}}/packages/container/package/{{image}}": Page(MOVED) for kind in ("orgs", "users")},
    **{
        f"/{kind}/{{owner}}/packages/container/{{image}}/{{number}}": Page((404, 308, 308, 308))
        for kind in ("orgs", "users")
    },
    "/orgs/{owner}/teams/{team}": Page(MOVED),
    "/{owner}/{repository}/pkgs/container/{image}": Page(MOVED),
    "/{owner}/{repository}": Page((404, 404, 308, 308)),
    "/{owner}": Page(SAME),
    f"{_O}/people": Page(READ),
    f"{_O}/teams": Page(READ),
    f"{_O}/hooks": Page(MANAGE),
    f"{_O}/hooks/{{hook}}": Page(MANAGE),
    f"{_O}/hooks/{{hook}}/delete": Page(MANAGE),
    f"{_O}/hooks/{{hook}}/deliveries/{{delivery}}": Page(MANAGE),
    "/{owner}/{image}": Page(READ),
    f"{_P}/tags": Page(READ),
    f"{_P}/tags/{{tag}}": Page(READ, "/acme/web/-/tags/v1"),
    f"{_P}/versions": Page(READ),
    "/{owner}/{image}:{tag}": Page(READ),
    _V: Page(READ),
    f"{_V}/-/retention": Page((404, 404, 200, 200)),
    **{f"{_V}/-/{tab}": Page(READ) for tab in ("layers", "config", "manifest", "referrers", "parents")},
    "/new/organization": Page(OWN),
    f"{_O}/audit-log": Page(MANAGE),
    f"{_O}/usage": Page(MANAGE),
    f"{_O}/retention": Page(MANAGE),
    f"{_O}/retention/plans/{{number}}": Page((404, 403, 404, 404)),
    f"{_O}/settings": Page(MANAGE),
    f"{_O}/settings/delete": Page(MANAGE),
    f"{_O}/settings/tag-rules": Page(MANAGE),
    f"{_O}/settings/mirror": Page(MANAGE),
    f"{_O}/settings/clusters": Page(MANAGE),
    f"{_O}/settings/clusters/{{cluster}}/delete": Page(MANAGE),
    f"{_O}/people/remove": Page(READ, "/acme/-/people/remove?login=rita"),
    f"{_O}/teams/{{team}}": Page(READ),
    f"{_O}/teams/{{team}}/delete": Page(MANAGE),
    f"{_O}/repositories": Page(SAME),
    f"{_O}/repositories/{{repository}}": Page((404, 404, 200, 200)),
    f"{_O}/repositories/{{repository}}/delete": Page((404, 404, 200, 200)),
    f"{_O}/deleted": Page(READ),
    f"{_P}/restore": Page(MANAGE),
    f"{_P}/access": Page(MANAGE, "/acme/web/-/access?person=rita"),
    f"{_P}/settings": Page(MANAGE),
    f"{_P}/settings/link": Page(MANAGE, "/acme/web/-/settings/link?repository=acme/code&inherit=on"),
    f"{_P}/settings/unlink": Page(MANAGE),
    f"{_P}/settings/inheritance": Page(MANAGE),
    f"{_P}/settings/{{visibility}}": Page(MANAGE),
    f"{_P}/delete": Page(MANAGE),
    f"{_P}/versions/delete": Page(MANAGE, "/acme/web/-/versions/delete?version={version}"),
    f"{_P}/versions/delete/matching": Page(MANAGE, "/acme/web/-/versions/delete/matching?match=*"),
    f"{_P}/activity": Page(READ),
    f"{_P}/pulls": Page(MANAGE),
}
#: Pages beside those of the table: lists without an end, names without a break, what is searched for.
MORE = (
    f"/{LONG_IMAGE}", f"/{LONG_IMAGE}/-/tags", f"/acme/web:{LONG_TAG}", "/acme/charts/web", f"/{LONG_LOGIN}",
    "/search?q=%3Cscript%3Edocument.title%3D%27hacked%27%3C/script%3E", "/acme/web/-/tags?q=none", "/acme/web/-/versions?show=all", "/acme/gone",
)  # fmt: skip


def path_of(address: str, world: Hostile) -> str:
    """An address, filled in."""
    values = {**world.values, "number": world.values["token" if "token" in address else "version"]}
    return re.sub(r"\{([a-z_]+)\}", lambda found: values[found[1]], PAGES[address].path or address)


def test_every_page_has_its_line() -> None:
    assert {route.address for route in ROUTES if route.method == "GET"} == set(PAGES)


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_every_page_is_whole_for_each_viewer(registry: Registry, language: str) -> None:
    world = await hostile(registry)
    wrong = []
    for address, page in PAGES.items():
        path = path_of(address, world)
        for who, status in zip(VIEWERS, page.statuses, strict=True):
            viewer = world.viewers[who]
            viewer.cookies["lang"] = language
            answer = await viewer.get_raw(path)
            if answer.status != status:
                wrong.append((address, path, who, answer.status))
            elif status in {200, 403, 404}:
                read = viewer.read(answer)
                assert read.language == language, path
                assert not [one for one in read.links if one.lower().startswith(("javascript:", "data:", "//"))], path
                assert len(read.all("script")) == 1, path
                assert not read.all("img"), path
                assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", answer.body.decode()), path
    assert not wrong, "\n".join(map(str, wrong))


#: Other things behind the same addresses: accounts of people, filters, what is deleted, renamed or not there.
BESIDE = (
    "/rita", "/rita/-/repositories", "/rita/-/deleted", "/nobody", "/nobody/-/people", "/former", "/acme/none", "/acme/gone",
    "/acme/none/-/tags", "/acme/gone/-/restore?package={gone}", "/-/admin/accounts/rita", "/-/admin/accounts/nobody", "/acme/charts/web",
    "/acme/web/-/tags?q=v", "/acme/web/-/tags?sort=name", "/acme/web/-/versions?show=all", f"/acme/web:{LONG_TAG}",
    "/acme/web/-/access", "/acme/web/-/access?person=nobody", "/acme/web/-/restore?page=2", "/acme/-/teams/none", "/search?q=none",
    "/-/admin/packages/acme/none", "/acme/web/-/settings/link", "/explore?sort=name", "/acme?q=w&visibility=private",
)  # fmt: skip


#: A selection is previewed anew with the parts that nothing else holds, until nothing comes along any more.
MORE_STATEMENTS = {"/-/versions/delete/matching": 13}


@pytest.mark.parametrize("who", [*VIEWERS, "stranger"])
async def test_a_page_asks_three_statements_at_most(registry: Registry, who: str) -> None:
    world, wrong = await hostile(registry), {}
    for path in (*(path_of(address, world) for address in PAGES), *(one.format_map(world.values) for one in BESIDE)):
        with counted() as statements:
            answer = await world.viewers[who].get_raw(path)
        assert answer.status < 500, path
        if len(statements) > MORE_STATEMENTS.get(path.partition("?")[0].removeprefix("/acme/web"), 3):
            wrong[path] = statements
    assert wrong == {}


async def _look(window: Browsed, path: str, axe: dict[int, str]) -> list[str]:
    """What is wrong with a page, in any width."""
    await window.open(path)
    wrong = []
    assert await window.page.title() != "hacked", path
    for width in WIDTHS:
        await window.page.set_viewport_size({"width": width, "height": 900})
        try:
            await window.assert_no_overflow()
            if width in axe:
                await window.page.emulate_media(color_scheme=axe[width])
                await window.axe()
        except AssertionError as error:
            wrong.append(f"{path} at {width} {axe.get(width, '')}: {error}")
    return wrong


@pytest.mark.pages
@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("who", VIEWERS)
async def test_every_page_in_chromium(registry: Registry, browse: Browse, who: str, language: str) -> None:
    """What the owner sees in both languages; what others see too, in turns."""
    world = await hostile(registry)
    place = VIEWERS.index(who)
    shown = [address for address, page in PAGES.items() if page.statuses[place] == 200]
    turns = [
        path_of(address, world)
        for number, address in enumerate(shown)
        if who == "owner" or PAGES[address].statuses[2] != 200 or (number + (language == "ko")) % 2
    ]
    axe = {320: "dark", 1280: "light"} if language == "en" else {320: "light", 1280: "dark"}
    wrong = []
    cookies = {**world.viewers[who].cookies, "lang": language}
    async with browse(registry.url, language=language, cookies=cookies, reduced_motion="reduce") as window:
        for path in (*turns, *(MORE if who == "owner" else ())):
            wrong += await _look(window, path, axe)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.pages
@pytest.mark.timeout(300)
async def test_no_page_has_a_dead_control_without_script(registry: Registry, browse: Browse) -> None:
    world = await hostile(registry)
    async with browse(registry.url, script=False, cookies=world.viewers["owner"].cookies) as window:
        for address, page in PAGES.items():
            if page.statuses[2] != 200:
                continue
            await window.open(path_of(address, world))
            for button in await window.page.locator("button[type=button]").all():
                assert not await button.is_visible(), (address, await button.inner_text())

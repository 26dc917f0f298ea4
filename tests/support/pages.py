"""Pages as their readers have them: parsed HTML over HTTP, or a window of Chromium."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.server import Answer, Registry

_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "circle",
        "path",
        "rect",
        "line",
        "polyline",
    ]
)


class _Outline(HTMLParser):
    """Checks that what is opened is closed, in its order, and gathers what tests ask for."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.titles: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in {"title", "h1"}:
            (self.titles if tag == "title" else self.headings).append("")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> closes {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if "title" in self.open:
            self.titles[-1] += data
        if "h1" in self.open:
            self.headings[-1] += data


@dataclass
class Html:
    """A page that was read; ``answer`` is how it came."""

    answer: Answer
    outline: _Outline

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def text(self) -> str:
        """The words of the page, each run of white space one blank."""
        return re.sub(r"\s+", " ", "".join(self.outline.words)).strip()

    @property
    def title(self) -> str:
        return self.outline.titles[0]

    @property
    def heading(self) -> str:
        """The text of the one h1."""
        assert len(self.outline.headings) == 1, self.outline.headings
        return re.sub(r"\s+", " ", self.outline.headings[0]).strip()

    @property
    def language(self) -> str:
        return next(attributes["lang"] for tag, attributes in self.outline.elements if tag == "html")

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of each such element."""
        return [
            attributes
            for found, attributes in self.outline.elements
            if found == tag and all(attributes.get(name) == value for name, value in wanted.items())
        ]

    @property
    def links(self) -> list[str]:
        return [attributes["href"] for attributes in self.all("a")]

    def field(self, name: str) -> str:
        """The value of the first input of this name."""
        return self.all("input", name=name)[0].get("value", "")


@dataclass
class Pages:
    """A reader of pages; ``cookies`` are sent with each request, and kept as a browser does."""

    registry: Registry
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, status: int = 200, **headers: str) -> Html:
        """Reads a page, which must be whole: a title, one h1, a language, elements that close."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = {"Accept-Encoding": "identity", **self._cookie(), **sent}
        found = _html(self._kept(await self.registry.call("GET", path, headers=asked)))
        assert found.status == status, (path, found.status, found.text[:300])
        return found

    async def post(self, path: str, fields: Mapping[str, str] | list[tuple[str, str]], **headers: str) -> Answer:
        """Sends a form as a browser does from a page of ours."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        own = {
            "Origin": self.registry.url,
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept-Encoding": "identity",
        }
        body = urlencode(fields).encode()
        return self._kept(await self.registry.call("POST", path, data=body, headers={**own, **self._cookie(), **sent}))

    async def get_raw(self, path: str, replica: int = 0) -> Answer:
        """Asks for a page as a browser does, and follows nothing."""
        asked = {"Accept-Encoding": "identity", **self._cookie()}
        return self._kept(await self.registry.call("GET", path, headers=asked, replica=replica))

    def read(self, answer: Answer) -> Html:
        """What was sent, as a page, which must be whole."""
        return _html(answer)

    def _cookie(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}

    def _kept(self, answer: Answer) -> Answer:
        for line in getattr(answer.headers, "getall", lambda *_: [])("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if "Max-Age=0" in line:
                del self.cookies[name]
        return answer


def _html(answer: Answer) -> Html:
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8", (
        answer.status,
        answer.headers,
        answer.body[:500],
    )
    outline = _Outline()
    outline.feed(answer.body.decode())
    outline.close()
    assert not outline.wrong, outline.wrong
    assert not outline.open, outline.open
    found = Html(answer, outline)
    assert found.title.endswith("Moorage")
    assert found.heading
    assert found.language in {"en", "ko"}
    return found


def views(*widths: int) -> list[tuple[int, str, str]]:
    """Each width in both themes and both languages."""
    return list(product(widths, ("light", "dark"), ("en", "ko")))


class Browsed:
    """A window of Chromium. ``check`` fails for what went wrong in it."""

    def __init__(self, page: Any, url: str, axe_source: str) -> None:
        self.page = page
        self.url = url
        self.requests: list[str] = []
        self.wrong: list[str] = []
        self.expected: set[str] = set()
        self._axe = axe_source
        page.on(
            "console",
            lambda message: (
                self.wrong.append(f"console: {message.text}") if message.type in {"error", "warning"} else None
            ),
        )
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))

    async def open(self, path: str, status: int = 200) -> None:
        """Opens a page of ours."""
        if status >= 400:
            self.expected.add(f"the server responded with a status of {status}")
        answer = await self.page.goto(self.url + path)
        assert answer.status == status, (path, answer.status)

    def check(self) -> None:
        """Nothing was logged as an error, and nothing came from another host."""
        wrong = [line for line in self.wrong if not any(text in line for text in self.expected)]
        assert not wrong, wrong
        foreign = [url for url in self.requests if not url.startswith((self.url, "data:", "blob:", "about:"))]
        assert not foreign, foreign

    async def assert_no_overflow(self) -> None:
        """Nothing is wider than the window, nor cut but in boxes that scroll and have a name."""
        wide, width = await self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= width, f"{wide} px in {width}: " + str(await self.page.evaluate(_WIDEST))
        cut = await self.page.evaluate(_CUT)
        assert not cut, cut

    async def look(self, name: str, pictures: Path | None) -> None:
        """Takes a picture of the page if one is wanted, and checks what holds of every page."""
        if pictures is not None:
            await self.page.screenshot(path=pictures / f"{name}.png", full_page=True)
        await self.assert_no_overflow()
        await self.axe()

    async def axe(self) -> None:
        """The page breaks none of axe's rules: WCAG 2.2 AA, and best practices."""
        if not await self.page.evaluate("Boolean(window.axe)"):
            await self.page.evaluate(self._axe)
        found = await self.page.evaluate(
            "axe.run({resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        )
        broken = [
            f"{rule['id']}: {rule['help']}: {node['html'][:200]} {node['failureSummary'][:200]}"
            for rule in found["violations"]
            for node in rule["nodes"][:3]
        ]
        assert not broken, "\n".join(broken)


_WIDEST = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
_CUT = """[...document.querySelectorAll('main *, header *, footer *')].filter(e => {
    const style = getComputedStyle(e);
    return e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1 && style.overflowX !== 'visible'
        && !e.closest('[role=region], .sr, .raw, .clamp') && !e.matches('input, select, textarea');
}).map(e => e.outerHTML.slice(0, 120))"""

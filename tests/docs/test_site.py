"""The site that `make docs` has built, as a browser would read it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parent.parent.parent / "site"
#: What a browser asks for by itself when it opens a page.
LOADS = {
    "audio": "src", "embed": "src", "form": "action", "iframe": "src", "img": "src", "input": "src", "object": "data",
    "script": "src", "source": "src", "track": "src", "video": "src",
}  # fmt: skip
#: Of links, these kinds are loaded; others (canonical, alternate …) only tell something.
LOADED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "dns-prefetch", "preconnect", "manifest"}

pytestmark = pytest.mark.docs


class Reader(HTMLParser):
    """Gathers what a page loads, where its links lead, its anchors, and pictures without a description."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: set[str] = set()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.bare: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self.anchors |= {has[name] for name in ("id", "name") if name in has}
        if tag in LOADS and has.get(LOADS[tag]):
            self.loads.add(has[LOADS[tag]])
        self.loads |= {part.split()[0] for part in has.get("srcset", "").split(",") if part.strip()}
        if tag == "link" and LOADED_LINKS & set(has.get("rel", "").split()):
            self.loads.add(has["href"])
        if tag == "a" and "href" in has:
            self.links.add(has["href"])
        if tag == "img" and not has.get("alt"):
            self.bare.append(has.get("src", ""))


@pytest.fixture(scope="module")
def pages() -> dict[Path, Reader]:
    found = {}
    for path in sorted(SITE.rglob("*.html")):
        found[path] = Reader()
        found[path].feed(path.read_text())
    assert len(found) > 20, "make docs builds it first"
    return found


def test_nothing_comes_from_another_host(pages: dict[Path, Reader]) -> None:
    foreign = [(path.name, url) for path, page in pages.items() for url in page.loads if re.match(r"\w+:|//", url)]
    assert not [(name, url) for name, url in foreign if not url.startswith("data:")]
    for path in SITE.rglob("*.css"):
        urls = re.findall(r"url\(\s*['\"]?([^'\")]+)", path.read_text()) + re.findall(
            r"@import\s+['\"]([^'\"]+)", path.read_text()
        )
        assert not [url for url in urls if re.match(r"(?!data:)\w+:|//", url)], path


def test_links_anchors_and_pictures_lead_somewhere(pages: dict[Path, Reader]) -> None:
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # it is shown at any address, so its links are of the root
        for url in page.links | page.loads:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchored = (
                not parts.fragment
                or target not in pages
                or unquote(parts.fragment) in {*pages[target].anchors, "__nothing"}
            )
            if not target.is_file() or not anchored:
                broken.append((str(path.relative_to(SITE)), url))
    assert not broken


def test_pictures_are_described(pages: dict[Path, Reader]) -> None:
    assert not {path.name: page.bare for path, page in pages.items() if page.bare}


def test_the_pages_open_without_asking_for_anything_else(pages: dict[Path, Reader]) -> None:
    """What scripts of the theme would fetch: the search index and its worker, which are here."""
    assert (SITE / "search" / "search_index.json").is_file()
    for path in pages:
        config = re.search(r'"search": "([^"]+)"', path.read_text())
        assert config is not None
        assert not re.match(r"\w+:|//", config[1])

"""What the sources of the pages must not hold, and what the package must: nothing unescaped, nothing of others."""

import gzip
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.cli.client.commands import OPERATOR, TABLE
from registry.http.web.text import day, http_url, inert, moment
from registry.sizes import size

_WEB = Path(__file__).parent.parent.parent / "registry/http/web"
_CSS = (_WEB / "assets/style.css").read_text()


def test_nothing_is_written_unescaped() -> None:
    for path in _WEB.rglob("*"):
        if path.suffix in {".html", ".py", ".js"}:
            source = path.read_text()
            assert "|safe" not in source, path
            assert "innerHTML" not in source, path
            assert "autoescape false" not in source, path
            if path.name != "rendering.py":
                assert "Markup(" not in source, path


def test_no_template_reaches_out_or_runs_a_script_of_its_own() -> None:
    for path in (_WEB / "templates").glob("*.html"):
        source = path.read_text()
        assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", source), path
        assert not re.search(r"\s(?:style|on[a-z]+)=", source), path


def test_script_and_style_keep_their_budget() -> None:
    assert len(gzip.compress((_WEB / "assets/script.js").read_bytes(), 9)) <= 4_000
    assert len(gzip.compress(_CSS.encode(), 9)) <= 5_000
    assert "url(" not in _CSS


def _tokens() -> dict[str, tuple[str, str]]:
    return {n: (a, b) for n, a, b in re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", _CSS)}


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground", "least"),
    [
        *[(text, ground, 4.5) for text in ("text", "muted", "link") for ground in ("bg", "bg2", "bg3")],
        ("accent", "bg", 4.5), ("on-accent", "accent", 4.5),
        *[("control", ground, 3.0) for ground in ("bg", "bg2", "bg3")],
        *[(name, f"{name}bg", 4.5) for name in ("ok", "warn", "bad", "info")],
        *[(name, "bg", 4.5) for name in ("ok", "warn", "bad", "info")],
    ],
)  # fmt: skip
def test_every_text_stands_out_from_its_ground(theme: int, text: str, ground: str, least: float) -> None:
    tokens = _tokens()
    assert _contrast(tokens[text][theme], tokens[ground][theme]) >= least


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\u202eb", "a\\u202eb"), ("a\x1b[31m", "a\\u001b[31m"), ("a\tb\nc", "a\tb\nc"), ("안녕", "안녕"), ("👩\u200d🚀", "👩\u200d🚀")],
)  # fmt: skip
def test_unseen_characters_are_shown(text: str, shown: str) -> None:
    assert inert(text) == shown


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://example.com/a?b#c", True), ("http://example.com", True), ("HTTPS://EXAMPLE.COM/", True),
        ("javascript:alert(1)", False), ("data:text/html,x", False), ("//example.com", False), ("https://", False),
        ("https://user:pass@example.com/", False), ("https://exa mple.com/", False), ("https://e\u202ex.com", False),
        ('https://example.com/"onerror=', False), ("ftp://example.com/", False), ("https:\\\\example.com", False),
    ],
)  # fmt: skip
def test_only_plain_links_are_made(text: str, link: bool) -> None:
    assert http_url(text) == (text if link else None)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1500, "1.5 kB"), (99_900, "99.9 kB"), (99_960, "100 kB"), (999_700, "1.0 MB"),
     (123_456_789, "123 MB"), (10**16, "10.0 PB"), (10**19, "10000 PB")],
)  # fmt: skip
def test_sizes_are_in_powers_of_ten(count: int, text: str) -> None:
    assert size(count) == text


def test_times_are_in_words() -> None:
    at = datetime(2026, 11, 3, 9, 5, tzinfo=UTC)
    assert (day(at, "en"), day(at, "ko"), moment(at, "en")) == ("3 Nov 2026", "2026년 11월 3일", "3 Nov 2026 09:05 UTC")


def test_a_process_without_pages_has_no_jinja() -> None:
    """Nor what else only pages and jobs need: what is for people in browsers, and what no client waits for."""
    alone = (
        "jinja2", "registry.http.web", "registry.jobs", "auth.passwords", "registry.accounts.sign_in", "registry.accounts.web_sessions",
        "registry.accounts.devices", "storage.metadata.web_sessions", "storage.metadata.sign_in", "storage.metadata.package_pages",
        "storage.metadata.owner_pages", "storage.metadata.access_pages", "storage.metadata.garbage",
    )  # fmt: skip
    code = f"import sys, registry.app; print([m for m in sys.modules if m.startswith({alone})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_WEB.parents[2])
    assert done.stdout.strip() == "[]"


def test_the_package_has_templates_and_assets() -> None:
    """hatchling takes what git knows of the folders: nothing of the pages may be ignored."""
    for path in _WEB.rglob("*"):
        if path.is_file() and path.suffix in {".html", ".css", ".js", ".svg"}:
            ignored = subprocess.run(["git", "check-ignore", "-q", str(path)], cwd=_WEB, check=False).returncode
            assert ignored == 1, path


def test_every_command_that_a_page_tells_is_there() -> None:
    told = [word for path in _WEB.glob("*.py") for word in re.findall(r"moorage ([a-z]+)", path.read_text())]
    assert len(told) >= 10
    assert set(told) <= {*(name.partition(" ")[0] for name in TABLE), *OPERATOR}

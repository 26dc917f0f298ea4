"""A source that limits: `copy` and `import` slow down before its limit, and wait as long as it wants."""

import time
from collections.abc import AsyncIterator

import orjson
import pytest

from registry.cli.client.http import seconds_of
from registry.cli.client.pace import Pace
from tests.cli.commands import Shell
from tests.cli.hostile import IMAGE, MANIFEST, Hostile, answer, hostile
from tests.cli.test_copy import other, sign_in
from tests.support.server import Registry

__all__ = ["other"]


@pytest.fixture
async def source() -> AsyncIterator[Hostile]:
    async with hostile() as made:
        made.respond("GET /v2/a/b/tags/list", answer(200, orjson.dumps({"name": "a/b", "tags": ["v1", "v2", "v3"]})))
        yield made


@pytest.mark.parametrize(
    "headers",
    [
        ("ratelimit-limit: 20;w=20", "ratelimit-remaining: 2;w=20"),
        ('RateLimit-Policy: "pulls";q=20;w=20', 'RateLimit: "pulls";r=2;t=2'),
    ],
    ids=["Docker Hub", "draft"],
)
async def test_an_import_slows_down_before_the_limit(
    shell: Shell, other: Registry, source: Hostile, headers: tuple[str, str]
) -> None:
    await sign_in(shell, other, "bob")
    source.respond("GET /v2/a/b/manifests/v", answer(200, IMAGE, f"Content-Type: {MANIFEST}", *headers))
    began = time.monotonic()
    done = await shell.ok("import", f"{source.host}/a/b", "--to", f"{other.url.removeprefix('http://')}/bob")
    assert time.monotonic() - began > 2
    assert done.err.count("a manifest every 1 s from here on") == 1
    assert "3 images came" in done.err


def test_what_is_left_is_read() -> None:
    said: list[str] = []
    pace = Pace("old", said.append)
    for headers in (
        {},
        {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "11;w=21600"},
        {"RateLimit-Limit": "many", "RateLimit-Remaining": "-1;w=x"},
        {"RateLimit": '"a";r=50;t=30', "RateLimit-Policy": '"a";q=100;w=60'},
        {"RateLimit": "x", "RateLimit-Policy": ""},
    ):
        pace.learn(headers)
        began = time.monotonic()
        pace.wait()
        assert time.monotonic() - began < 0.1
    pace.learn({"RateLimit-Limit": "1;w=999999999999", "RateLimit-Remaining": "0;w=999999999999"})
    assert said == ["old lets little more be read for now: a manifest every 300 s from here on"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2), ("10.3ms", 0.0103), ("1.5s", 1.5), ("99999", 30), (None, 7), ("soon", 7), ("-1", 7), ("nan", 7),
     ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("Fri, 31 Dec 2999 23:59:59 GMT", 30)],
)  # fmt: skip
def test_when_to_ask_again(text: str | None, seconds: float) -> None:
    assert seconds_of(text, 7) == pytest.approx(seconds)

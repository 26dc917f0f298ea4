"""Globs of tags: PostgreSQL matches what fnmatch does, and is never long about it."""

from fnmatch import fnmatchcase

import pytest

from registry.packages.selections import filter_of
from tests.support.server import Registry

_TAGS = ("v1.0", "v1.0-rc", "v10", "latest", "nightly-1", "a_b", "1", "x" * 128)


@pytest.mark.parametrize(
    "glob",
    ["v1.*", "v1*", "*", "**", "?", "v[12]*", "v[!1]*", "[a-c]*", "[c-a]*", "*-rc", "latest", "LATEST", "v1.?", "[", "[]", "]",
     "v1.0[-]rc", "a:b", "*:*", "(", "x{128}", "\\w", "^v", "é*", "\n", ".*", "*x*x*x*"],
)  # fmt: skip
async def test_a_glob_matches_as_fnmatch_has_it(registry: Registry, glob: str) -> None:
    pattern = filter_of(match=glob).pattern
    rows = await registry.services.db.fetch("SELECT tag FROM unnest($1::text[]) AS tag WHERE tag ~ $2", _TAGS, pattern)
    assert {row[0] for row in rows} == {tag for tag in _TAGS if fnmatchcase(tag, glob)}


async def test_s57_a_glob_that_goes_back_and_forth_matches_nothing(registry: Registry) -> None:
    for glob in ("*a" * 64, "*[ab]" * 25, "*?" * 64):
        row = await registry.services.db.fetchrow("SELECT repeat('a', 128) ~ $1", filter_of(match=glob).pattern)
        assert row is not None
        assert row[0] is False

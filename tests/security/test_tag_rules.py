"""S21, S22: no write path moves, makes or deletes a tag that a rule keeps. A writer without a line here fails the run."""

import re
from typing import Any, Final

import pytest

from registry.oci.request import Kind
from storage.errors import TagRefused
from storage.metadata import packages, versions
from storage.metadata.events import Actor
from tests.scale.plans import names
from tests.security.expected import OCI, REST
from tests.security.test_every_change import BEFORE, OF_PAGES, changes, short
from tests.security.test_matrix import ask, ok_of, sent_to, target_of
from tests.support.manage import change, managed
from tests.support.server import Registry, running
from tests.support.world import Cell, Cells, build, table
from tests.web.test_every_form import FORMS, before, fields_of

_WRITES: Final = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\s+(?:ONLY\s+)?tags\b", re.IGNORECASE
)
_TAKES_ALL: Final = re.compile(r"\bUPDATE\s+packages\b[^()]*\bSET\s+deleted_at\s*=\s*now\(\)", re.IGNORECASE)
_P: Final = "/packages/{package_type}/{package_name}"
_V: Final = f"{_P}/versions/{{package_version_id}}"
_PAGE: Final = "/{owner}/{image}/-"

#: Every statement that writes tags, or takes a package with its tags away, and the requests below that run it.
WRITERS: Final[dict[str, tuple[object, ...]]] = {
    "manifests._INSERT": (Kind.MANIFEST_PUT,),
    "retags._MOVE": (Kind.MANIFEST_PUT,),
    "tags._PUT": (("PUT", f"{_P}/tags/{{tag}}"), ("POST", f"{_P}/tags/{{tag}}/rollback"), f"{_PAGE}/tag", f"{_PAGE}/rollback"),
    "tags._REMOVE": (("DELETE", f"{_P}/tags/{{tag}}"), f"{_PAGE}/untag"),
    "versions._HIDE": (
        ("DELETE", _V), ("POST", f"{_P}/deletion"), Kind.MANIFEST_DELETE,
        f"{_PAGE}/versions/delete", f"{_PAGE}/versions/delete/matching",
    ),
    "versions._UNHIDE": (("POST", f"{_V}/restore"), f"{_PAGE}/restore"),
    "packages._HIDE": (("DELETE", _P), f"{_PAGE}/delete"),
}  # fmt: skip
#: Those that no rule judges, and why.
UNJUDGED: Final = {
    "purges._PURGE": "of versions that were deleted by a request that was judged, a month ago",
    "packages._GIVE_WAY": "of a package that never had a manifest, and so no tag",
    "transfers._GIVE_WAY": "of a package that never had a manifest, and so no tag",
    "accounts._FORGET": "an owner deletes the account with all of it, the rules too",
}
_REFUSED: Final = {line for lines in WRITERS.values() for line in lines}
#: What pages of deletions answer: the question once more, with why not; and that no more versions match.
_PAGES: Final = {f"{_PAGE}/delete": 200, f"{_PAGE}/versions/delete": 200, f"{_PAGE}/versions/delete/matching": 303}
#: Routes after which the tags are gone with the account that made the rule.
_WITH_ACCOUNT: Final = {("DELETE", "/orgs/{org}"), ("DELETE", "/admin/users/{username}")}
_PROTECT: Final = """
    INSERT INTO tag_rules (owner_id, name, package, tags, except_tags, forbid, enabled, package_pattern, tag_pattern)
    SELECT DISTINCT owner_id, 'everything', '*', '{*}'::text[], '{}'::text[], '{move,delete,create}'::text[], true,
           '^.*$', '^.*$' FROM packages"""


def test_every_statement_that_writes_tags_is_judged() -> None:
    statements = names()
    writers = {name for name, sql in statements.items() if _WRITES.search(sql) or _TAKES_ALL.search(sql)}
    assert writers == {*WRITERS, *UNJUDGED}
    assert not [name for name in WRITERS if not re.search("judge_tag|tag_rule_of", statements[name])]


async def _tags(registry: Registry, package_id: int) -> list[Any]:
    """The tags that can be pulled, as far as they were there before the request."""
    return await registry.services.db.fetch(
        "SELECT tags.name, tags.digest FROM tags JOIN packages package ON package.id = tags.package_id"
        " WHERE package.id = $1 AND package.deleted_at IS NULL ORDER BY tags.name",
        package_id,
    )


async def _wrong(registry: Registry, cell: Cell, former: list[Any], status: int, wanted: int) -> str:
    if status != wanted:
        return f"expected {wanted}, got {status}"
    return "" if await _tags(registry, cell.id) == former else "the tags are others"


@pytest.mark.timeout(300)
async def test_no_route_changes_a_kept_tag(env: dict[str, str], database_url: str) -> None:
    """By the callers who may do most: rules bind admins and owners, too."""
    cells, failures, seen = Cells(), list[tuple[str, str]](), set[object]()
    rest, v2 = changes(cells)
    await build(database_url, cells.all)
    env |= {"MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8", "MOORAGE_ACCESS_LOG": "off"}
    async with running(env) as registry:
        for (method, path), cell in rest:
            key = method, short(path)
            if key in BEFORE:
                await registry.services.db.execute(BEFORE[key], cell.id)
        await registry.services.db.execute(_PROTECT)
        for (method, path), cell in rest:
            line, key = REST[method, path], (method, short(path))
            former = await _tags(registry, cell.id)
            answer = await ask(registry, cell, method, path, line)
            if key in _WITH_ACCOUNT:
                continue
            wanted = 409 if key in _REFUSED else ok_of(line, cell)
            wrong = await _wrong(registry, cell, former, answer.status, wanted)
            if line.deleted and answer.status == wanted:  # the package is back, with the tags that it had
                wrong = ""
            failures += [(f"{method} {path}", f"{wrong} {answer.body[:100]!r}")] if wrong else []
            seen.add(key)
        for kind, cell in v2:
            former = await _tags(registry, cell.id)
            answer = await registry.call(
                OCI[kind].method, target_of(OCI[kind], cell), **sent_to(OCI[kind], cell.headers)
            )
            wrong = await _wrong(registry, cell, former, answer.status, 409 if kind in _REFUSED else OCI[kind].ok)
            failures += [(str(kind), wrong)] if wrong else []
            seen.add(kind)
    assert not failures, table(failures)
    assert {line for line in _REFUSED if not isinstance(line, str) or isinstance(line, Kind)} <= seen


async def test_the_statements_of_deletions_refuse_by_themselves(registry: Registry) -> None:
    """Without the plan that looks before: what calls them next may have none."""
    world = await managed(registry)
    await registry.services.db.execute(_PROTECT)
    db, package_id, digest = registry.services.db, await world.package_id(), world.digests[0]
    former = await _tags(registry, package_id)
    with pytest.raises(TagRefused):
        await versions.hide(db, package_id, await world.number(digest), [digest], Actor(None, None))
    with pytest.raises(TagRefused):
        await packages.hide(db, package_id, Actor(None, None, spared="admin"))
    assert await _tags(registry, package_id) == former
    assert await packages.hide(db, package_id, Actor(None, None, spared="all"))


@pytest.mark.parametrize("address", sorted(OF_PAGES))
async def test_no_form_changes_a_kept_tag(registry: Registry, address: str) -> None:
    world = await managed(registry)
    await before(world, address)
    form = FORMS[address]
    fields = await fields_of(world, form)
    await registry.services.db.execute(_PROTECT)
    package_id = await world.package_id()
    former = await _tags(registry, package_id)
    answer = await change(world.owner, form.path, fields)
    assert answer.status == (_PAGES.get(address, 409) if address in _REFUSED else 303), answer.body[:500]
    if address in _PAGES and answer.status == 200:
        assert b"The rule forbids to delete the tag" in answer.body
    if address != "/{owner}/-/settings/delete":
        assert await _tags(registry, package_id) == former


def test_every_form_that_is_refused_is_looked_at() -> None:
    assert {line for line in _REFUSED if isinstance(line, str) and not isinstance(line, Kind)} <= set(OF_PAGES)

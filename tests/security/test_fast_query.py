"""The fast query of a caller's access facts says what the full query says, or leaves the role open."""

from itertools import product
from typing import Any, Final

import asyncpg
import pytest

from storage.metadata import blobs, manifests, packages, sessions, tags
from storage.metadata.access_facts import NEEDS_FULL_QUERY, AccessFacts
from storage.metadata.packages import ACCESS_FACTS, ACCESS_FACTS_FAST
from storage.metadata.query import Query
from tests.security.expected import CALLERS
from tests.support.world import Cells, build

#: Those whose rights need no grant, before any package of an organization that requires no SSO.
_FAST_CALLERS: Final = {"anonymous", "expired", "revoked", "owner", "site_admin"}


async def test_fast_and_full_queries_agree(database_url: str) -> None:
    cells = Cells()
    for caller, family, visibility in product(CALLERS, ("orgs", "users", "user"), ("private", "internal", "public")):
        if family == "orgs" or visibility != "internal":
            cells.new(caller, family, visibility)
    await build(database_url, cells.all)
    connection = await asyncpg.connect(database_url)
    try:
        # Half of the organizations, every third of which has authorised its caller's token.
        await connection.execute(
            "UPDATE accounts SET packages_sso_required = true WHERE kind = 'Organization' AND id % 2 = 0"
        )
        await connection.executemany(
            "INSERT INTO token_organizations (token_id, org_id) VALUES ($1, $2)",
            [(cell.token_id, cell.id) for cell in cells.all if cell.token is not None and cell.number % 3 == 0],
        )
        asked = [
            (cell, token, owner, image)
            for cell in cells.all
            for token in ("" if cell.token is None else str(cell.token_id), "1")
            for owner, image in ((cell.package_owner, cell.package), (cell.package_owner, "none"), ("none", "none"))
        ]
        columns = ["\n".join(column) for column in zip(*((*key, "") for _, *key in asked), strict=True)]

        async def told(query: Query[AccessFacts]) -> list[AccessFacts]:
            return await query.all(connection, *columns)

        fast, full = await told(ACCESS_FACTS_FAST), await told(ACCESS_FACTS)
    finally:
        await connection.close()
    pairs = list(zip(asked, fast, full, strict=True))
    assert not [(key, one, two) for key, one, two in pairs if one.role != NEEDS_FULL_QUERY and one != two]
    # Of a namespace that is not there everybody who asks for it has the full query, as for a hidden package.
    of_cells = [(key[0], one.role == NEEDS_FULL_QUERY) for key, one, _ in pairs if key[2] != "none"]
    assert not [cell for cell, unsettled in of_cells if unsettled and cell.caller.name in _FAST_CALLERS and cell.id % 2]
    left_open = {cell.caller.name for cell, unsettled in of_cells if unsettled}
    assert {"member", "reader", "writer", "admin", "stranger", "workflow", "workspace"} <= left_open


#: Tables that only the full query reads.
_GRANTS: Final = (
    "package_users", "package_teams", "package_repositories", "repository_users", "repository_teams",
    "token_organizations", "repositories source",
)  # fmt: skip


@pytest.mark.parametrize(
    ("full", "fast"),
    [
        (packages.ACCESS_FACTS, packages.ACCESS_FACTS_FAST),
        (manifests.BY_TAG, manifests.BY_TAG_FAST),
        (manifests.BY_DIGEST, manifests.BY_DIGEST_FAST),
        (blobs.LOCATE, blobs.LOCATE_FAST),
        (sessions.FIND, sessions.FIND_FAST),
        (tags._PAGE, tags._PAGE_FAST),
    ],
    ids=["packages", "tag", "digest", "blob", "session", "page"],
)
def test_only_the_full_query_reads_grants(full: Query[Any], fast: Query[Any]) -> None:
    assert full.row is fast.row
    assert all(table in full.sql for table in _GRANTS)
    assert not [table for table in _GRANTS if table in fast.sql]

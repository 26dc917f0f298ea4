"""What is said of a caller at sight is what all facts say, or it is left open."""

from itertools import product
from typing import Final

import asyncpg

from storage.metadata.access_facts import NEEDS_FULL_QUERY, AccessFacts
from storage.metadata.packages import STANDINGS, STANDINGS_AT_SIGHT
from storage.metadata.query import Query
from tests.security.expected import CALLERS
from tests.support.world import Cells, build

#: Those whose rights need no grant, before any package of an organization that requires no SSO.
_AT_SIGHT: Final = {"anonymous", "expired", "revoked", "owner", "site_admin"}


async def test_at_sight_and_in_full(database_url: str) -> None:
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

        at_sight, full = await told(STANDINGS_AT_SIGHT), await told(STANDINGS)
    finally:
        await connection.close()
    pairs = list(zip(asked, at_sight, full, strict=True))
    assert not [(key, one, two) for key, one, two in pairs if one.role != NEEDS_FULL_QUERY and one != two]
    of_cells = [(key[0], one.role == NEEDS_FULL_QUERY) for key, one, _ in pairs]
    assert not [cell for cell, unsettled in of_cells if unsettled and cell.caller.name in _AT_SIGHT and cell.id % 2]
    left_open = {cell.caller.name for cell, unsettled in of_cells if unsettled}
    assert {"member", "reader", "writer", "admin", "stranger", "workflow", "workspace"} <= left_open

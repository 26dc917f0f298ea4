"""S38: what was just installed lets nobody in."""

import pytest

from storage.metadata.database import Database
from tests.support.server import Registry, basic

_TRIED = ("admin", "password", "test-secret-" * 4, "")


async def test_s38_a_fresh_database_has_no_account_and_no_token(db: Database) -> None:
    for table in ("accounts", "tokens"):
        row = await db.fetchrow(f"SELECT count(*) AS count FROM {table}")
        assert row is not None
        assert row["count"] == 0, table


@pytest.mark.parametrize("login", ["admin", "root", "moorage"])
async def test_s38_no_guess_is_let_in(registry: Registry, login: str) -> None:
    for secret in _TRIED:
        for path in ("/v2/", "/token?service=moorage"):
            answer = await registry.call("GET", path, headers=basic(secret, login))
            assert answer.status == 401, (path, secret)
    made = await registry.call("POST", "/api/v3/admin/users", headers=basic("admin", login), json={"login": "mallory"})
    assert made.status in {401, 404}

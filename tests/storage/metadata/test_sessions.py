"""A session is found by its id, however many are open; and what a process knows of those it wrote."""

import uuid
from typing import Any

import asyncpg
import orjson
import pytest

from storage.metadata import sessions, uploads
from storage.metadata.sessions import Known
from storage.names import UploadId
from tests.support.access_facts import access_facts

_OPEN = 2000


async def _package(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[int, int]:
    account = await connection.fetchval("INSERT INTO accounts (login, kind) VALUES ('alice', 'User') RETURNING id")
    package = await connection.fetchval(
        "INSERT INTO packages (owner_id, name) VALUES ($1, 'app') RETURNING id", account
    )
    return account, package


def _looked_at(plan: dict[str, Any]) -> int:
    removed = sum(value for key, value in plan.items() if key.startswith("Rows Removed by"))
    rows = round((plan["Actual Rows"] + removed) * plan["Actual Loops"]) if "Relation Name" in plan else 0
    return rows + sum(map(_looked_at, plan.get("Plans", [])))


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (sessions._APPEND.sql, "$, 0, 0, '\\x00', '\\x00'"),
        (sessions._FINISH.sql, f"60, 'sha256:{'0' * 64}', $, 0, 0, '\\x00'"),
        (uploads._CLAIM.sql, "$, {package}, {account}, 9, true"),
        (uploads._RENEW.sql, "$, 0, 9"),
        (uploads._NUMBER.sql, "$, 0, 'a'"),
        (uploads._RECORD.sql, "$, 0, 1, NULL, '\\x00', NULL, NULL, NULL, NULL, NULL, false, false"),
        (uploads._ROLL_BACK.sql, "$, 0, 1, NULL, '\\x00', '{{1}}', '{{}}', '{{}}'"),
        (uploads._FAIL.sql, "$, 0"),
        (uploads._ABORT.sql, "$, {package}, {account}"),
    ],
)
async def test_who_is_open_is_not_gone_through(database_url: str, sql: str, values: str) -> None:
    """With few open when statistics were made, an index of those that are open looked like the shortest one."""
    connection = await asyncpg.connect(database_url, server_settings={"plan_cache_mode": "force_generic_plan"})
    try:
        account, package = await _package(connection)
        insert = """
            INSERT INTO uploads (id, package_id, account_id, algorithm, object_key, expires_at, state)
            SELECT gen_random_uuid(), $1, $2, 'sha256', gen_random_uuid()::text, now() + interval '1 hour', $3
              FROM generate_series(1, $4::int)
        """
        await connection.execute(insert, package, account, "done", 2 * _OPEN)
        await connection.execute("ANALYZE uploads")
        await connection.execute(insert, package, account, "open", _OPEN)
        one: uuid.UUID = await connection.fetchval("SELECT id FROM uploads WHERE state = 'open' LIMIT 1")
        await connection.execute(f"PREPARE it AS {sql}")
        given = values.format(package=package, account=account).replace("$", f"'{one}'")
        plan = orjson.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE it({given})"))
    finally:
        await connection.close()
    assert _looked_at(plan[0]["Plan"]) < 10


def test_what_is_known_of_a_session_is_for_its_owner_and_as_rights_are_now() -> None:
    known, upload = Known(), UploadId(uuid.uuid4())
    known.begun(upload, access_facts(), 7, "sha256", 1.0)
    found = known.of(upload, access_facts(role=1))
    assert found is not None
    assert (found.role, found.received, found.fence, found.opened_by) == (1, 0, 0, 7)
    known.appended(upload, found, 10, b"state")
    found = known.of(upload, access_facts(role=3))
    assert found is not None
    assert (found.role, found.received, found.fence, found.hash_state) == (3, 10, 1, b"state")
    for other in (access_facts(package_id=9), access_facts(package_id=None), access_facts(account_id=9)):
        assert known.of(upload, other) is None
    known.drop(upload)
    assert known.of(upload, access_facts(role=3)) is None


def test_the_sessions_that_were_written_last_are_known() -> None:
    known, uploads = Known(most=2), [UploadId(uuid.uuid4()) for _ in range(3)]
    known.begun(uploads[0], access_facts(), 7, "sha256", 1.0)
    known.begun(uploads[1], access_facts(), 7, "sha256", 1.0)
    found = known.of(uploads[0], access_facts())
    assert found is not None
    known.appended(uploads[0], found, 1, b"")
    known.begun(uploads[2], access_facts(), 7, "sha256", 1.0)
    assert [upload in known for upload in uploads] == [True, False, True]

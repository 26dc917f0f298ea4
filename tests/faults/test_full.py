"""No room left in S3, in Postgres, on the disk: nothing new is taken, what is there is read, and later it goes on (F24)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from registry.jobs.runner import run_once
from storage.metadata.database import Database
from tests.faults.routes import MANIFEST, ROUTES, image, path_of
from tests.support.faults import Fault, FaultProxy
from tests.support.server import PACKAGES, Answer, Registry, running
from tests.support.uploading import MIB, NOTHING, Session, end_all_sessions, kept, noise, sha256, streamed

_NAME = "alice/app"


def _refused(answer: Answer, what: object) -> None:
    assert (answer.status, answer.code) == (503, "UNAVAILABLE"), (what, answer.status, answer.body)
    assert int(answer.headers["Retry-After"]) > 0


async def _clean(registry: Registry) -> None:
    await end_all_sessions(registry)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


@pytest.mark.parametrize(
    ("op", "size"),
    [
        ("PutObject", 300_000),
        ("CreateMultipartUpload", 18 * MIB),
        ("UploadPart", 18 * MIB),
        ("CompleteMultipartUpload", 18 * MIB),
    ],
)
async def test_f24_s3_is_full(env: dict[str, str], op: str, size: int) -> None:
    with FaultProxy(env["MOORAGE_S3_ENDPOINT"]) as proxy:
        env["MOORAGE_S3_ENDPOINT"] = proxy.url
        async with running(env) as registry:
            token, data = await registry.user("alice"), noise(size)
            things = await image(registry, _NAME, token)
            session = await Session.begin(registry, _NAME, token)
            proxy.inject(Fault.FULL, op=op, times=None)
            async with asyncio.timeout(15):
                answers = [await session.patch(streamed(data))]
                if answers[0].status == 202:
                    answers.append(await session.put(sha256(data)))
                _refused(answers[-1], op)
                assert proxy.count(op) <= 3  # what is full stays full for a while: the client is told, not S3 asked on
                assert (await registry.call("HEAD", path_of(_NAME, f"blobs/{sha256(data)}"), token)).status == 404
                assert await session.pulled(sha256(things.large)) == things.large
                put = await registry.call(
                    "PUT",
                    path_of(_NAME, "manifests/v2"),
                    token,
                    data=things.manifest,
                    headers={"Content-Type": MANIFEST},
                )
                assert put.status == 201, put.body
            proxy.heal()
            offset = await session.offset()
            if offset < size:
                rest = data[offset:]
                assert (await session.patch(streamed(rest), at=offset, size=len(rest))).status == 202
            assert (await session.put(sha256(data))).status == 201
            assert await session.pulled(sha256(data)) == data
            await _clean(registry)


#: A partition has the triggers of its table.
_TABLES: Final = """
    SELECT relname AS t FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


@asynccontextmanager
async def _full_postgres(db: Database) -> AsyncIterator[None]:
    """Each row that is written meets the error of a disk without room."""
    tables = [row["t"] for row in await db.fetch(_TABLES)]
    await db.execute(
        """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$
        """
    )
    for table in tables:
        await db.execute(
            f"CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION no_room()"
        )
    try:
        yield
    finally:
        await db.execute("DROP FUNCTION no_room CASCADE")


async def test_f24_postgres_is_full(registry: Registry) -> None:
    token = await registry.user("alice", (*PACKAGES, "user"))
    things = await image(registry, _NAME, token)
    reader = await registry.token("alice")  # one that was not used yet: its use is noted
    before = await kept(registry)
    async with _full_postgres(registry.services.db):
        for path in ("/token?scope=repository:alice/app:pull", "/api/v3/user/packages?package_type=container"):
            assert (await registry.call("GET", path, reader)).status == 200, path
        refused = set()
        for route in ROUTES:
            answer = await route.ask(registry, reader, things)
            if route.method in {"GET", "HEAD"} or answer.status != 503:
                assert answer.status in route.fine, (route, answer.status, answer.body)
            else:
                _refused(answer, route)
                refused.add(route.name)
        assert refused == {"put manifest", "begin upload", "mount", "small chunk", "chunk", "large chunk"}
        told = await registry.call("POST", "/api/v3/user/tokens", token, json={"scopes": ["read:packages"]})
        assert (told.status, int(told.headers["Retry-After"]) > 0) == (503, True), told.body
        new = await registry.call(
            "PUT", path_of(_NAME, "manifests/v2"), token, data=things.manifest, headers={"Content-Type": MANIFEST}
        )
        _refused(new, "a new tag")
    assert (await registry.call("GET", path_of(_NAME, "manifests/v2"), token)).status == 404
    assert await kept(registry) == before
    for route in ROUTES:
        answer = await route.ask(registry, reader, things)
        assert answer.status in route.fine, (route, answer.status, answer.body)
    await _clean(registry)

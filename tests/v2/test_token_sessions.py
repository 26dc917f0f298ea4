"""A push outlives its token's minutes: a session of an upload carries its own grant, and nothing else does."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from auth.scopes import parse
from tests.support.server import Registry, running

SCOPE = "repository:alice/app:pull,push"


@pytest.fixture
async def registry(env: dict[str, str]) -> AsyncIterator[Registry]:
    """Two replicas whose bearer tokens live for a second."""
    async with running(env, replicas=2, change=lambda settings: replace(settings, token_seconds=1)) as served:
        yield served


async def bearer(registry: Registry, token: str, scope: str = SCOPE) -> dict[str, str]:
    await asyncio.sleep(-time.time() % 1)  # its times are whole seconds: one that is issued late in one ends at once
    given = await registry.call("GET", f"/token?scope={scope}", token)
    assert given.json["expires_in"] == 1  # type: ignore[index]
    return {"Authorization": f"Bearer {given.json['token']}"}  # type: ignore[index]


async def start(registry: Registry, headers: dict[str, str]) -> str:
    started = await registry.call("POST", "/v2/alice/app/blobs/uploads/", headers=headers)
    assert started.status == 202
    return started.headers["Location"]


async def test_a_slow_push_with_short_tokens_succeeds(registry: Registry) -> None:
    alice = await registry.user("alice")
    headers = await bearer(registry, alice)
    pieces = [os.urandom(50_000) for _ in range(20)]
    digest = "sha256:" + hashlib.sha256(b"".join(pieces)).hexdigest()

    async def trickle(some: list[bytes]) -> AsyncIterator[bytes]:
        for piece in some:
            yield piece
            await asyncio.sleep(0.15)

    upload = await start(registry, headers)
    for number, replica in ((0, 0), (10, 1)):
        sent = await registry.call(
            "PATCH", upload, headers=headers, data=trickle(pieces[number : number + 10]), replica=replica
        )
        assert sent.status == 202, sent.body
    status = await registry.call("GET", upload, headers=headers, replica=1)
    assert (status.status, status.headers["Range"]) == (204, "0-999999")
    done = await registry.call("PUT", f"{upload}?digest={digest}", headers=headers)
    assert done.status == 201

    # The session is over, and the token with it; so it is everywhere else.
    for method, path in (
        ("PUT", f"{upload}?digest={digest}"),
        ("GET", upload),
        ("GET", "/v2/"),
        ("HEAD", f"/v2/alice/app/blobs/{digest}"),
        ("GET", f"/v2/alice/app/blobs/{digest}"),
        ("POST", "/v2/alice/app/blobs/uploads/"),
        ("POST", f"/v2/alice/app/blobs/uploads/?mount={digest}&from=alice/app"),
        ("PUT", "/v2/alice/app/manifests/v1"),
        ("GET", "/v2/alice/app/tags/list"),
        ("GET", "/v2/_catalog"),
        ("DELETE", f"/v2/alice/app/blobs/{digest}"),
    ):
        for replica in (0, 1):
            refused = await registry.call(method, path, headers=headers, replica=replica)
            assert refused.status == 401, (method, path)
            assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


async def test_one_put_that_takes_longer_than_its_token(registry: Registry) -> None:
    alice = await registry.user("alice")
    headers = await bearer(registry, alice)
    upload = await start(registry, headers)
    await asyncio.sleep(1.1)
    digest = "sha256:" + hashlib.sha256(b"all").hexdigest()
    assert (await registry.call("PUT", f"{upload}?digest={digest}", headers=headers, data=b"all")).status == 201


async def test_a_session_is_cancelled_with_the_token_that_began_it(registry: Registry) -> None:
    headers = await bearer(registry, await registry.user("alice"))
    upload = await start(registry, headers)
    await asyncio.sleep(1.1)
    assert (await registry.call("DELETE", upload, headers=headers)).status == 204
    assert (await registry.call("PATCH", upload, headers=headers, data=b"x")).status == 401


@pytest.mark.parametrize(("opened_seconds", "status"), [(300, 202), (328, 202), (335, 401)])
async def test_a_session_may_be_begun_as_long_as_its_token_is_taken(
    env: dict[str, str], opened_seconds: int, status: int
) -> None:
    """Clocks differ: a token of 300 seconds is taken for 30 more."""
    async with running(env) as registry:
        services, alice, now = registry.services, await registry.user("alice"), int(time.time())
        upload = (await registry.call("POST", "/v2/alice/app/blobs/uploads/", alice)).headers["Location"]
        issued_at = now - 340
        await services.db.execute("UPDATE uploads SET created_at = to_timestamp($1)", issued_at + opened_seconds)
        account, token = await services.db.fetchrow("SELECT account_id, token_id FROM uploads") or (0, 0)
        text = services.bearer.issue(account_id=account, token_id=token, grants=parse([SCOPE]), now=issued_at)
        headers = {"Authorization": f"Bearer {text}"}
        assert (await registry.call("PATCH", upload, headers=headers, data=b"x")).status == status


async def test_an_expired_token_opens_no_session_of_another(registry: Registry) -> None:
    """Not of another token of the same account, nor one that its own token began after it had expired."""
    alice = await registry.user("alice")
    other = await registry.token("alice")
    bob = await registry.user("bob")
    headers = await bearer(registry, alice)
    pull = await bearer(registry, alice, "repository:alice/none:pull")
    await asyncio.sleep(2.1)
    theirs = await start(registry, await bearer(registry, other))
    later = await start(registry, await bearer(registry, alice))
    for upload in (theirs, later, later.replace("alice/app", "alice/none"), later[:-12] + "0" * 12):
        for token in (headers, pull):
            for method in ("PATCH", "PUT", "GET", "DELETE"):
                query = f"?digest=sha256:{'0' * 64}" if method == "PUT" else ""
                refused = await registry.call(
                    method, upload + query, headers=token, data=b"x" if method == "PATCH" else None
                )
                assert refused.status == 401, (method, upload)
    assert (await registry.call("GET", later, headers=await bearer(registry, bob))).status in {401, 403, 404}
    assert (await registry.call("GET", later, alice)).headers["Range"] == "0-0"


@pytest.mark.parametrize(
    ("sql", "status"),
    [
        ("UPDATE tokens SET revoked_at = now()", 401),
        ("UPDATE tokens SET expires_at = now()", 401),
        ("UPDATE accounts SET suspended_at = now()", 401),
        ("DELETE FROM package_users WHERE user_id = (SELECT id FROM accounts WHERE login = 'bob')", 403),
        ("UPDATE uploads SET state = 'aborted'", 401),
        ("UPDATE uploads SET expires_at = now()", 401),
    ],
)
async def test_rights_are_checked_again_while_it_goes_on(registry: Registry, sql: str, status: int) -> None:
    db = registry.services.db
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await registry.push_image("alice/app", "v1", alice)
    await db.execute("INSERT INTO package_users SELECT p.id, a.id, 2 FROM packages p, accounts a WHERE a.login = 'bob'")
    headers = await bearer(registry, bob)
    upload = await start(registry, headers)
    await asyncio.sleep(1.1)
    assert (await registry.call("PATCH", upload, headers=headers, data=b"some")).status == 202
    await db.execute(sql)
    digest = "sha256:" + hashlib.sha256(b"some").hexdigest()
    for replica in (0, 1):
        refused = await registry.call("PUT", f"{upload}?digest={digest}", headers=headers, replica=replica)
        assert refused.status in {status, 404 if status == 403 else status}, refused.body
    assert await db.fetchrow("SELECT 1 FROM blobs WHERE digest = $1", digest) is None


async def test_who_loses_the_right_during_the_last_request_publishes_nothing(registry: Registry) -> None:
    db = registry.services.db
    alice = await registry.user("alice")
    headers = await bearer(registry, alice)
    upload = await start(registry, headers)

    async def body() -> AsyncIterator[bytes]:
        yield b"so"
        await asyncio.sleep(0.2)
        await db.execute("UPDATE tokens SET revoked_at = now()")
        yield b"me"

    digest = "sha256:" + hashlib.sha256(b"some").hexdigest()
    refused = await registry.call("PUT", f"{upload}?digest={digest}", headers=headers, data=body())
    assert refused.status == 401
    assert await db.fetchrow("SELECT 1 FROM blobs WHERE digest = $1", digest) is None

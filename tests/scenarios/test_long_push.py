"""A push that outlives its token many times over."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from registry.config import Settings
from tests.scenarios.conftest import Person
from tests.support.docker_engine import Engine
from tests.support.server import basic, running
from tests.support.throttle import throttled

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(300)]


def _short(settings: Settings) -> Settings:
    """Tokens that live for five seconds, which no setting lets them."""
    return replace(settings, token_seconds=5)


async def test_a_push_of_a_minute_with_tokens_of_five_seconds(
    env: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    async with running(env, change=_short) as registry:
        token = await registry.user("alice")
        early = await registry.call("GET", "/token?scope=repository:alice/slow:pull,push", token)
        bearer = {"Authorization": f"Bearer {early.json['token']}"}  # type: ignore[index]
        host, _, port = registry.url.removeprefix("http://").partition(":")
        async with throttled(host, int(port), 50_000) as near:
            alice = Person(engine, near, tmp_path)
            await alice.login("alice", token)
            context = tmp_path / "context"
            context.mkdir()
            (context / "big").write_bytes(os.urandom(3_000_000))
            (context / "Dockerfile").write_text("FROM scratch\nCOPY big /big\n")
            await alice.docker("build", "--quiet", "--tag", f"{near}/alice/slow:v1", str(context))
            begun = time.monotonic()
            await alice.docker("push", f"{near}/alice/slow:v1")
            seconds = time.monotonic() - begun
        assert seconds > 50
        assert (await registry.call("GET", "/v2/alice/slow/manifests/v1", token)).status == 200
        elsewhere = await registry.call("GET", "/v2/alice/slow/manifests/v1", headers=bearer)
        assert elsewhere.status == 401


async def test_an_upload_session_goes_on_with_the_token_that_opened_it(env: dict[str, str]) -> None:
    async with running(env, change=_short) as registry:
        token = await registry.user("alice")
        early = await registry.call("GET", "/token?scope=repository:alice/slow:pull,push", token)
        bearer = {"Authorization": f"Bearer {early.json['token']}"}  # type: ignore[index]
        started = await registry.call("POST", "/v2/alice/slow/blobs/uploads/", headers=bearer)
        other = await registry.call("POST", "/v2/alice/slow/blobs/uploads/", headers=basic(await registry.user("bob")))

        async def slowly() -> AsyncIterator[bytes]:
            for _ in range(60):
                yield b"x" * 2000  # half as many are too few
                await asyncio.sleep(1)

        sent = await registry.call("PATCH", started.headers["Location"], data=slowly(), headers=bearer)
        digest = "sha256:" + hashlib.sha256(b"x" * 120_000).hexdigest()
        done = await registry.call("PUT", f"{sent.headers['Location']}?digest={digest}", headers=bearer)
        assert (sent.status, done.status) == (202, 201)
        assert other.status == 403
        assert (await registry.call("POST", "/v2/alice/slow/blobs/uploads/", headers=bearer)).status == 401
        assert (await registry.call("GET", f"/v2/alice/slow/blobs/{digest}", headers=bearer)).status == 401

"""A receiver of webhooks: what it was sent, and what it answers."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web

ALLOWED = {"MOORAGE_EGRESS_ALLOW": "127.0.0.0/8"}
SECRET = "It's a Secret to Everybody"


@dataclass
class Received:
    """A request that a hook was sent."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> str:
        return self.headers["X-Moorage-Event"]

    @property
    def json(self) -> Any:
        if self.headers["Content-Type"] == "application/x-www-form-urlencoded":
            return orjson.loads(parse_qs(self.body.decode())["payload"][0])
        return orjson.loads(self.body)

    @property
    def what(self) -> tuple[str, str, str]:
        """The event, its action and the tag."""
        version = self.json.get("package", self.json.get("registry_package", {})).get("package_version") or {}
        return (
            self.event,
            self.json.get("action", ""),
            version.get("container_metadata", {}).get("tag", {}).get("name", ""),
        )

    def is_signed(self, secret: str = SECRET) -> bool:
        wanted = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return self.headers.get("X-Hub-Signature-256") == f"sha256={wanted}"


@dataclass
class Receiver:
    """``answer``: the status of each request, by what came; it may wait, too."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    status: int = 204
    hanging: set[str] = field(default_factory=set)
    answer: Callable[[Received], web.Response] | None = None

    def of(self, path: str) -> list[Received]:
        return [one for one in self.got if one.path == path]

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """What came, without the pings."""
        return [one.what for one in self.got if one.event != "ping"]

    async def take(self, request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        received = Received(request.path, dict(request.headers), await request.read(), now)
        self.got.append(received)
        if request.path in self.hanging:
            await asyncio.sleep(60)
        return web.Response(status=self.status) if self.answer is None else self.answer(received)


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Receive within the block."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{rest:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()

"""A whole registry in this process: real PostgreSQL, real S3, a real socket."""

import asyncio
import base64
import hashlib
import io
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

import aiohttp
import orjson

from auth.tokens import SCOPES
from registry.accounts.accounts import create_token, create_user
from registry.app import answering, open_services
from registry.config import Settings
from registry.http.api.app import PREFIX
from registry.http.router import Router
from registry.http.server.admission import Admission
from registry.services import Services
from storage.objects.s3.store import S3Store
from tests.support import document

PACKAGES = ("read:packages", "write:packages", "delete:packages")


class S3Server(Protocol):
    """Where it is, and who may."""

    @property
    def endpoint(self) -> str: ...
    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...


def settings_env(database_url: str, s3: S3Server, bucket: str, **more: str) -> dict[str, str]:
    """The environment of a server of ours over these."""
    return {
        "MOORAGE_DATABASE_URL": database_url,
        "MOORAGE_S3_ENDPOINT": s3.endpoint,
        "MOORAGE_S3_BUCKET": bucket,
        "MOORAGE_SECRET_KEY": "test-secret-" * 4,
        "MOORAGE_REDIRECT": "off",
        "MOORAGE_STOP_SECONDS": "0",  # nobody is waited for at the end of a test
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        **more,
    }


def on_disk(env: Mapping[str, str], path: Path) -> dict[str, str]:
    """The same environment, but with the objects in this directory."""
    others = {name: value for name, value in env.items() if not name.startswith(("MOORAGE_S3_", "AWS_"))}
    return {**others, "MOORAGE_STORE_PATH": str(path)}


def basic(token: str, login: str = "anybody") -> dict[str, str]:
    """The Authorization header of docker."""
    return {"Authorization": "Basic " + base64.b64encode(f"{login}:{token}".encode()).decode()}


@dataclass
class Answer:
    """A response with its body read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The first error code of an OCI error."""
        return str(self.json["errors"][0]["code"])  # type: ignore[index]


@dataclass
class Registry:
    """A running server and a client for it. ``urls``: one a replica; ``url`` the first of them."""

    urls: list[str]
    replicas: list[Services]
    http: aiohttp.ClientSession
    tokens: dict[str, str] = field(default_factory=dict)
    routers: list[Router] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def admission(self) -> Admission:
        return self.routers[0].admission

    @property
    def services(self) -> Services:
        return self.replicas[0]

    async def user(self, login: str, scopes: Sequence[str] = PACKAGES, *, site_admin: bool = False) -> str:
        """Makes a user; a token of theirs."""
        await create_user(self.services.db, login, site_admin=site_admin)
        return await self.token(login, scopes)

    async def admin(self) -> str:
        """Makes the administrator; a token with every scope."""
        return await self.user("admin", sorted(SCOPES), site_admin=True)

    async def token(self, login: str, scopes: Sequence[str] = PACKAGES) -> str:
        plain, _ = await create_token(self.services.db, login, scopes)
        return plain.reveal()

    async def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *,
        data: object = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        replica: int = 0,
    ) -> Answer:
        """One request, redirects not followed; ``token`` is an access token, sent as docker does."""
        all_headers = {**(basic(token) if token else {}), **(headers or {})}
        url = path if path.startswith("http") else self.urls[replica] + path
        async with self.http.request(
            method, url, data=data, json=json, headers=all_headers, allow_redirects=False
        ) as response:
            body = await response.read()
        if path.startswith(PREFIX):
            document.check(method, path, response.status, response.headers, body)
        return Answer(response.status, response.headers, body)

    async def push_blob(self, name: str, data: bytes, token: str) -> str:
        """Pushes a blob as docker does: POST, PATCH, PUT; its digest."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        started = await self.call("POST", f"/v2/{name}/blobs/uploads/", token)
        assert started.status == 202, started.body
        sent = await self.call("PATCH", started.headers["Location"], token, data=io.BytesIO(data))
        assert sent.status == 202, sent.body
        location = sent.headers["Location"]
        done = await self.call("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", token)
        assert done.status == 201, done.body
        return digest

    async def push_image(
        self, name: str, tag: str, token: str, *, layers: int = 1, size: int = 1000, **config: object
    ) -> str:
        """Pushes a random image with this config; its manifest's digest."""
        body = orjson.dumps(
            {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, **config}
        )
        blobs = [os.urandom(size) for _ in range(layers)]
        manifest = orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": await self.push_blob(name, body, token),
                    "size": len(body),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar",
                        "digest": await self.push_blob(name, blob, token),
                        "size": len(blob),
                    }
                    for blob in blobs
                ],
            }
        )
        headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        put = await self.call("PUT", f"/v2/{name}/manifests/{tag}", token, data=manifest, headers=headers)
        assert put.status == 201, put.body
        return str(put.headers["Docker-Content-Digest"])


def _clock(ahead_seconds: float) -> Callable[[], float]:
    return lambda: time.time() + ahead_seconds


@asynccontextmanager
async def running(
    env: Mapping[str, str],
    replicas: int = 1,
    change: Callable[[Settings], Settings] = lambda settings: settings,
    ahead_seconds: Sequence[float] = (),
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Registry]:
    """Serves the application on free ports, ``replicas`` times over the same stores; or on this ``port``, once.

    ``ahead_seconds``: how wrong the clock of each replica is, where one is.
    """
    os.environ.update({k: v for k, v in env.items() if k.startswith("AWS_")})  # noqa: TID251 - boto's chain reads it
    urls, services, routers = [], [], []
    async with AsyncExitStack() as stack:
        for _, ahead in zip_longest(range(replicas), ahead_seconds, fillvalue=0.0):
            listener = socket.create_server((host, port))
            url = f"http://{host}:{listener.getsockname()[1]}"
            settings = change(Settings.from_env(env))
            opened = await stack.enter_async_context(open_services(settings, _clock(ahead)))
            routers.append(await stack.enter_async_context(answering(opened, listener)))
            urls.append(url)
            services.append(opened)
        if isinstance(store := services[0].stores, S3Store):
            await store.ensure_bucket()
        http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        yield Registry(urls, services, http, routers=routers)


async def until(true: Callable[[], bool]) -> None:
    """For what nobody tells. Raises TimeoutError after 10 s."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.01)

"""Every route of ``/v2`` with a request that is answered well while all is well."""

import io
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import orjson

from tests.support.server import Answer, Registry
from tests.support.uploading import MIB, Session, noise, sha256

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"

Ask = Callable[[], Awaitable[Answer]]


@dataclass(frozen=True)
class Image:
    """What is in the package: a small blob (in Postgres), a large one (in S3), a manifest, open sessions."""

    small: bytes
    large: bytes
    manifest: bytes
    manifest_digest: str
    session: Session
    fresh: Callable[[], bytes]


def path_of(name: str, rest: str) -> str:
    return f"/v2/{name}/{rest}"


async def image(registry: Registry, name: str, token: str) -> Image:
    small, large = noise(1000, 1), noise(100_000, 2)
    for data in (small, large):
        await registry.push_blob(name, data, token)
    body = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/octet-stream", "digest": sha256(small), "size": len(small)},
            "layers": [{"mediaType": "application/octet-stream", "digest": sha256(large), "size": len(large)}],
        }
    )
    put = await registry.call(
        "PUT", path_of(name, "manifests/v1"), token, data=body, headers={"Content-Type": MANIFEST}
    )
    assert put.status == 201, put.body
    session = await Session.begin(registry, name, token)
    return Image(small, large, body, sha256(body), session, lambda: os.urandom(100_000))


@dataclass(frozen=True)
class Route:
    """``s3``: whether it cannot be answered without S3; ``fine``: what it answers when all is well."""

    name: str
    method: str
    path: Callable[[Image], str]
    fine: tuple[int, ...]
    s3: bool = False
    data: Callable[[Image], bytes] | None = None
    content_type: str | None = None

    async def ask(self, registry: Registry, token: str, things: Image) -> Answer:
        headers = {} if self.content_type is None else {"Content-Type": self.content_type}
        data = None if self.data is None else io.BytesIO(self.data(things))
        return await registry.call(self.method, self.path(things), token, data=data, headers=headers)


def _at(rest: str) -> Callable[[Image], str]:
    return lambda things: path_of(things.session.name, rest)


def _blob(data: Callable[[Image], bytes]) -> Callable[[Image], str]:
    return lambda things: path_of(things.session.name, f"blobs/{sha256(data(things))}")


def _here(things: Image) -> str:
    return things.session.location


_WRONG: Final = sha256(b"no blob has this")

ROUTES: Final = (
    Route("base", "GET", lambda _: "/v2/", (200,)),
    Route("catalog", "GET", lambda _: "/v2/_catalog", (200,)),
    Route("tags", "GET", _at("tags/list"), (200,)),
    Route("referrers", "GET", lambda i: path_of(i.session.name, f"referrers/{i.manifest_digest}"), (200,)),
    Route("get manifest", "GET", _at("manifests/v1"), (200,)),
    Route("head manifest", "HEAD", _at("manifests/v1"), (200,)),
    Route("put manifest", "PUT", _at("manifests/v1"), (201,), data=lambda i: i.manifest, content_type=MANIFEST),
    Route("delete manifest", "DELETE", _at("manifests/none"), (404,)),
    Route("head blob", "HEAD", _blob(lambda i: i.large), (200,)),
    Route("get small blob", "GET", _blob(lambda i: i.small), (200,)),
    Route("get large blob", "GET", _blob(lambda i: i.large), (200,), s3=True),
    Route("delete blob", "DELETE", _at(f"blobs/{_WRONG}"), (404,)),
    Route("begin upload", "POST", _at("blobs/uploads/"), (202,)),
    Route(
        "mount",
        "POST",
        lambda i: path_of("alice/other", f"blobs/uploads/?mount={sha256(i.large)}&from=alice/app"),
        (201,),
    ),
    Route("small chunk", "PATCH", _here, (202,), data=lambda i: i.small),
    Route("chunk", "PATCH", _here, (202,), s3=True, data=lambda i: i.fresh()),
    Route("large chunk", "PATCH", _here, (202,), s3=True, data=lambda i: i.fresh() * (6 * MIB // 100_000)),
    Route("status", "GET", _here, (204,)),
    Route(
        "finish another",
        "PUT",
        lambda i: f"{path_of(i.session.name, 'blobs/uploads/')}00000000-0000-4000-8000-000000000000?digest={_WRONG}",
        (404,),
    ),
    Route(
        "cancel another",
        "DELETE",
        lambda i: f"{path_of(i.session.name, 'blobs/uploads/')}00000000-0000-4000-8000-000000000000",
        (404,),
    ),
)

"""What clients do all the time, as docker does it: pulls, pushes, and a large layer in pieces; counted."""

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from tests.support.server import Answer, Registry

_LAYER_BYTES: Final = 300_000  # in the object store
_CHUNK_BYTES: Final = 4 << 20
_CHUNKS: Final = 4
_PIECE_BYTES: Final = 64 << 10
_PAUSE_SECONDS: Final = 0.03
#: How often docker tries, and what it takes for a reason to try again.
_TRIES: Final = 6
_NOT_THERE: Final = 416  # the registry is elsewhere in the layer
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


async def _slowly(chunk: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(chunk), _PIECE_BYTES):
        yield chunk[start : start + _PIECE_BYTES]
        await asyncio.sleep(_PAUSE_SECONDS)


@dataclass
class Traffic:
    """Clients of one registry. ``tries``: how often each asks until it gives up; ``counts`` is of requests."""

    registry: Registry
    token: str
    tries: int = 1
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    resumed: int = 0
    twice_bytes: int = 0
    over: bool = False
    _digests: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, **more: object) -> Answer:
        """Ask until it is answered, or ask no more."""
        return await self._tried(f"{method} {path}", lambda: self.registry.call(method, path, self.token, **more))  # type: ignore[arg-type]

    async def _tried(self, what: str, asking: Callable[[], Awaitable[Answer]]) -> Answer:
        seen = ""
        for number in range(self.tries):
            self.counts["requests"] += 1
            try:
                answer = await asking()
            except (aiohttp.ClientError, OSError) as error:
                seen = f"{what}: {error!r}"
            else:
                if answer.status not in _AGAIN:
                    return answer
                seen = f"{what}: {answer.status} {answer.body[:200]!r}"
            self.counts["cut"] += 1
            if number + 1 < self.tries:
                await asyncio.sleep(min(2.0, 0.2 * 2**number))
        self.failures.append(seen)
        raise ConnectionError(seen)

    async def push(self, name: str, tag: str) -> None:
        """Push an image of two blobs."""
        config = b'{"architecture":"amd64","os":"linux"}'
        layer = os.urandom(_LAYER_BYTES)
        parts = [await self._blob(name, config), await self._blob(name, layer)]
        manifest = (
            b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":'
            b'{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":'
            b'[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"%s","size":%d}]}'
        ) % (parts[0].encode(), len(config), parts[1].encode(), len(layer))
        headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        put = await self.ask("PUT", f"/v2/{name}/manifests/{tag}", data=manifest, headers=headers)
        self._expect(put, 201)
        self._digests[f"{name}:{tag}"] = put.headers["Docker-Content-Digest"]
        self.counts["pushes"] += 1

    async def _blob(self, name: str, data: bytes) -> str:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        post = await self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data=data)
        self._expect(post, 201)
        return digest

    async def pull(self, reference: str, digest: str) -> None:
        """Pull an image by its tag: the manifest, and each blob whole."""
        name, _, tag = reference.partition(":")
        manifest = await self.ask("GET", f"/v2/{name}/manifests/{tag}")
        self._expect(manifest, 200)
        assert manifest.headers["Docker-Content-Digest"] == digest
        body: dict[str, list[dict[str, str]]] = manifest.json  # type: ignore[assignment]
        for layer in body["layers"]:
            blob = await self.ask("GET", f"/v2/{name}/blobs/{layer['digest']}")
            self._expect(blob, 200)
            assert "sha256:" + hashlib.sha256(blob.body).hexdigest() == layer["digest"]
        self.counts["pulls"] += 1

    async def upload(self, name: str) -> None:
        """Push a layer in pieces, slowly; after a cut go on where the registry says that it is."""
        data = os.urandom(_CHUNKS * _CHUNK_BYTES)
        begun = await self.ask("POST", f"/v2/{name}/blobs/uploads/")
        self._expect(begun, 202)
        place, at, sent = begun.headers["Location"], 0, 0
        while at < len(data):
            chunk = data[at : at + _CHUNK_BYTES]
            sent += len(chunk)
            answer = await self._patch(place, at, chunk)
            if answer is None:
                at = await self._where(place)
                self.resumed += 1
            else:
                place, at = answer.headers["Location"], at + len(chunk)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self._expect(await self.ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}"), 201)
        self.twice_bytes += sent - len(data)
        self.counts["layers"] += 1

    async def _patch(self, place: str, at: int, chunk: bytes) -> Answer | None:
        """Send a piece over a slow line; None: it was cut."""
        headers = {
            "Content-Length": str(len(chunk)),
            "Content-Range": f"{at}-{at + len(chunk) - 1}",
            "Content-Type": "application/octet-stream",
        }
        self.counts["requests"] += 1
        try:
            answer = await self.registry.call("PATCH", place, self.token, data=_slowly(chunk), headers=headers)
        except (aiohttp.ClientError, OSError) as error:
            seen = repr(error)
        else:
            if answer.status not in {*_AGAIN, _NOT_THERE}:
                self._expect(answer, 202)
                return answer
            seen = f"{answer.status} {answer.body[:200]!r}"
        self.counts["cut"] += 1
        if self.tries == 1:
            self.failures.append(f"PATCH {place}: {seen}")
        return None

    async def _where(self, place: str) -> int:
        status = await self.ask("GET", place)
        self._expect(status, 204)
        end = int(status.headers["Range"].partition("-")[2])
        return end + 1 if end else 0

    def _expect(self, answer: Answer, status: int) -> None:
        if answer.status != status:
            self.failures.append(f"{answer.status} and not {status}: {answer.body[:200]!r}")
            raise ConnectionError(self.failures[-1])

    async def run(self) -> None:
        """Pull, push and upload until it is ``over``; who has given up goes on with the next."""
        await self.push("alice/app", "v0")
        async with asyncio.TaskGroup() as tasks:
            for number in range(4):
                tasks.create_task(self._again(self._pull_any))
                if number < 2:
                    tasks.create_task(self._pushes(number))
                tasks.create_task(self._again(lambda: self.upload("alice/large")))

    async def _pull_any(self) -> None:
        for reference, digest in list(self._digests.items())[-3:]:
            await self.pull(reference, digest)

    async def _pushes(self, number: int) -> None:
        count = 0

        async def push() -> None:
            nonlocal count
            count += 1
            await self.push(f"alice/app{number}", f"v{count}")

        await self._again(push)

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        while not self.over:
            try:
                await work()
            except ConnectionError:  # it is among the failures
                await asyncio.sleep(0.2)

    async def check(self) -> None:
        """Pull all that was pushed."""
        for reference, digest in self._digests.items():
            await self.pull(reference, digest)

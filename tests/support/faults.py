"""An HTTP proxy that makes a server fail in chosen ways, most of all an S3 server.

It runs in a thread with a loop of its own, so synchronous tests and other processes can use it as well:

    with FaultProxy("http://127.0.0.1:8333") as proxy:
        proxy.inject(Fault.UNAVAILABLE, op="UploadPart", times=2)
        ...                                 # talk to proxy.url
        assert proxy.count("UploadPart") == 3
"""

import asyncio
import io
import random
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"})


class Fault(Enum):
    """What happens to a request; the upstream server sees it only where it is said."""

    UNAVAILABLE = auto()  # 503 SlowDown after the body was read
    INTERNAL_ERROR = auto()  # 500 InternalError after the body was read
    FULL = auto()  # 507 XMinioStorageFull after the body was read
    RESET = auto()  # the connection is reset before an answer
    DROP_RESPONSE = auto()  # upstream executes it; the connection is reset instead of its answer
    RESET_MIDWAY = auto()  # upstream's headers and half its body, then a reset
    TRUNCATE = auto()  # upstream's headers and half its body, then an orderly end
    SILENCE_MIDWAY = auto()  # upstream's headers and half its body, then nothing
    ERROR_IN_200 = auto()  # upstream executes it; 200 with <Error>InternalError, as S3 may after a long complete
    BLACKHOLE = auto()  # neither the body is read nor an answer given


_REFUSALS = {
    Fault.UNAVAILABLE: (503, "SlowDown"),
    Fault.INTERNAL_ERROR: (500, "InternalError"),
    Fault.FULL: (507, "XMinioStorageFull"),
}


@dataclass(slots=True)
class _Rule:
    fault: Fault
    op: str | None
    times: int | None
    probability: float


class FaultProxy:
    """Forwards to ``upstream`` (scheme, host and port) and fails as told. Control it from any thread.

    The Host header goes through as it came, so what was signed for ``url`` stays valid upstream.
    ``chance`` gives a number in [0, 1).
    """

    def __init__(self, upstream: str, *, chance: Callable[[], float] = random.random) -> None:
        self._upstream = upstream.rstrip("/")
        self._chance = chance
        self._rules: tuple[_Rule, ...] = ()
        self._seen: list[str] = []
        self._ready = threading.Event()
        self._over: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.url = ""

    def start(self) -> Self:
        """Listen on a free port of 127.0.0.1; ``url`` is known afterwards."""
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()
        self._ready.wait(10)
        if not self.url:
            raise RuntimeError("the fault proxy did not start") from self._failure
        return self

    def stop(self) -> None:
        """Close everything; requests in the air are cut."""
        if self._loop is not None and self._over is not None:
            with suppress(RuntimeError):  # the loop is closed: it has ended by itself
                self._loop.call_soon_threadsafe(self._over.set)
        if self._thread is not None:
            self._thread.join(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def inject(self, fault: Fault, *, op: str | None = None, times: int | None = 1, probability: float = 1.0) -> None:
        """Fail the next ``times`` requests (None: all) of operation ``op`` (None: any), each with ``probability``.

        Rules are asked in the order they came; the first that applies decides.
        """
        self._rules = (*self._rules, _Rule(fault, op, times, probability))

    def heal(self) -> None:
        """Forget all faults, and what was seen."""
        self._rules = ()
        self._seen = []

    @property
    def seen(self) -> list[str]:
        """The operations since the last ``heal``, in order."""
        return list(self._seen)

    def count(self, op: str) -> int:
        """How many requests of ``op`` came since the last ``heal``."""
        return self._seen.count(op)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  told by start()
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as http:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                return await self._handle(request, http)

            runner = web.ServerRunner(web.Server(handle, auto_decompress=False), shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._over.wait()
            await runner.cleanup()
        await asyncio.sleep(0.05)  # transports close in the turns of the loop that follow

    def _fault_for(self, op: str) -> Fault | None:
        for rule in self._rules:
            if rule.op not in (None, op) or rule.times == 0 or self._chance() >= rule.probability:
                continue
            if rule.times is not None:
                rule.times -= 1
            return rule.fault
        return None

    async def _handle(self, request: web.BaseRequest, http: aiohttp.ClientSession) -> web.StreamResponse:
        op = operation(request.method, request.rel_url)
        self._seen.append(op)
        fault = self._fault_for(op)
        if fault is Fault.BLACKHOLE:
            assert self._over is not None
            await self._over.wait()
        if fault is Fault.RESET:
            return _reset(request)
        body = await request.content.read() if request.can_read_body else None
        if fault in _REFUSALS:
            return _error(*_REFUSALS[fault])
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        data = None if body is None else io.BytesIO(body)  # aiohttp warns of large bytes
        url = URL(self._upstream + request.raw_path, encoded=True)
        async with http.request(request.method, url, headers=headers, data=data, allow_redirects=False) as answer:
            if fault is Fault.DROP_RESPONSE:
                await answer.read()
                return _reset(request)
            if fault is Fault.ERROR_IN_200:
                await answer.read()
                return _error(200, "InternalError")
            return await self._relay(request, answer, fault)

    async def _relay(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, fault: Fault | None
    ) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=headers)
        if request.method == "HEAD" or fault is None:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response
        await response.prepare(request)
        half = (await answer.read())[: (answer.content_length or 0) // 2]
        await response.write(half)
        if fault is Fault.SILENCE_MIDWAY:
            assert self._over is not None
            await self._over.wait()
        if fault is Fault.TRUNCATE and request.transport is not None:
            request.transport.close()
            return response
        await asyncio.sleep(0.05)  # let the half arrive before the reset overtakes it
        return _reset(request)


def operation(method: str, url: URL) -> str:
    """S3's name for a request in path style, by method and query; else the method."""
    query = url.query
    in_bucket = "/" in url.raw_path.strip("/")
    table: dict[tuple[str, bool], list[tuple[str, str]]] = {
        ("PUT", True): [("partNumber", "UploadPart"), ("", "PutObject")],
        ("POST", True): [("uploads", "CreateMultipartUpload"), ("uploadId", "CompleteMultipartUpload")],
        ("DELETE", True): [("uploadId", "AbortMultipartUpload"), ("", "DeleteObject")],
        ("GET", True): [("uploadId", "ListParts"), ("", "GetObject")],
        ("HEAD", True): [("", "HeadObject")],
        ("POST", False): [("delete", "DeleteObjects")],
        ("GET", False): [("uploads", "ListMultipartUploads"), ("list-type", "ListObjectsV2")],
        ("HEAD", False): [("", "HeadBucket")],
        ("PUT", False): [("", "CreateBucket")],
    }
    for name, op in table.get((method, in_bucket), []):
        if not name or name in query:
            return op
    return method


def _error(status: int, code: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>injected</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        linger = struct.pack("ii", 1, 0)  # close with RST, not FIN
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    return web.Response(status=503)  # goes nowhere

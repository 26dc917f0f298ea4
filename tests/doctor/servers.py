"""What stands before a registry and an S3 server, right and wrong."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from registry.devservers.certificates import CertificateFiles

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_PATH = re.compile(rb"^[A-Z]+ (\S+)")


@asynccontextmanager
async def front(
    upstream: str,
    port: int = 0,
    *,
    tls: CertificateFiles | None = None,
    limit: int | None = None,
    collects: bool = False,
    asks: int = 0,
    header: str = "",
    refuses: str = "",
) -> AsyncIterator[str]:
    """A proxy before ``upstream``; its URL. One request a connection.

    ``limit``: longer bodies are 413. ``collects``: it wants whole bodies first. ``asks``: it asks for
    a body by itself, and answers after so many bytes. ``header``: a field that it adds to
    requests. ``refuses``: a part of the target that is 403 AccessDenied.
    """
    parts = urlsplit(upstream)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(found[1]) if (found := _LENGTH.search(head)) else 0
            target = found[1] if (found := _PATH.match(head)) else b""
            if limit is not None and length > limit:
                writer.write(_answer(413, "text/html", b"<html>Request Entity Too Large"))
                await writer.drain()
                async with asyncio.timeout(2):  # as nginx: who is still sending would be reset, and not read the answer
                    while await reader.read(65536):
                        pass
            elif refuses and refuses.encode() in target:
                writer.write(_answer(403, "application/xml", b"<Error><Code>AccessDenied</Code></Error>"))
            else:
                if (collects or asks) and length:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    await reader.readexactly(length if collects else asks)
                field = f"\r\nConnection: close{header and chr(13) + chr(10)}{header}\r\n\r\n".encode()
                await _pass_on(reader, writer, head[:-4] + field, (parts.hostname or "", parts.port or 80))
            await writer.drain()

    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
    async with _serving(handle, port, context) as number:
        yield f"http{'s' if tls else ''}://localhost:{number}"


@asynccontextmanager
async def canned(status: int, kind: str, body: bytes, **headers: str) -> AsyncIterator[str]:
    """A server that answers the same to everything; its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_answer(status, kind, b"" if head.startswith(b"HEAD") else body, **headers))
            await writer.drain()

    async with _serving(handle, 0, None) as number:
        yield f"http://localhost:{number}"


def _answer(status: int, kind: str, body: bytes, **headers: str) -> bytes:
    fields = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + body


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, place: tuple[str, int]
) -> None:
    there, back = await asyncio.open_connection(*place)
    back.write(head)

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()

    body = asyncio.ensure_future(pump(reader, back))
    try:
        await pump(there, writer)
    finally:
        body.cancel()
        back.transport.abort()


@asynccontextmanager
async def _serving(handle: Handler, port: int, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    handlers = set[asyncio.Task[None]]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        with suppress(asyncio.CancelledError):
            await handle(reader, writer)
        writer.close()
        handlers.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)

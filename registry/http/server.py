"""How the application meets the network: limits, deadlines, TLS."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Final

import structlog
from aiohttp import web

from registry.config import Settings, TlsSettings

log = structlog.get_logger()

_KEEPALIVE_SECONDS: Final = 75.0
#: What requests under way get when the process stops.
_SHUTDOWN_SECONDS: Final = 20.0
_TLS_POLL_SECONDS: Final = 5.0


@contextlib.asynccontextmanager
async def serving(app: web.Application, settings: Settings, listener: socket.socket) -> AsyncIterator[None]:
    """Serves ``app`` on ``listener`` within the block; afterwards finishes the requests under way."""
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,  # digests are over the bytes as sent; and no bomb is ever unpacked
        keepalive_timeout=_KEEPALIVE_SECONDS,
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        handler_cancellation=False,
    )
    await runner.setup()
    try:
        async with _tls(settings.tls) as context:
            await web.SockSite(runner, listener, ssl_context=context, backlog=1024).start()
            yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _tls(settings: TlsSettings | None) -> AsyncIterator[ssl.SSLContext | None]:
    """A context whose certificate is read again when its files change; connections made before keep the old one."""
    if settings is None:
        yield None
        return
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.certificate, settings.key)
    async with asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(_reload(context, settings))
        try:
            yield context
        finally:
            watcher.cancel()


async def _reload(context: ssl.SSLContext, settings: TlsSettings) -> None:
    seen = _stamps(settings)
    while True:
        await asyncio.sleep(_TLS_POLL_SECONDS)
        now = _stamps(settings)
        if now == seen:
            continue
        try:
            context.load_cert_chain(settings.certificate, settings.key)
        except (OSError, ssl.SSLError) as error:
            # Half-written files: the old certificate serves on until they are whole.
            log.warning("tls.not_reloaded", error=str(error))
        else:
            seen = now
            log.info("tls.reloaded")


def _stamps(settings: TlsSettings) -> list[tuple[int, int]]:
    stamps = []
    for path in (settings.certificate, settings.key):
        with contextlib.suppress(OSError):
            stat = os.stat(path)
            stamps.append((stat.st_mtime_ns, stat.st_ino))
    return stamps

"""The server's TLS certificate, reloaded when its files change."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from registry.process.certificates import TlsSettings

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def tls_context(settings: TlsSettings | None) -> AsyncIterator[ssl.SSLContext | None]:
    """A context whose certificate follows its files; connections made before keep the old one. None: no TLS."""
    if settings is None:
        yield None
        return
    context = _loaded(settings)
    async with asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(_follow(context, settings))
        try:
            yield context
        finally:
            watcher.cancel()


def _loaded(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    settings.load(context)
    return context


async def _follow(context: ssl.SSLContext, settings: TlsSettings) -> None:
    seen = _stamps(settings)
    while True:
        await asyncio.sleep(settings.poll_seconds)
        now = _stamps(settings)
        if now == seen:
            continue
        try:
            # Tried on another context first: a certificate without its key would end the one that serves.
            _loaded(settings)
            settings.load(context)
        except (OSError, ssl.SSLError) as error:
            # Half-written files: the old certificate serves on until they are whole.
            log.warning("tls.not_reloaded", error=str(error))
        else:
            seen = now
            log.info("tls.reloaded")


def _stamps(settings: TlsSettings) -> list[tuple[int, int, int]]:
    stamps = []
    for path in (settings.certificate, settings.key):
        with contextlib.suppress(OSError):
            stat = Path(path).stat()
            stamps.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
    return stamps

"""The composition root: opens the stores, builds the services, mounts the dialects. The only file that wires."""

import asyncio
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
import uvloop

from auth.bearer import Bearer, BearerKeys, BearerSettings
from auth.passwords import Hasher
from registry.accounts.audit_sinks import sink_of
from registry.config import Settings
from registry.http.login_throttle import LoginThrottle
from registry.http.outbound import fetch, post, send
from registry.http.pages import make_app
from registry.http.router import Router
from registry.http.server.connections import Ending
from registry.http.server.guest import guests
from registry.http.server.listen import serving
from registry.jobs import runner
from registry.packages.activity import Activity
from registry.packages.blobs import Blobs
from registry.packages.downloads import counting
from registry.packages.packages import Packages
from registry.packages.publishing import Manifests
from registry.packages.roles import Accesses
from registry.packages.tags import Tags
from registry.packages.versions import Versions
from registry.process import logs
from registry.process.supervisor import EXIT_SETTINGS, Task
from registry.services import Services
from registry.uploads.buffer_pool import BufferPool
from registry.uploads.sessions import Uploads
from storage.errors import StorageError
from storage.metadata.connections import Unusable
from storage.metadata.database import open_database
from storage.metadata.reads.lookups import open_lookups
from storage.metadata.retags import open_retags
from storage.objects.base import Stores
from storage.objects.local.store import LocalSettings, LocalStore
from storage.objects.s3.store import S3Settings, S3Store

if TYPE_CHECKING:
    from registry.accounts.oidc_login import Keyless
    from registry.accounts.oidc_sign_in import OidcSignIn

log = structlog.get_logger()

#: How far the clocks of replicas may differ, unless tokens are so short that this would be most of them.
_LEEWAY_SECONDS: Final = 30


@asynccontextmanager
async def open_services(settings: Settings, now: Callable[[], float] = time.time) -> AsyncIterator[Services]:
    """Open the services of a process, and close them at the end; ``now`` is Unix seconds. Raises Unavailable."""
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(open_database(settings.database))
        stores = await stack.enter_async_context(open_stores(settings.store, now))
        lookups = await stack.enter_async_context(open_lookups(db))
        service = "moorage" if settings.public_url is None else settings.public_url.partition("://")[2]
        yield Services(
            settings=settings,
            db=db,
            lookups=lookups,
            stores=stores,
            bearer=Bearer(
                BearerKeys.from_secrets(settings.secrets),
                BearerSettings(
                    issuer="moorage",
                    service=service,
                    ttl_seconds=settings.token_seconds,
                    leeway_seconds=min(_LEEWAY_SECONDS, settings.token_seconds // 10),
                ),
            ),
            uploads=Uploads(
                db, stores, settings.uploads, BufferPool(settings.uploads.buffer_bytes), uuid.uuid4, lookups.known
            ),
            blobs=Blobs(db, lookups, settings.uploads.link_grace_seconds),
            manifests=Manifests(db, stores, settings.linking, await stack.enter_async_context(open_retags(db))),
            packages=Packages(db, settings.lifetimes),
            versions=Versions(db, settings.lifetimes),
            tags=Tags(db),
            activity=Activity(db),
            accesses=Accesses(db),
            downloads=await stack.enter_async_context(counting(db)),
            keyless=_keyless(settings, service),
            oidc=_oidc(settings),
            hasher=Hasher(),
            audit_sink=sink_of(settings.audit.sink, settings.audit.token, send),
            now=now,
        )


def preload(settings: Settings) -> None:
    """Import the modules these settings need before the fork, so that the processes share their memory."""
    if isinstance(settings.store, S3Settings) and settings.store.credentials is None:
        import storage.objects.s3.chain  # noqa: F401, PLC0415 - see there what it costs
    if settings.oidc_issuers:
        import registry.accounts.oidc_login  # noqa: PLC0415 - see below
    if settings.sign_in_providers:
        import registry.accounts.oidc_sign_in  # noqa: F401, PLC0415 - see below


def require_database(settings: Settings) -> None:
    """Exit with a line for the operator where no worker could ever use the database; one that is away is waited for."""

    async def look() -> None:
        async with open_database(settings.database):
            pass

    try:
        asyncio.run(look())
    except Unusable as error:
        sys.stderr.write(f"moorage: {error}\n")
        sys.exit(EXIT_SETTINGS)
    except StorageError:
        return


def _keyless(settings: Settings, service: str) -> "Keyless | None":
    if not settings.oidc_issuers:
        return None
    from registry.accounts.oidc_login import Keyless  # noqa: PLC0415 - the JWTs of others take a process 2 MiB

    return Keyless(settings.oidc_issuers, service, fetch, grace_seconds=settings.uploads.upload_seconds)


def _oidc(settings: Settings) -> "OidcSignIn | None":
    if not settings.sign_in_providers:
        return None
    from registry.accounts.oidc_sign_in import OidcSignIn, Seal  # noqa: PLC0415 - as above

    return OidcSignIn(settings.sign_in_providers, Seal(settings.secrets), fetch, post)


def open_stores(
    settings: S3Settings | LocalSettings, now: Callable[[], float] = time.time
) -> AbstractAsyncContextManager[Stores]:
    """Open the object store of these settings; ``now`` is Unix seconds. Raises Unavailable."""
    if isinstance(settings, LocalSettings):
        return LocalStore.open(settings, now_ns=lambda: int(now() * 1e9))
    return S3Store.open(settings, now=lambda: datetime.fromtimestamp(now(), UTC))


@asynccontextmanager
async def answering(services: Services, listener: socket.socket) -> AsyncIterator[Router]:
    """Answer on ``listener`` within the block."""
    throttle = LoginThrottle()
    async with asyncio.TaskGroup() as tasks, guests(make_app(services, throttle)) as made:
        router = Router(services, throttle, made, tasks)
        ending = Ending(services.leaving, services.uploads.draining, router.running)
        async with serving(router, services.settings, listener, ending):
            yield router


def serving_tasks(settings: Settings, listeners: Sequence[socket.socket]) -> list[Task]:
    """Return the supervised processes that answer clients, one a listener."""
    return [Task(f"server-{i}", partial(serve_worker, settings, i, s), s) for i, s in enumerate(listeners)]


def serve_worker(settings: Settings, index: int, listener: socket.socket) -> None:
    """Run one process of ``moorage serve``: serve on ``listener`` until SIGTERM or SIGINT, then drain."""
    logs.configure()
    uvloop.run(_serve(settings, index, listener))


async def _serve(settings: Settings, index: int, listener: socket.socket) -> None:
    stopping = runner.stop_signals(asyncio.get_running_loop())
    async with open_services(settings) as services, answering(services, listener):
        log.info("serve.ready", worker=index, host=settings.host, port=settings.port)
        await stopping.wait()
        log.info(
            "serve.leaving", worker=index, drain_seconds=settings.drain_seconds, stop_seconds=settings.stop_seconds
        )
        services.leaving.set()
        await asyncio.sleep(settings.drain_seconds)


def run_worker(settings: Settings) -> None:
    """Run ``moorage worker``: the jobs, until SIGTERM or SIGINT."""
    logs.configure()
    uvloop.run(_work(settings))


async def _work(settings: Settings) -> None:
    stopping = runner.stop_signals(asyncio.get_running_loop())
    async with open_services(settings) as services:
        await runner.run(services, stopping)

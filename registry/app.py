"""The composition root: opens the stores, builds the services, mounts the dialects. The only file that wires."""

import asyncio
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import structlog
import uvloop

from auth.bearer import Bearer, BearerKeys, BearerSettings
from auth.sealing import Sealing
from registry.accounts.identity_tokens import IdentityTokens
from registry.config import Settings
from registry.egress.client import Egress
from registry.egress.streams import Streams
from registry.hooks.hooks import Hooks
from registry.hooks.payloads import Addresses
from registry.hooks.sending import Sender
from registry.http.login_throttle import LoginThrottle
from registry.http.pages import make_app
from registry.http.router import Router
from registry.http.server.connections import Ending
from registry.http.server.guest import guests
from registry.http.server.listen import serving
from registry.mirror.blobs import MirrorBlobs
from registry.mirror.mirroring import Mirroring, watching
from registry.mirror.mirrors import Mirrors
from registry.mirror.upstream import Upstream
from registry.packages.activity import Activity
from registry.packages.blobs import Blobs
from registry.packages.downloads import counting
from registry.packages.packages import Packages
from registry.packages.publishing import Manifests
from registry.packages.retention.rules import Retention
from registry.packages.roles import Accesses
from registry.packages.tags import Tags
from registry.packages.versions import Versions
from registry.process import logs
from registry.process.outages import noting_outages
from registry.process.rates import Rates, SharedRates
from registry.process.stopping import stop_signals
from registry.process.supervisor import EXIT_SETTINGS, Task, listen
from registry.rate_limits import limits_of
from registry.redirects.targets import Redirects
from registry.services import Services
from registry.uploads.buffer_pool import BufferPool
from registry.uploads.sessions import Uploads
from storage.errors import StorageError, Unavailable
from storage.metadata.connections import Unusable
from storage.metadata.database import Database, open_database
from storage.metadata.readiness import require_ready
from storage.metadata.reads.lookups import open_lookups
from storage.metadata.retags import open_retags
from storage.metadata.statement_watch import StatementWatch
from storage.objects.base import Stores
from storage.objects.local.store import LocalSettings, LocalStore
from storage.objects.s3.store import S3Settings, S3Store
from storage.operations import RecordedTasks

if TYPE_CHECKING:
    from auth.passwords import Hasher
    from registry.accounts.audit_sinks import Sink
    from registry.accounts.oidc_sign_in import OidcSignIn
    from registry.http.tracing import Tracer
    from registry.monitoring import Measured, Place

log = structlog.get_logger()

#: How far the clocks of replicas may differ, unless tokens are so short that this would be most of them.
_LEEWAY_SECONDS: Final = 30
#: Between two attempts to open stores that are away.
_AGAIN_SECONDS: Final = 1.0


@asynccontextmanager
async def open_services(
    settings: Settings, now: Callable[[], float] = time.time, rates: Rates | None = None
) -> AsyncIterator[Services]:
    """Open the services of a process, and close them at the end. Raises Unavailable.

    ``now``: Unix seconds; ``rates``: what the process counts on together with others; None: it counts for itself.
    """
    async with AsyncExitStack() as stack:
        # What batches wait for is of all who wait for them, and traces want to know it.
        group = asyncio.TaskGroup if settings.tracing is None else RecordedTasks
        watch = None if settings.admin_address is None and settings.tracing is None else StatementWatch()
        db = await stack.enter_async_context(open_database(settings.database, watch))
        stores = await stack.enter_async_context(open_stores(settings.store, now))
        outages = await stack.enter_async_context(noting_outages(partial(require_ready, db), stores.ping))
        lookups = await stack.enter_async_context(open_lookups(db, group))
        hooks, tasks = Hooks(db, Sealing(settings.secrets), settings.egress_allow), asyncio.TaskGroup()
        await stack.enter_async_context(tasks)
        service = "moorage" if settings.public_url is None else settings.public_url.partition("://")[2]
        uploads = Uploads(
            db, stores, settings.uploads, BufferPool(settings.uploads.buffer_bytes), uuid.uuid4, lookups.known
        )
        mirroring = await stack.enter_async_context(open_mirroring(db, uploads, settings))
        yield Services(
            settings=settings,
            db=db,
            lookups=lookups,
            stores=stores,
            redirects=Redirects(settings.redirects, stores, now),
            bearer=Bearer(
                BearerKeys.from_secrets(settings.secrets),
                BearerSettings(
                    issuer="moorage",
                    service=service,
                    ttl_seconds=settings.token_seconds,
                    leeway_seconds=min(_LEEWAY_SECONDS, settings.token_seconds // 10),
                ),
            ),
            uploads=uploads,
            blobs=Blobs(db, lookups, settings.uploads.link_grace_seconds),
            manifests=Manifests(db, stores, settings.linking, await stack.enter_async_context(open_retags(db, group))),
            packages=Packages(db, settings.lifetimes),
            versions=Versions(db, settings.lifetimes),
            tags=Tags(db),
            activity=Activity(db),
            accesses=Accesses(db),
            downloads=await stack.enter_async_context(
                counting(db, outages, logged=settings.audit.pull_days is not None)
            ),
            retention=Retention(db),
            identity_tokens=_identity_tokens(settings, service),
            oidc=_oidc(settings),
            hasher=cache(_hasher),
            hooks=hooks,
            mirroring=mirroring,
            sender=Sender(db, hooks, Egress(settings.egress_allow), _addresses(settings), tasks),
            audit_sink=_audit_sink(settings),
            outages=outages,
            now=now,
            limits=limits_of(settings.rate_limits, rates),
        )


@asynccontextmanager
async def open_mirroring(db: Database, uploads: Uploads, settings: Settings) -> AsyncIterator[Mirroring]:
    """Open the mirrors of a process. A fetch waits for nobody who holds its session: that one is at it."""
    streams = Streams(Egress(settings.egress_allow))
    upstream = Upstream(streams)
    own = replace(uploads, settings=replace(settings.uploads, busy_seconds=0.0))
    mirroring = Mirroring(db, Mirrors(db, Sealing(settings.secrets)), upstream, MirrorBlobs(upstream, own))
    try:
        async with watching(mirroring):
            yield mirroring
    finally:
        await streams.close()


def _addresses(settings: Settings) -> Addresses:
    """Return where the registry is for whom no request tells: as configured, or on this machine."""
    origin = settings.public_url or f"http://localhost:{settings.port}"
    return Addresses(settings.api_url or f"{origin}/api/v3", origin)


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


def _identity_tokens(settings: Settings, service: str) -> IdentityTokens:
    egress = Egress(settings.egress_allow)
    return IdentityTokens(
        settings.oidc_issuers,
        service,
        fetch=egress.fetch,
        fetch_named=egress.fetch_named,
        grace_seconds=settings.uploads.upload_seconds,
    )


def _audit_sink(settings: Settings) -> "Sink | None":
    if settings.audit.sink is None:
        return None
    from registry.accounts.audit_sinks import sink_of  # noqa: PLC0415 - only a worker sends to it

    return sink_of(settings.audit.sink, settings.audit.token, Egress().send)


def _hasher() -> "Hasher":
    from auth.passwords import Hasher  # noqa: PLC0415 - only pages ask for passwords

    return Hasher()


def _oidc(settings: Settings) -> "OidcSignIn | None":
    if not settings.sign_in_providers:
        return None
    from registry.accounts.oidc_sign_in import OidcSignIn, Seal  # noqa: PLC0415 - as above

    egress = Egress()
    return OidcSignIn(settings.sign_in_providers, Seal(settings.secrets), egress.fetch, egress.post)


def open_stores(
    settings: S3Settings | LocalSettings, now: Callable[[], float] = time.time
) -> AbstractAsyncContextManager[Stores]:
    """Open the object store of these settings; ``now`` is Unix seconds. Raises Unavailable."""
    if isinstance(settings, LocalSettings):
        return LocalStore.open(settings, now_ns=lambda: int(now() * 1e9))
    return S3Store.open(settings, now=lambda: datetime.fromtimestamp(now(), UTC))


@asynccontextmanager
async def answering(
    services: Services, listener: socket.socket, measured: "Measured | None" = None
) -> AsyncIterator[Router]:
    """Answer on ``listener`` within the block."""
    throttle = LoginThrottle()
    async with (
        _tracing(services.settings) as tracer,
        asyncio.TaskGroup() as tasks,
        guests(make_app(services, throttle)) as made,
    ):
        router = Router(services, throttle, made, tasks, tracer)
        ending = Ending(services.leaving, services.uploads.draining, router.running)
        counts = [] if measured is None else measured.counts()
        if tracer is not None:
            counts.append(tracer.finished)
        async with serving(router, services.settings, listener, ending, counts) as server:
            if measured is not None:
                measured.watch(router, server)
            yield router


def _tracing(settings: Settings) -> "AbstractAsyncContextManager[Tracer | None]":
    """Trace requests within the block, if traces are wanted."""
    if settings.tracing is None:
        return nullcontext()
    from registry.http.tracing import open_tracer  # noqa: PLC0415 - only traces need it

    return open_tracer(settings, settings.tracing)


def node_tasks(settings: Settings, *, worker: bool) -> list[Task]:
    """Return the supervised processes of a node: those that answer clients, and the worker. Raises AddressInUse.

    Where there is an address for metrics, each of those that answer shows them there, and all are counted.
    """
    names = [f"server-{number}" for number in range(settings.processes)]
    listeners = listen(settings.host, settings.port, len(names))
    places = _places(settings, names, worker=worker)
    rates = SharedRates(len(names)) if settings.rate_limits else None
    tasks = []
    for number, (name, listener) in enumerate(zip(names, listeners, strict=True)):
        place = places.get(name)
        doors = [listener] if place is None or place.listener is None else [listener, place.listener]
        tasks.append(Task(name, partial(serve_worker, settings, number, listener, place, rates), tuple(doors)))
    if worker:
        tasks.append(Task("worker", partial(run_worker, settings, places.get("worker"))))
    return tasks


def _places(settings: Settings, servers: Sequence[str], *, worker: bool) -> "dict[str, Place]":
    """Return the places of the processes in the monitoring of the node; none without an address for it."""
    if settings.admin_address is None:
        return {}
    from registry.monitoring import WORKER, Monitoring, Place  # noqa: PLC0415 - as above

    workers = [WORKER] if worker else []
    disk = settings.store.path if isinstance(settings.store, LocalSettings) else None
    monitoring = Monitoring([*servers, *workers], settings.metrics_owners, disk)
    # One of them shows the metrics of all: a server, if there are any.
    shown = listen(*settings.admin_address, len(servers) or 1)
    places = {name: Place(monitoring, name, door) for name, door in zip(servers or workers, shown, strict=True)}
    return {**{name: Place(monitoring, name, None) for name in workers}, **places}


def serve_worker(
    settings: Settings,
    index: int,
    listener: socket.socket,
    place: "Place | None" = None,
    rates: SharedRates | None = None,
) -> None:
    """Run one process of ``moorage serve``: serve on ``listener`` until SIGTERM or SIGINT, then drain."""
    logs.configure()
    uvloop.run(_serve(settings, index, listener, place, None if rates is None else rates.of(index)))


async def _serve(
    settings: Settings, index: int, listener: socket.socket, place: "Place | None", rates: Rates | None
) -> None:
    stopping = stop_signals(asyncio.get_running_loop())
    async with AsyncExitStack() as stack:
        services = await _opened(stack, settings, stopping, rates)
        if services is None:
            return
        measured = None if place is None else await stack.enter_async_context(place.measuring(services))
        await stack.enter_async_context(answering(services, listener, measured))
        log.info("serve.ready", worker=index, host=settings.host, port=settings.port)
        await stopping.wait()
        log.info(
            "serve.leaving", worker=index, drain_seconds=settings.drain_seconds, stop_seconds=settings.stop_seconds
        )
        services.leaving.set()
        await asyncio.sleep(settings.drain_seconds)


async def _opened(
    stack: AsyncExitStack, settings: Settings, stopping: asyncio.Event, rates: Rates | None = None
) -> Services | None:
    """Open the services as soon as the stores are there; None: the process is told to stop before."""
    failures, began = 0, time.monotonic()
    while not stopping.is_set():
        try:
            services = await stack.enter_async_context(open_services(settings, rates=rates))
        except Unavailable as error:
            if not failures:
                log.warning("storage.unavailable", error=str(error))
            failures += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _AGAIN_SECONDS)
        else:
            if failures:
                log.warning("storage.available", failures=failures, outage_seconds=round(time.monotonic() - began, 1))
            return services
    return None


def run_worker(settings: Settings, place: "Place | None" = None) -> None:
    """Run ``moorage worker``: the jobs, until SIGTERM or SIGINT. Raises AddressInUse."""
    logs.configure()
    uvloop.run(_work(settings, place or _places(settings, (), worker=True).get("worker")))


async def _work(settings: Settings, place: "Place | None") -> None:
    from registry.jobs.runner import Runs, run  # noqa: PLC0415 - a process that serves does no jobs

    stopping = stop_signals(asyncio.get_running_loop())
    async with AsyncExitStack() as stack:
        services, runs = await _opened(stack, settings, stopping), Runs()
        if services is None:
            return
        if place is not None:
            await stack.enter_async_context(place.measuring(services, runs))
        await run(services, stopping, runs=runs)

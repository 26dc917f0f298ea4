"""Examines a whole deployment by its settings, part by part."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from registry.config import Settings
from registry.doctor.front import address_of, check_front
from registry.doctor.postgres import check_postgres
from registry.doctor.pushing import check_push
from registry.doctor.redirects import check_redirects
from registry.doctor.report import Check, hint, is_sound, right, wrong
from registry.doctor.stores import check_store, key_of
from registry.doctor.traces import check_traces
from registry.redirects.rules import Direct
from storage.errors import StorageError, Unavailable
from storage.metadata import read_only
from storage.metadata.database import open_database
from storage.metadata.queues import overdue_since, queues
from storage.objects.base import Stores
from storage.objects.local.store import LocalSettings
from storage.objects.s3.store import S3Settings

OpenStores = Callable[[S3Settings | LocalSettings], AbstractAsyncContextManager[Stores]]


async def examine(
    settings: Settings,
    open_stores: OpenStores,
    name: str,
    *,
    url: str | None = None,
    token: str | None = None,
    now: Callable[[], float] = time.time,
) -> list[Check]:
    """Check everything. ``name``: of the objects that are made and deleted; ``url``: where clients are told to go.

    ``token``: an access token, with which a push is tried.
    """
    origin = address_of(settings, url)
    database = await check_postgres(settings.database, settings, now)
    checks = [right("settings", "complete"), *database]
    if is_sound(database):
        checks += await _check_worker(settings, now)
    try:
        async with open_stores(settings.store) as stores:
            checks += await check_store(stores, settings.store, name, now)
            if isinstance(settings.store, S3Settings) or settings.redirects != (Direct(),):
                checks += await check_redirects(stores, settings, key_of(name, "redirect"), origin, now)
    except Unavailable as error:
        cure = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
        if isinstance(settings.store, LocalSettings):
            cure = "create the directory of MOORAGE_STORE_PATH, and give it to the user of the server (chown)"
        checks.append(wrong("disk" if isinstance(settings.store, LocalSettings) else "S3", str(error), cure))
    front = [*await check_traces(settings.tracing), *await check_front(settings, origin, now)]
    return [*checks, *front, *([] if token is None else [await check_push(origin, token)])]


async def _check_worker(settings: Settings, now: Callable[[], float]) -> list[Check]:
    """Tell from what waits for a worker whether one runs; while the registry is read-only, that much has to wait."""
    try:
        async with open_database(settings.database) as db:
            found, switch = await queues(db, settings.lifetimes.restore_seconds), await read_only.state(db)
    except StorageError:
        return []  # the connections are taken, which is told already
    if switch is not None:
        told = f"read-only since {switch.since:%Y-%m-%d %H:%M:%SZ}: {switch.reason}"
        return [hint("registry", told, "moorage readonly off ends it")]
    since = overdue_since(found, datetime.fromtimestamp(now(), UTC))
    if since is None:
        return [right("worker", "nothing waits for it that is overdue")]
    told = f"work has been due since {since:%Y-%m-%d %H:%M:%SZ} (moorage gc status)"
    return [hint("worker", told, "start moorage worker, or look into its log; moorage gc now does the work once")]

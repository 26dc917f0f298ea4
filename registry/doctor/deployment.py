"""Examines a whole deployment by its settings, part by part."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from registry.config import Settings
from registry.doctor.front import address_of, check_front
from registry.doctor.postgres import check_postgres
from registry.doctor.pushing import check_push
from registry.doctor.report import Check, right, wrong
from registry.doctor.stores import check_redirect, check_store
from storage.errors import Unavailable
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
    checks = [right("settings", "complete"), *await check_postgres(settings.database, settings, now)]
    try:
        async with open_stores(settings.store) as stores:
            checks += await check_store(stores, settings.store, name, now)
            if isinstance(settings.store, S3Settings):
                checks += await check_redirect(stores, settings, settings.store, name, origin, now)
    except Unavailable as error:
        cure = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
        if isinstance(settings.store, LocalSettings):
            cure = "create the directory of MOORAGE_STORE_PATH, and give it to the user of the server (chown)"
        checks.append(wrong("disk" if isinstance(settings.store, LocalSettings) else "S3", str(error), cure))
    front = await check_front(settings, origin, now)
    return [*checks, *front, *([] if token is None else [await check_push(origin, token)])]

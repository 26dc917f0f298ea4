"""What an adoption takes in time and memory: `python -m tests.scale.adoption`, over generated blobs in the S3 of `make run`."""

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Coroutine
from itertools import islice
from pathlib import Path
from typing import Any

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.migrate import migrate
from tests.support.processes import measured
from tests.support.server import Registry, running, settings_env
from tests.support.shelved import Shelf

_LAYERS = 9
_AT_ONCE = 64


async def _fill(registry: Registry, images: int) -> None:
    """Images of nine layers and a config each, a hundred to a repository."""
    await registry.user("team")
    shelf = Shelf(registry.services.stores)
    made = (_image(shelf, n) for n in range(images))
    while batch := list(islice(made, _AT_ONCE)):
        await asyncio.gather(*batch)


def _image(shelf: Shelf, n: int) -> Coroutine[Any, Any, str]:
    layers = [f"layer {layer} of {n}".encode() for layer in range(_LAYERS)]
    return shelf.image(f"team/app-{n // 100}", f"v{n}", layers=layers)


async def _adopt(env: dict[str, str], title: str) -> None:
    begun = time.monotonic()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "adopt", env={"PATH": os.defpath, **measured(), **env}
    )
    assert await child.wait() == 0
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{title}: {time.monotonic() - begun:.0f} s, the largest process so far {peak:.0f} MiB", flush=True)


async def _run(postgres: EmbeddedPostgres, s3: EmbeddedS3, images: int) -> None:
    env = settings_env(postgres.dsn("postgres"), s3, "adopted")
    await migrate(postgres.dsn("postgres"))
    begun = time.monotonic()
    async with running(env) as registry:
        await _fill(registry, images)
    print(f"filled in {time.monotonic() - begun:.0f} s", flush=True)
    await _adopt(env, "first")
    await _adopt(env, "again")


def main() -> None:
    """Fill and adopt; the number of images is the argument, 10,000 without one."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as postgres:
        s3 = EmbeddedS3(Path(folder) / "s3", volumes=100)
        s3.start()
        try:
            asyncio.run(_run(postgres, s3, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
        finally:
            s3.stop()


if __name__ == "__main__":
    main()

"""The commands that run the registry: serve, worker, run. Imports stand in the commands: `--help` needs none."""
# ruff: noqa: PLC0415

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

#: What is cut at the end of the time that the settings give it has so long to be made durable, and to be told.
_GRACE_SECONDS: Final = 25.0


def serve() -> None:
    """Answer clients, with MOORAGE_WORKERS processes on MOORAGE_LISTEN."""
    from registry.app import node_tasks, preload, require_database
    from registry.config import Settings
    from registry.process import logs
    from registry.process.supervisor import EXIT_SETTINGS, Signals, Supervisor, run_in_child

    logs.configure()
    settings = Settings.from_env()
    preload(settings)
    tasks = node_tasks(settings, worker=False)
    with Signals() as signals:
        if run_in_child(partial(require_database, settings), signals) == EXIT_SETTINGS:
            raise typer.Exit(EXIT_SETTINGS)
        grace_seconds = settings.drain_seconds + settings.stop_seconds + _GRACE_SECONDS
        status = Supervisor(tasks, signals).run(grace_seconds)
    raise typer.Exit(status)


def worker() -> None:
    """Do the work that no client waits for: clean-up."""
    from registry.app import run_worker
    from registry.config import Settings

    run_worker(Settings.from_env())


def run(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 5000,
    data: Annotated[Path, typer.Option(help="The directory of everything that is kept.")] = Path(".moorage"),
    workers: Annotated[int | None, typer.Option(min=1, help="Serving processes; one a core.")] = None,
    *,
    name: Annotated[str, typer.Option(help="The name or address by which other machines reach it.")] = "",
    https: Annotated[bool, typer.Option("--https", help="Speak HTTPS, with a certificate made here.")] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="A certificate for HTTPS, with its chain: PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The key of the certificate: PEM.")] = None,
    store: Annotated[Literal["s3", "local"], typer.Option(help="local: a directory instead of the S3 server.")] = "s3",
    follow_parent: Annotated[bool, typer.Option("--follow-parent", hidden=True)] = False,
) -> None:
    """Run everything here: the registry, and a PostgreSQL and an S3 server of its own."""
    started = time.monotonic()  # the imports are part of the wait
    from registry.cli import run as standalone
    from registry.cli.door import Door
    from registry.process import logs
    from registry.process.supervisor import Signals

    logs.configure()
    if follow_parent:
        standalone.follow_parent()
    with Signals() as signals:
        door = Door(host, port, name, https=https, certificate=tls_cert, key=tls_key)
        one = standalone.Standalone(door, data.absolute(), workers or _cores(), store == "local", signals)
        status = one.run(started)
    raise typer.Exit(status)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1

"""Fills a database as a large registry would have it, and measures: sizes, the plan of every statement, every route.

    python -m tests.scale [--scale 1.0] [--data DIRECTORY | --database URL]

At scale 1: 1 M packages, 10 M manifests, 30 M tags; 43 GB and a quarter of an hour. DIRECTORY is kept, and measured
without being filled when it is full already; without one the data go with the run. Exits 1 when a statement or a route
breaks its limit.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.seaweed import EmbeddedS3
from tests.scale.fill import fill
from tests.scale.plans import ALLOWED, LOOKED_AT, explain
from tests.scale.routes import measure
from tests.scale.sizes import growth, sizes
from tests.scale.updates import FILLFACTORS, hot
from tests.scale.world import World
from tests.support.processes import served
from tests.support.server import running, settings_env

P99_MS: Final = 50.0
#: While nothing is there that could be lost.
_LOADING: Final = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "off",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_parallel_maintenance_workers": "0",
}


@contextmanager
def _embedded(place: Path, world: World) -> Iterator[str]:
    """The address of a server of our own, with the world in it."""
    full = (place / "full").exists()
    server = EmbeddedPostgres(place)
    if not full:
        with server:
            asyncio.run(_alter(server.dsn(), [f"SET {name} = '{value}'" for name, value in _LOADING.items()]))
        with server:
            asyncio.run(fill(server.dsn(), world))
            asyncio.run(_alter(server.dsn(), ["RESET ALL"]))
        (place / "full").touch()
    with server:
        yield server.dsn()


async def _alter(database_url: str, changes: list[str]) -> None:
    connection = await asyncpg.connect(database_url)
    for change in changes:
        await connection.execute(f"ALTER SYSTEM {change}")
    await connection.close()


async def _measure(database_url: str, world: World, place: Path) -> int:
    """Prints tables of Markdown; how many limits were broken."""
    connection = await asyncpg.connect(database_url, server_settings={"jit": "off"}, command_timeout=None)
    await _tell_sizes(connection)
    broken = await _tell_plans(connection, world)
    await connection.close()
    with EmbeddedS3(place / "s3") as s3:
        env = settings_env(database_url, s3, "scale") | {"MOORAGE_REDIRECT": "on", "MOORAGE_WORKERS": "1"}
        async with running(env) as local, served(env, 1, place / "serve.log") as urls:
            times = await measure(urls[0], local.services.db, world)
    print(f"\n| of {times[0].calls} calls each, ms | p50 | p99 | most | 2xx, 3xx |\n|---|---|---|---|---|")
    for route in times:
        print(f"| {route.title} | {route.p50:.1f} | {route.p99:.1f} | {route.most:.1f} | {route.done} |")
    slow = [route.title for route in times if route.p99 > P99_MS]
    print(f"\nroutes: {len(times)}; over {P99_MS:.0f} ms at p99: {slow or 'none'}")
    return broken + len(slow)


async def _tell_sizes(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    found = await sizes(connection)
    print("\n| table | rows | MB | bytes a row | of them table | indexes |\n|---|---|---|---|---|---|")
    for size in found:
        indexes = ", ".join(f"{name} {taken / size.rows:.0f}" for name, taken in size.indexes.items())
        megabytes = size.a_row * size.rows / 1e6
        print(
            f"| {size.table} | {size.rows:,} | {megabytes:,.0f} | {size.a_row:.0f} |"
            f" {size.heap / size.rows:.0f} | {indexes} |"
        )
    print("\n| adds | bytes |\n|---|---|")
    for event, taken in growth(found).items():
        print(f"| {event} | {taken:,.0f} |")
    fillfactors = " | ".join(f"fillfactor {fillfactor}" for fillfactor in FILLFACTORS)
    print(f"\n| HOT updates | {fillfactors} |\n|---{'|---' * len(FILLFACTORS)}|")
    for table, shares in (await hot(connection)).items():
        print(f"| {table} | {' | '.join(f'{share} %' for share in shares)} |")


async def _tell_plans(connection: "asyncpg.Connection[asyncpg.Record]", world: World) -> int:
    await explain(connection, world, LOOKED_AT)  # once to have read what there is, once to measure
    runs = await explain(connection, world, LOOKED_AT)
    print("\n| statement | ms | pages | rows looked at | |\n|---|---|---|---|---|")
    worst = {run.name: run for run in sorted(runs, key=lambda run: run.pages)}
    shown = {run.name for run in runs if run.faults} | set(sorted(worst, key=lambda n: worst[n].pages)[-20:])
    for run in sorted(worst.values(), key=lambda run: -run.pages):
        if run.name in shown:
            faults = "; ".join(dict.fromkeys(f for r in runs if r.name == run.name for f in r.faults))
            told = f"{faults}. {ALLOWED.get(run.name, 'NOT ALLOWED')}" if faults else ""
            print(f"| {run.name} | {run.milliseconds:.1f} | {run.pages:,} | {run.looked_at:,} | {told} |")
    broken = {run.name for run in runs if run.faults and run.name not in ALLOWED}
    print(f"\nstatements: {len(worst)}, run {len(runs)} times; not allowed: {sorted(broken) or 'none'}")
    return len(broken)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--database")
    given = parser.parse_args()
    world = World(given.scale)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o711)
        if given.database:
            asyncio.run(fill(given.database, world))
            return asyncio.run(_measure(given.database, world, place))
        with _embedded(given.data or place / "postgres", world) as database_url:
            return asyncio.run(_measure(database_url, world, place))


if __name__ == "__main__":
    sys.exit(1 if main() else 0)

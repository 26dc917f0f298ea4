"""The same load on this registry and on distribution, in turn, over the same S3 server, and one table of it.

    python -m bench.table [--rounds 3] [--only push,manifest-get] [--seconds 4]

Needs the program of bench/load; distribution is left out where its program is not there (`make bench` builds both).
Ours asks for tokens, distribution asks for nothing. No blob is redirected to S3: every byte goes through the registry.
"""

import argparse
import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from bench.deployment import USER, ObjectStore, deployed
from registry.devservers.processes import Program, free_ports, is_free, wait_until
from storage.objects.s3.store import S3Settings, S3Store

#: What is compared: of each scenario the figures, and whether more is better.
_PUSHED: Final = {"mib_per_second": True, "cpu_per_gib": False, "server_peak_mib": False}
_ASKED: Final = {"per_second": True, "p99_ms": False, "cpu_per_request": False}
SCENARIOS: Final[dict[str, dict[str, bool]]] = {
    "push": _PUSHED,
    "pull": {"mib_per_second": True, "cpu_per_gib": False},
    "push-small": {"per_second": True, "p99_ms": False},
    **dict.fromkeys(
        ("manifest-get", "manifest-get-digest", "manifest-head", "blob-head", "tag-write", "tag-page"), _ASKED
    ),
    "token": _ASKED,
}
_WORDS: Final = {
    "mib_per_second": "MiB/s",
    "per_second": "a second",
    "p99_ms": "p99, ms",
    "cpu_per_gib": "server CPU, s/GiB",
    "cpu_per_request": "server CPU, ms each",
    "server_peak_mib": "peak memory, MiB",
}
_START_SECONDS: Final = 20.0
_WHOLE: Final = 100  # from here on nobody reads decimals

#: Medians by figure and system.
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class System:
    """A registry that runs; ``token`` "" where it asks for none."""

    name: str
    url: str
    pid: int
    token: str = ""


@contextmanager
def distribution(place: Path, s3: ObjectStore) -> Iterator[System | None]:
    """Distribution on a bucket of its own; None where its program is not on the PATH."""
    program = shutil.which("registry")
    if program is None:
        yield None
        return
    (port,) = free_ports(1)
    storage = {
        "accesskey": s3.access_key,
        "secretkey": s3.secret_key,
        "region": "us-east-1",
        "regionendpoint": s3.endpoint,
        "bucket": "distribution",
        "secure": False,
        "forcepathstyle": True,
        "chunksize": 32 * 1024 * 1024,
    }
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "storage": {"s3": storage, "cache": {"blobdescriptor": "inmemory"}, "redirect": {"disable": True}},
    }
    (place / "distribution.yml").write_bytes(orjson.dumps(config))  # JSON is YAML
    asyncio.run(_bucket(s3, "distribution"))
    server = Program(
        [program, "serve", str(place / "distribution.yml")],
        env={"PATH": os.defpath, "OTEL_TRACES_EXPORTER": "none"},
        log=place / "distribution.log",
        death=signal.SIGKILL,
    )
    try:
        if not wait_until(lambda: not is_free(port), _START_SECONDS):
            raise SystemExit(f"distribution did not start: {server.output()}")
        yield System("distribution", f"http://127.0.0.1:{port}", server.pid)
    finally:
        server.stop((signal.SIGTERM, 5.0))


async def _bucket(s3: ObjectStore, name: str) -> None:
    async with S3Store.open(S3Settings(bucket=name, endpoint=s3.endpoint)) as store:
        await store.ensure_bucket()


def load(system: System, scenario: str, seconds: float, name: str) -> dict[str, Any]:
    """What the load generator tells of one scenario on one system."""
    words = ["moorage-load", "-json", "-url", system.url, "-pid", str(system.pid), "-name", name]
    if system.token:
        words += ["-user", USER, "-password", system.token]
    done = subprocess.run([*words, "-only", scenario, "-d", f"{seconds}s"], check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    if told["mib_per_second"]:
        told["cpu_per_gib"] = told["server_cpu_seconds"] / (told["mib_per_second"] * told["seconds"] / 1024)
    told["cpu_per_request"] = told["server_cpu_seconds"] * 1000 / told["done"]
    return told


def measured(systems: Sequence[System], scenario: str, rounds: int, seconds: float) -> Figures:
    """One scenario, ``rounds`` times, the systems in turn; by figure and system."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for turn in range(rounds):
        for system in systems:
            if scenario == "token" and not system.token:
                continue
            name = f"{USER}/bench{turn}" if scenario in {"push", "pull", "push-small"} else f"{USER}/bench"
            told = load(system, scenario, seconds, name)
            for figure in SCENARIOS[scenario]:
                found[figure][system.name].append(told[figure])
    return {figure: {name: statistics.median(seen) for name, seen in of.items()} for figure, of in found.items()}


def rows(scenario: str, figures: Figures, names: Sequence[str]) -> Iterator[str]:
    """In Markdown; the last column is how many times better the first system is than the second."""
    for figure, values in figures.items():
        first, *others = [values[name] for name in names if name in values]
        ratio = ""
        if others:
            ratio = f"{first / others[0] if SCENARIOS[scenario][figure] else others[0] / first:.1f}"
        cells = [_shown(values.get(name)) for name in names]
        yield f"| {scenario} | {_WORDS[figure]} | {' | '.join(cells)} | {ratio} |"


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= _WHOLE else f"{value:.3g}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", default=",".join(SCENARIOS))
    given = parser.parse_args()
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(deployed(place, MOORAGE_REDIRECT="off"))
        systems = [System("moorage", server.url, server.pid, server.token)]
        peer = stack.enter_context(distribution(place, server.s3))
        if peer is None:
            print("distribution is left out: its program, registry, is not on the PATH", file=sys.stderr)
        else:
            systems.append(peer)
        print(f"S3 server: {server.s3.name}; {os.cpu_count()} cores; medians of {given.rounds}\n")
        names = [system.name for system in systems]
        print(f"| scenario | figure | {' | '.join(names)} | ratio |\n|{'---|' * (len(names) + 3)}")
        for scenario in given.only.split(","):
            for row in rows(scenario, measured(systems, scenario, given.rounds, given.seconds), names):
                print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The same load on this registry and on another, in turn, and one table of it.

    python -m bench.table [--rounds 3] [--only push,manifest-get] [--seconds 4] [--against ../other/checkout]

The other is distribution, over the same S3 server, or with --against this registry as another checkout has it, with
servers of its own. Needs the program of bench/load; distribution is left out where its program is not there (`make
bench` builds both). Ours asks for tokens, distribution asks for nothing. Every byte goes through the registry: no blob
is redirected to S3, but where that is the scenario.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from bench.deployment import ROOT, USER, ObjectStore, deployed, ensure_bucket
from registry.devservers.certificates import CertificateFiles, write_certificate
from registry.devservers.processes import Program, free_ports, is_free, wait_until

#: How the servers of a scenario are run.
PLAIN: Final = "plain"
REDIRECT: Final = "redirect"
TLS: Final = "tls"

#: What is compared: of each scenario the figures, and whether more is better.
_PUSHED: Final = {"mib_per_second": True, "cpu_per_gib": False, "server_peak_mib": False}
_ASKED: Final = {"per_second": True, "p99_ms": False, "cpu_per_request": False}
_HERD: Final = {"seconds": False, "cpu_per_request": False, "server_peak_mib": False}
#: The nodes of a cluster that all begin to pull an image at once.
_NODES: Final = (100, 300, 1000)


@dataclass(frozen=True)
class Scenario:
    """What is measured: the ``load`` of that name, of so many ``clients``, on servers that are run ``how``."""

    load: str
    figures: Mapping[str, bool]
    how: str = PLAIN
    clients: int = 32


SCENARIOS: Final = {
    "push": Scenario("push", _PUSHED),
    "pull": Scenario("pull", {"mib_per_second": True, "cpu_per_gib": False}),
    "push-small": Scenario("push-small", {"per_second": True, "p99_ms": False}),
    **{
        name: Scenario(name, _ASKED)
        for name in (
            "manifest-get",
            "manifest-get-digest",
            "manifest-head",
            "blob-head",
            "tag-write",
            "tag-page",
            "token",
        )
    },
    "blob-redirect": Scenario("blob-redirect", _ASKED, REDIRECT),
    "manifest-get-tls": Scenario("manifest-get", _ASKED, TLS),
    **{f"herd-{nodes}-manifests": Scenario("herd-manifests", _HERD, REDIRECT, nodes) for nodes in _NODES},
    **{f"herd-{nodes}-redirect": Scenario("herd", _HERD, REDIRECT, nodes) for nodes in _NODES},
    **{f"herd-{nodes}": Scenario("herd", _HERD, PLAIN, nodes) for nodes in _NODES},
}
_WORDS: Final = {
    "mib_per_second": "MiB/s",
    "per_second": "a second",
    "seconds": "until the last, s",
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
    """A registry that runs; ``token`` "" where it asks for none; ``certificate``: of TLS, if it speaks that."""

    name: str
    url: str
    pid: int
    token: str = ""
    certificate: CertificateFiles | None = None


@contextmanager
def distribution(
    place: Path, s3: ObjectStore, how: str, certificate: CertificateFiles | None
) -> Iterator[System | None]:
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
    tls = {} if certificate is None else {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "tls": tls},
        "storage": {"s3": storage, "cache": {"blobdescriptor": "inmemory"}, "redirect": {"disable": how != REDIRECT}},
    }
    (place / "distribution.yml").write_bytes(orjson.dumps(config))  # JSON is YAML
    asyncio.run(ensure_bucket(s3, "distribution"))
    server = Program(
        [program, "serve", str(place / "distribution.yml")],
        env={"PATH": os.defpath, "OTEL_TRACES_EXPORTER": "none"},
        log=place / "distribution.log",
        death=signal.SIGKILL,
    )
    try:
        if not wait_until(lambda: not is_free(port), _START_SECONDS):
            raise SystemExit(f"distribution did not start: {server.output()}")
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield System("distribution", url, server.pid, certificate=certificate)
    finally:
        server.stop((signal.SIGTERM, 5.0))


@contextmanager
def running(place: Path, how: str, against: Path | None) -> Iterator[list[System]]:
    """Our registry, and what it is compared with; what they keep is in ``place``."""
    certificate = write_certificate(place / "tls", datetime.now(UTC) + timedelta(days=1)) if how == TLS else None
    redirect = "on" if how == REDIRECT else "off"

    def ours(name: str, checkout: Path) -> tuple[System, ObjectStore]:
        server = stack.enter_context(
            deployed(place / name, checkout=checkout, certificate=certificate, MOORAGE_REDIRECT=redirect)
        )
        return System(name, server.url, server.pid, server.token, certificate), server.s3

    with ExitStack() as stack:
        system, s3 = ours("moorage", ROOT)
        if against is not None:
            yield [system, ours("other", against)[0]]
            return
        peer = stack.enter_context(distribution(place, s3, how, certificate))
        yield [system] if peer is None else [system, peer]


def load(system: System, scenario: Scenario, seconds: float, name: str) -> dict[str, Any]:
    """What the load generator tells of one of its scenarios on one system."""
    words = ["moorage-load", "-json", "-url", system.url, "-pid", str(system.pid), "-name", name]
    if system.token:
        words += ["-user", USER, "-password", system.token]
    env = {"PATH": os.environ["PATH"]}  # noqa: TID251 - where the program of bench/load is
    if system.certificate is not None:
        env["SSL_CERT_FILE"] = str(system.certificate.certificate)
    words += ["-only", scenario.load, "-c", str(scenario.clients), "-d", f"{seconds}s"]
    done = subprocess.run(words, check=True, env=env, stdout=subprocess.PIPE)
    told: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    if told["mib_per_second"]:
        told["cpu_per_gib"] = told["server_cpu_seconds"] / (told["mib_per_second"] * told["seconds"] / 1024)
    told["cpu_per_request"] = told["server_cpu_seconds"] * 1000 / told["done"]
    return told


def measured(systems: Sequence[System], scenario: Scenario, rounds: int, seconds: float) -> Figures:
    """One scenario, ``rounds`` times, the systems in turn; by figure and system."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for turn in range(rounds):
        # Who comes second finds the caches of the first: each comes first as often.
        for system in systems if turn % 2 == 0 else reversed(systems):
            if scenario.load == "token" and not system.token:
                continue
            name = f"{USER}/bench{turn}" if scenario.load in {"push", "pull", "push-small"} else f"{USER}/bench"
            told = load(system, scenario, seconds, name)
            for figure in scenario.figures:
                found[figure][system.name].append(told[figure])
    return {figure: {name: statistics.median(seen) for name, seen in of.items()} for figure, of in found.items()}


def rows(scenario: str, figures: Figures, names: Sequence[str]) -> Iterator[str]:
    """In Markdown; the last column is how many times better the first system is than the second."""
    for figure, values in figures.items():
        first, *others = [values[name] for name in names if name in values]
        ratio = ""
        if others:
            ratio = f"{first / others[0] if SCENARIOS[scenario].figures[figure] else others[0] / first:.2f}"
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
    parser.add_argument("--against", type=lambda text: Path(text).resolve(strict=True), help="another checkout")
    given = parser.parse_args()
    chosen: dict[str, list[str]] = defaultdict(list)
    for name in given.only.split(","):
        chosen[SCENARIOS[name].how].append(name)
    names = ["moorage", "distribution" if given.against is None else "other"]
    if given.against is None and shutil.which("registry") is None:
        print("distribution is left out: its program, registry, is not on the PATH", file=sys.stderr)
        names.pop()
    s3 = "versitygw" if shutil.which("versitygw") else "SeaweedFS"
    print(f"S3 server: {s3}; {os.cpu_count()} cores; medians of {given.rounds}\n")
    print(f"| scenario | figure | {' | '.join(names)} | ratio |\n|{'---|' * (len(names) + 3)}")
    for how, scenarios in chosen.items():
        with tempfile.TemporaryDirectory() as place, running(Path(place), how, given.against) as systems:
            for scenario in scenarios:
                figures = measured(systems, SCENARIOS[scenario], given.rounds, given.seconds)
                print("\n".join(rows(scenario, figures, names)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

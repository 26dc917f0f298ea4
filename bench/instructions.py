"""Instructions that a server takes for a request of each hot path, as callgrind counts them.

That is no time: it is the same on a slow machine, and on a busy one.

    python -m bench.instructions [--record]

Compares with bench/instructions.json and exits 1 where a path takes more than 10 % more; --record writes that file. A
version of Python that is not in it has nothing to be compared with: its figures are printed, and that is all.
"""

import argparse
import http.client
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from bench.deployment import USER, Deployment, deployed
from tests.support.server import basic
from tests.support.uploading import sha256

_BASELINE: Final = Path(__file__).with_name("instructions.json")
_MORE: Final = 1.10
#: What a process does now and then, by the clock, is in some of the batches only: the cheapest counts.
_BATCHES: Final = 4
_REQUESTS: Final = 75
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_PACKAGE: Final = f"/v2/{USER}/hot"
#: Python's own hashes are random from run to run, unless told not to be.
_SETTINGS: Final = {"PYTHONHASHSEED": "0"}

Ask = Callable[[int], None]


class Client:
    """One connection, one request after the other, with the headers of one user."""

    def __init__(self, server: Deployment) -> None:
        self._http = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)
        self._basic = basic(server.token)
        self._bearer: Mapping[str, str] = {}
        token: Any = orjson.loads(self.token())
        self._bearer = {"Authorization": f"Bearer {token['token']}"}

    def ask(self, method: str, path: str, status: int, body: bytes | None = None, **headers: str) -> bytes:
        """The body of the answer, which must have this status."""
        return self._ask(method, path, status, body, {**self._bearer, **headers})

    def token(self) -> bytes:
        return self._ask("GET", f"/token?scope=repository:{USER}/hot:pull,push", 200, None, self._basic)

    def _ask(self, method: str, path: str, status: int, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        self._http.request(method, path, body, dict(headers))
        answer = self._http.getresponse()
        got = answer.read()
        assert answer.status == status, (method, path, answer.status, got)
        return got


def _hot_paths(client: Client) -> dict[str, Ask]:
    config = b"{}"
    client.ask("POST", f"{_PACKAGE}/blobs/uploads/?digest={sha256(config)}", 201, config)
    manifest = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": "application/octet-stream", "digest": sha256(config), "size": len(config)},
            "layers": [],
        }
    )

    def put(number: int) -> None:
        client.ask("PUT", f"{_PACKAGE}/manifests/v{number % 100}", 201, manifest, **{"Content-Type": _MANIFEST})

    put(0)
    return {
        "manifest GET by tag": lambda _: _none(client.ask("GET", f"{_PACKAGE}/manifests/v0", 200)),
        "manifest HEAD by tag": lambda _: _none(client.ask("HEAD", f"{_PACKAGE}/manifests/v0", 200)),
        "blob HEAD": lambda _: _none(client.ask("HEAD", f"{_PACKAGE}/blobs/{sha256(config)}", 200)),
        "tag write": put,
        "token": lambda _: _none(client.token()),
    }


def _none(_: object) -> None:
    pass


@contextmanager
def _counted(place: Path) -> Iterator[Deployment]:
    """A server under callgrind, which counts nothing yet."""
    valgrind = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={place}/count.%p")
    with deployed(place, (*valgrind, sys.executable, "-m", "bench.worker"), **_SETTINGS) as server:
        yield server


def _tell(pid: int, *words: str) -> None:
    subprocess.run(["callgrind_control", *words, str(pid)], check=True, capture_output=True)


def _count(pid: int, place: Path, ask: Ask) -> int:
    """Instructions for one request."""
    for number in range(_REQUESTS // 3):
        ask(number)
    return min(_batch(pid, place, ask) for _ in range(_BATCHES)) // _REQUESTS


def _batch(pid: int, place: Path, ask: Ask) -> int:
    _tell(pid, "--zero")
    for number in range(_REQUESTS):
        ask(number)
    before = set(place.glob("count.*"))
    _tell(pid, "--dump")
    (dumped,) = set(place.glob("count.*")) - before
    found = re.search(r"^(?:summary|totals): (\d+)", dumped.read_text(), re.MULTILINE)
    assert found is not None, dumped
    return int(found[1])


def measured() -> dict[str, int]:
    """Instructions for a request of each path."""
    with tempfile.TemporaryDirectory() as folder, _counted(place := Path(folder)) as server:
        client, pid = Client(server), server.pid
        paths = _hot_paths(client)
        _tell(pid, "--instr=on")
        return {name: _count(pid, place, ask) for name, ask in paths.items()}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true")
    record = parser.parse_args().record
    if shutil.which("callgrind_control") is None:
        print("instructions are not counted: there is no valgrind")
        return 0
    begun = time.monotonic()
    version = f"{platform.machine()} {platform.python_version_tuple()[0]}.{platform.python_version_tuple()[1]}"
    known: dict[str, dict[str, int]] = orjson.loads(_BASELINE.read_bytes()) if _BASELINE.exists() else {}
    found, before = measured(), known.get(version, {})
    print(f"{'instructions for a request':28}{'now':>12}{'recorded':>12}")
    for name, count in found.items():
        print(f"{name:28}{count:12,}{before.get(name, 0):12,}{count / before[name] - 1 if name in before else 0:+8.1%}")
    print(f"{version}, {time.monotonic() - begun:.0f} s")
    if record:
        _BASELINE.write_bytes(orjson.dumps({**known, version: found}, option=orjson.OPT_INDENT_2) + b"\n")
        return 0
    if not before:
        print(f"nothing is recorded for {version}: nothing to compare with")
    grown = [name for name, count in before.items() if found[name] > count * _MORE]
    for name in grown:
        print(f"{name} takes more than {_MORE - 1:.0%} more; if that has to be: make instructions ARGS=--record")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())

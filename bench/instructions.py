"""Instructions that a server takes for a request of each hot path, as callgrind counts them.

That is no time: it is the same on a slow machine, and on a busy one.

    python -m bench.instructions [--record] [--with rules|watching]

Compares with bench/instructions.json and exits 1 where a path takes more than 10 % more; --record writes that file. A
version of Python that is not in it has nothing to be compared with: its figures are printed, and that is all.
--with compares what a server takes as it comes with what it takes with more: a tag rule, a hook and a quota of the
account that is asked; or metrics, those of this owner, and traces.
"""

import argparse
import base64
import hashlib
import http.client
import itertools
import platform
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from bench.deployment import ROOT, USER, Deployment, deployed
from registry.devservers.certificates import CertificateFiles, write_certificate
from registry.devservers.processes import free_ports

_BASELINE: Final = Path(__file__).with_name("instructions.json")
_MORE: Final = 1.10
#: What a process does now and then, by the clock, is in some of the batches only: the cheapest counts.
_BATCHES: Final = 4
_REQUESTS: Final = 75
_LAYER_BYTES: Final = 1 << 20  # smaller ones are answered from PostgreSQL
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_IN_TOTO: Final = "application/vnd.in-toto+json"
_PACKAGE: Final = f"/v2/{USER}/hot"
_BY_TAG: Final = "manifest GET by tag"
_BY_TLS: Final = "manifest GET by tag, TLS"
_SCOPES: Final = ("repo", "user", "write:packages", "site_admin")

Ask = Callable[[int], None]


class Client:
    """One connection, one request after the other, with the headers of one user."""

    def __init__(self, server: Deployment, certificate: CertificateFiles | None) -> None:
        host = urlsplit(server.url).netloc
        self._http = http.client.HTTPConnection(host, timeout=120)
        if certificate is not None:
            trusted = ssl.create_default_context(cafile=str(certificate.certificate))
            self._http = http.client.HTTPSConnection(host, timeout=120, context=trusted)
        self._location = ""
        self._basic = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{server.token}".encode()).decode()}
        self._bearer: Mapping[str, str] = {}
        token: Any = orjson.loads(self.token())
        self._bearer = {"Authorization": f"Bearer {token['token']}"}

    def ask(self, method: str, path: str, status: int, body: bytes | None = None, **headers: str) -> bytes:
        """The body of the answer, which must have this status."""
        return self._ask(method, path, status, body, {**self._bearer, **headers})

    def location(self, method: str, path: str, status: int, body: bytes) -> str:
        """Where the answer, which must have this status, says to go on."""
        self.ask(method, path, status, body)
        return urlsplit(self._location)._replace(scheme="", netloc="").geturl()

    def token(self) -> bytes:
        return self._ask("GET", f"/token?scope=repository:{USER}/hot:pull,push", 200, None, self._basic)

    def _ask(self, method: str, path: str, status: int, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        self._http.request(method, path, body, dict(headers))
        answer = self._http.getresponse()
        got, self._location = answer.read(), answer.headers.get("Location", "")
        assert answer.status == status, (method, path, answer.status, got)
        return got


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _hot_paths(client: Client) -> dict[str, Ask]:
    config = b"{}"
    layer = bytes(_LAYER_BYTES)
    for blob in (config, layer):
        client.ask("POST", f"{_PACKAGE}/blobs/uploads/?digest={_digest(blob)}", 201, blob)
    manifest = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": "application/octet-stream", "digest": _digest(config), "size": len(config)},
            "layers": [],
        }
    )

    def put(number: int) -> None:
        client.ask("PUT", f"{_PACKAGE}/manifests/v{number % 100}", 201, manifest, **{"Content-Type": _MANIFEST})

    labels = {
        "org.opencontainers.image.source": "https://github.com/acme/hot",
        "org.opencontainers.image.description": "A thing of many parts",
        "org.opencontainers.image.licenses": "Apache-2.0 OR MIT",
    }
    described = orjson.dumps({"os": "linux", "architecture": "amd64", "config": {"Labels": labels}})
    client.ask("POST", f"{_PACKAGE}/blobs/uploads/?digest={_digest(described)}", 201, described)
    pushed = itertools.count()

    def put_labelled(number: int) -> None:
        """Put an image with GitHub's three labels, new each time, with the annotations that a build gives it."""
        image = orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "digest": _digest(described), "size": len(described)},
                "layers": [{"mediaType": _IN_TOTO, "digest": _digest(layer), "size": len(layer)}],
                "annotations": {**labels, "org.opencontainers.image.version": f"{next(pushed):08}"},
            }
        )
        path = f"{_PACKAGE}/manifests/labelled{number % 100}"
        client.ask("PUT", path, 201, image, **{"Content-Type": _MANIFEST})

    def push_blob(number: int) -> None:
        """Push a small blob as docker does: POST, PATCH, PUT."""
        blob = b"%d of %d" % (number, next(pushed))
        place = client.location("POST", f"{_PACKAGE}/blobs/uploads/", 202, b"")
        place = client.location("PATCH", place, 202, blob)
        client.ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={_digest(blob)}", 201, b"")

    put(0)
    return {
        _BY_TAG: lambda _: _none(client.ask("GET", f"{_PACKAGE}/manifests/v0", 200)),
        "manifest HEAD by tag": lambda _: _none(client.ask("HEAD", f"{_PACKAGE}/manifests/v0", 200)),
        "blob HEAD": lambda _: _none(client.ask("HEAD", f"{_PACKAGE}/blobs/{_digest(config)}", 200)),
        "blob GET, redirected": lambda _: _none(client.ask("GET", f"{_PACKAGE}/blobs/{_digest(layer)}", 307)),
        "tag write": put,
        "manifest PUT with labels": put_labelled,
        "token": lambda _: _none(client.token()),
        "blob push": push_blob,
    }


def _none(_: object) -> None:
    pass


@contextmanager
def _counted(place: Path, certificate: CertificateFiles | None, settings: Mapping[str, str]) -> Iterator[Deployment]:
    """A server under callgrind, which counts nothing yet."""
    place.mkdir()
    valgrind = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={place}/count.%p")
    command = (*valgrind, sys.executable, "-m", "bench.worker")
    # Python's own hashes are random from run to run, unless told not to be.
    more = {"PYTHONHASHSEED": "0", "MOORAGE_REDIRECT": "on", **settings}
    with deployed(place, command, checkout=ROOT, certificate=certificate, **more) as server:
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


def _measured(
    place: Path,
    certificate: CertificateFiles | None = None,
    only: Sequence[str] = (),
    settings: Mapping[str, str] = {},
) -> dict[str, int]:
    with _counted(place, certificate, settings) as server:
        client, pid = Client(server, certificate), server.pid
        paths = _hot_paths(client)
        _tell(pid, "--instr=on")
        return {name: _count(pid, place, paths[name]) for name in only or paths}


def measured() -> dict[str, int]:
    """Instructions for a request of each path, and of one of them by TLS."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = _measured(place / "plain")
        certificate = write_certificate(place / "tls", datetime.now(UTC) + timedelta(days=1))
        found[_BY_TLS] = _measured(place / "by-tls", certificate, [_BY_TAG])[_BY_TAG]
        return found


def _rule(server: Deployment) -> None:
    """Give the account a tag rule, a hook and a quota, of which none ever has to refuse anything."""

    def moorage(*words: str) -> str:
        command = (sys.executable, "-m", "registry", *words)
        return subprocess.run(command, env=server.env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    moorage("admin", "user", "create", "--admin", "warden")
    scopes = [word for scope in _SCOPES for word in ("--scope", scope)]
    for user, method, path, body in (
        (USER, "PUT", "/user/tag-rules/releases", {"tags": ["release-*"], "forbid": ["move", "delete"]}),
        (USER, "POST", "/user/repos", {"name": "hot"}),
        (USER, "POST", f"/repos/{USER}/hot/hooks", {"config": {"url": "https://example.com/"}, "events": ["package"]}),
        ("warden", "PUT", f"/users/{USER}/packages/quota", {"bytes": 1 << 50}),
    ):
        token = moorage("admin", "token", "create", "--user", user, *scopes)
        http_ = http.client.HTTPConnection(urlsplit(server.url).netloc)
        http_.request(method, f"/api/v3{path}", orjson.dumps(body), {"Authorization": f"Bearer {token}"})
        answer = http_.getresponse()
        assert answer.status in {200, 201}, (path, answer.status, answer.read())
        http_.close()


def _ruled(place: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Instructions of one server, before it has rules and with them: two servers differ by some percent."""
    with _counted(place, None, {}) as server:
        client, pid = Client(server, None), server.pid
        paths = _hot_paths(client)
        _tell(pid, "--instr=on")
        before = {name: _count(pid, place, ask) for name, ask in paths.items()}
        _tell(pid, "--instr=off")
        _rule(server)
        _tell(pid, "--instr=on")
        return before, {name: _count(pid, place, ask) for name, ask in paths.items()}


def _watched(place: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Instructions of a server as it comes, and of one with metrics, those of an owner, and traces."""
    (port,) = free_ports(1)
    watching = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9/", "MOORAGE_METRICS_OWNERS": USER}
    settings = {**watching, "MOORAGE_ADMIN_LISTEN": f"127.0.0.1:{port}"}
    return _measured(place / "plain"), _measured(place / "with", settings=settings)


def _compared(what: str) -> None:
    """Print what each path takes with more than what a server comes with."""
    with tempfile.TemporaryDirectory() as folder:
        plain, with_ = _ruled(Path(folder, "ruled")) if what == "rules" else _watched(Path(folder))
    print(f"{'instructions for a request':28}{'plain':>12}{'with ' + what:>16}")
    for name, count in plain.items():
        print(f"{name:28}{count:12,}{with_[name]:16,}{with_[name] / count - 1:+8.1%}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--with", choices=("rules", "watching"), dest="more")
    asked = parser.parse_args()
    record = asked.record
    if shutil.which("callgrind_control") is None:
        print("instructions are not counted: there is no valgrind")
        return 0
    if asked.more:
        _compared(asked.more)
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

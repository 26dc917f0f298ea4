"""An API server of Kubernetes with its etcd, as `tests/helm/cluster.sh` has built them, on free ports."""

import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson

_READY_SECONDS = 60.0


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"there is no {name} on the PATH: make cluster builds it"
    return found


@dataclass(frozen=True)
class Kube:
    """A running API server. ``admin`` and ``node``: bearer tokens of an administrator and of the node node1."""

    url: str
    ca: Path
    admin: str
    node: str

    def ask(self, method: str, path: str, body: object = None, *, yaml: str | None = None) -> Any:
        """What kubectl would send as administrator."""
        data = yaml.encode() if yaml is not None else None if body is None else orjson.dumps(body)
        kind = "application/yaml" if yaml is not None else "application/json"
        headers = {"Authorization": f"Bearer {self.admin}", "Content-Type": kind, "Accept": "*/*"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return orjson.loads(answer.read())

    def account(self, namespace: str, name: str) -> None:
        try:
            self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise
        self.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})

    def pod(self, namespace: str, account: str) -> str:
        """Make a pod of the account on node1, which nothing runs; its uid."""
        spec = {"serviceAccountName": account, "nodeName": "node1", "containers": [{"name": "c", "image": "x/y"}]}
        made = self.ask("POST", f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": account}, "spec": spec})
        return str(made["metadata"]["uid"])

    def token(self, namespace: str, account: str, *audiences: str) -> str:
        """As ``kubectl create token`` has it."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.ask("POST", path, {"spec": {"audiences": audiences}})["status"]["token"])


@contextmanager
def kube(folder: Path, issuer: str) -> Iterator[Kube]:
    """Starts both, with a signing key of their own, and ends them."""
    client, peer, port = _port(), _port(), _port()
    here = f"http://127.0.0.1:{client}"
    admin, node = secrets.token_hex(16), secrets.token_hex(16)
    folder.mkdir()
    (folder / "tokens.csv").write_text(f'{admin},admin,1,"system:masters"\n{node},system:node:node1,2,"system:nodes"\n')
    subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
    etcd = [
        program("etcd"), "--data-dir", f"{folder}/etcd", "--unsafe-no-fsync", "--listen-client-urls", here,
        "--advertise-client-urls", here, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
        "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
        "--initial-cluster", f"default=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    server = [
        program("kube-apiserver"), f"--etcd-servers={here}", "--bind-address=127.0.0.1", f"--secure-port={port}",
        f"--cert-dir={folder}/certs", "--service-cluster-ip-range=10.0.0.0/24", f"--service-account-issuer={issuer}",
        f"--service-account-jwks-uri=https://127.0.0.1:{port}/openid/v1/jwks",
        f"--service-account-signing-key-file={folder}/sa.key", f"--service-account-key-file={folder}/sa.key",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        f"--token-auth-file={folder}/tokens.csv", "--endpoint-reconciler-type=none",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        running = [subprocess.Popen(argv, stdout=log, stderr=log) for argv in (etcd, server)]
        try:
            found = Kube(f"https://127.0.0.1:{port}", folder / "certs" / "apiserver.crt", admin, node)
            _wait(found)
            yield found
        finally:
            for one in reversed(running):
                one.terminate()
                one.wait(30)


def _wait(found: Kube) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        try:
            found.ask("GET", "/api/v1/namespaces/default")
        except (OSError, ValueError):
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("the API server is not ready")

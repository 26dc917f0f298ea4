"""A real kube-apiserver over a real etcd, without controllers: it admits, validates and keeps, and starts no pod."""

import http.client
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml  # type: ignore[import-untyped]

from registry.devservers.processes import free_ports

_ADMIN = "an-administrator-of-tests"
_SECONDS = 60.0
_PLURALS = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@dataclass(frozen=True, slots=True)
class ApiServer:
    port: int
    folder: Path

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def ask(self, method: str, path: str, body: object = None, kind: str = "json") -> tuple[int, Any, list[str]]:
        """The status, the body, and the warnings."""
        context = ssl.create_default_context(cafile=str(self.folder / "certs" / "apiserver.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        headers = {"Authorization": f"Bearer {_ADMIN}", "Content-Type": f"application/{kind}"}
        try:
            connection.request(method, path, None if body is None else orjson.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        told = orjson.loads(text) if text.startswith(b"{") else text.decode()
        return answer.status, told, answer.headers.get_all("Warning") or []

    def create(self, document: dict[str, Any], namespace: str, *, dry: bool = False) -> tuple[int, Any, list[str]]:
        return self.ask("POST", f"{self.path_of(document, namespace)}{'?dryRun=All' if dry else ''}", document)

    def path_of(self, document: dict[str, Any], namespace: str | None) -> str:
        version, kind = document["apiVersion"], document["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural = _PLURALS.get(kind, f"{kind.lower()}s")
        return f"{root}/{plural}" if namespace is None else f"{root}/namespaces/{namespace}/{plural}"

    def namespace(self, name: str) -> str:
        """Make a namespace where pods must keep to PodSecurity's `restricted`."""
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": _RESTRICTED}}
        assert self.ask("POST", "/api/v1/namespaces", document)[0] == 201
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        assert self.create(account, name)[0] == 201  # which a controller makes elsewhere
        return name

    def define(self, file: Path) -> None:
        """Add the resources of a CustomResourceDefinition."""
        for document in yaml.safe_load_all(file.read_text()):
            status, told, _ = self.ask("POST", self.path_of(document, None), document)
            assert status == 201, told


@contextmanager
def _ended(*argv: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as file, subprocess.Popen(argv, stdout=file, stderr=file, cwd=log.parent) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """Start both, and end both."""
    etcd, peers, port = free_ports(3)
    (folder / "tokens.csv").write_text(f'{_ADMIN},admin,1,"system:masters"\n')
    subprocess.run(["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"], check=True, capture_output=True)
    issuer = f"https://127.0.0.1:{port}"
    one = ApiServer(port, folder)
    one.kubeconfig.write_text(_kubeconfig(issuer, folder / "certs" / "apiserver.crt"))
    with ExitStack() as stack:
        store = [
            "etcd",
            "--data-dir=etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
        ]
        stack.enter_context(_ended(*store, log=folder / "etcd.log"))
        server = [
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--cert-dir=certs",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--service-account-issuer={issuer}",
            "--service-account-signing-key-file=sa.key",
            "--service-account-key-file=sa.key",
            "--authorization-mode=RBAC",
            "--token-auth-file=tokens.csv",
            "--endpoint-reconciler-type=none",
        ]
        process = stack.enter_context(_ended(*server, log=folder / "api.log"))
        _wait_ready(one, process)
        yield one


def _wait_ready(one: ApiServer, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if one.ask("GET", "/readyz")[1] == "ok":
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError((one.folder / "api.log").read_text()[-2000:])


def _kubeconfig(url: str, authority: Path) -> str:
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": str(authority)}}],
            "users": [{"name": "u", "user": {"token": _ADMIN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    ).decode()

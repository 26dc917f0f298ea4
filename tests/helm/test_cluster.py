"""The chart on a real API server: what it validates and admits, and what helm does there. Run by `make cluster`."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.helm.apiserver import ApiServer, api_server
from tests.helm.test_chart import ALL_ON, CHART, LEAST
from tests.helm.test_values import PRESETS

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

_VALUES = {file.stem: yaml.safe_load(file.read_text()) for file in PRESETS} | {"least": LEAST, "all": ALL_ON}
_SIDE_CARS = {
    "initContainers": [
        {
            "name": "proxy",
            "image": "proxy",
            "restartPolicy": "Always",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ]
}
_KEEP = {"existingSecret": "mine", "settings": {"MOORAGE_S3_BUCKET": "layers"}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    program = shutil.which("kube-apiserver")
    assert program, "there is no kube-apiserver on the PATH: `make cluster` builds it"
    with api_server(tmp_path_factory.mktemp("cluster")) as one:
        # A route's and a monitor's are not Kubernetes' own.
        for file in sorted((Path(program).parent.parent / "resources").glob("*.yaml")):
            one.define(file)
        yield one


Helm = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def helm(cluster: ApiServer, tmp_path: Path) -> Helm:
    program = shutil.which("helm")
    assert program, "there is no program «helm» on the PATH: `make cluster` builds it"

    def run(*argv: str, values: dict[str, Any] | None = None) -> "subprocess.CompletedProcess[str]":
        more: list[str] = []
        if values is not None:
            file = tmp_path / "values.yaml"
            file.write_text(yaml.safe_dump(values))
            more = [str(CHART), "--values", str(file)]
        full = [program, *argv, *more, "--kubeconfig", str(cluster.kubeconfig)]
        home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        return subprocess.run(full, capture_output=True, text=True, check=False, env=home)

    return run


@contextmanager
def jobs_end(cluster: ApiServer, namespace: str, condition: str = "Complete") -> Iterator[None]:
    """Have all jobs end, as their controller would tell it."""
    over = threading.Event()
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    now = "2026-01-01T00:00:00Z"
    first, reason = {
        "Complete": ("SuccessCriteriaMet", "CompletionsReached"),
        "Failed": ("FailureTarget", "BackoffLimitExceeded"),
    }[condition]
    conditions = [{"type": kind, "status": "True", "reason": reason} for kind in (first, condition)]
    done: dict[str, object] = {"startTime": now, "conditions": conditions}
    done |= {"completionTime": now, "succeeded": 1} if condition == "Complete" else {"failed": 4}

    def run() -> None:
        while not over.wait(0.2):
            for job in cluster.ask("GET", jobs)[1]["items"]:
                if not job.get("status"):
                    path = f"{jobs}/{job['metadata']['name']}/status"
                    status, told, _ = cluster.ask("PATCH", path, {"status": done}, "merge-patch+json")
                    assert status == 200, told

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def left(cluster: ApiServer, namespace: str) -> set[str]:
    """What of the chart's is there, by «kind name»."""
    found = set()
    for path in (
        "/api/v1/namespaces/{}/secrets",
        "/api/v1/namespaces/{}/services",
        "/api/v1/namespaces/{}/serviceaccounts",
        "/apis/apps/v1/namespaces/{}/deployments",
        "/apis/batch/v1/namespaces/{}/jobs",
    ):
        kind = path.rpartition("/")[2]
        for one in cluster.ask("GET", path.format(namespace))[1]["items"]:
            if one.get("type") != "helm.sh/release.v1":
                found.add(f"{kind} {one['metadata']['name']}")
    return found - {"serviceaccounts default"}


@pytest.mark.parametrize("name", _VALUES)
def test_each_object_is_valid_and_each_pod_may_run(name: str, cluster: ApiServer, helm: Helm) -> None:
    namespace = cluster.namespace(f"valid-{name}")
    values = {**_VALUES[name], **_SIDE_CARS}
    rendered = helm("template", "prod", "--namespace", namespace, "--kube-version", "1.34.4", values=values)
    assert rendered.returncode == 0, rendered.stderr
    documents = [one for one in yaml.safe_load_all(rendered.stdout) if one]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "prod-moorage"}}
    assert cluster.create(account, namespace)[0] == 201
    pods = 0
    for document in documents:
        if document["metadata"]["name"] != "prod-moorage" or document["kind"] != "ServiceAccount":
            status, told, warnings = cluster.create(document, namespace, dry=True)
            assert (status, warnings) == (201, []), (document["kind"], told)
        # What the controllers make of it is refused without a word to whoever installs.
        if template := document["spec"].get("template") if "spec" in document else None:
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            pod["metadata"] = {**pod["metadata"], "name": f"of-{document['kind'].lower()}"}
            for claim in document["spec"].get("volumeClaimTemplates", ()):  # as the controller adds it
                disk = claim["metadata"]["name"]
                pod["spec"]["volumes"].append({"name": disk, "persistentVolumeClaim": {"claimName": f"{disk}-0"}})
            if pod["spec"].get("priorityClassName") is None:
                status, told, warnings = cluster.create(pod, namespace, dry=True)
                assert (status, warnings) == (201, []), told
                pods += 1
    assert pods >= 2


def test_what_a_pod_may_not_do_is_seen_here(cluster: ApiServer, helm: Helm) -> None:
    namespace = cluster.namespace("root")
    values = {**LEAST, "podSecurityContext": {"runAsNonRoot": False}}
    documents = yaml.safe_load_all(helm("template", "prod", values=values).stdout)
    (server,) = (
        one for one in documents if one and one["metadata"]["name"] == "prod-moorage" and one["kind"] == "Deployment"
    )
    _, _, warnings = cluster.create(server, namespace, dry=True)
    assert "runAsNonRoot" in warnings[0]


def test_the_life_of_a_release(cluster: ApiServer, helm: Helm) -> None:
    namespace = cluster.namespace("life")
    here = ("--namespace", namespace)
    more = {**LEAST, "server": {"replicas": 3}, "database": {"maxConnections": 200}}
    with jobs_end(cluster, namespace):
        installed = helm("install", "prod", *here, values=LEAST)
        assert installed.returncode == 0, installed.stderr
        # The log of the job stays, and the secret that was its own does not.
        assert "jobs prod-moorage-migrate" in left(cluster, namespace)
        assert "secrets prod-moorage-migrate" not in left(cluster, namespace)
        assert helm("upgrade", "prod", *here, values={**LEAST, "server": {"replicas": 1}}).returncode == 0
    with jobs_end(cluster, namespace, "Failed"):
        failed = helm("upgrade", "prod", *here, values=more)
    assert "pre-upgrade hooks failed" in failed.stderr
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/prod-moorage"
    assert cluster.ask("GET", deployment)[1]["spec"]["replicas"] == 1, "nothing changed"
    with jobs_end(cluster, namespace):
        assert helm("upgrade", "prod", *here, values=more).returncode == 0
        assert cluster.ask("GET", deployment)[1]["spec"]["replicas"] == 3
        back = helm("rollback", "prod", "1", *here)
        assert back.returncode == 0, back.stderr
        assert cluster.ask("GET", deployment)[1]["spec"]["replicas"] == 2
    gone = helm("uninstall", "prod", *here)
    assert gone.returncode == 0, gone.stderr
    assert left(cluster, namespace) == {"jobs prod-moorage-migrate"}


def test_pods_start_anew_when_an_existing_secret_changed(cluster: ApiServer, helm: Helm) -> None:
    namespace = cluster.namespace("reload")
    here = ("--namespace", namespace)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mine"},
        "stringData": {"MOORAGE_SECRET_KEY": "a"},
    }
    authorities = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "company"}, "data": {"ca.crt": "a"}}
    for document in (secret, authorities):
        assert cluster.create(document, namespace)[0] == 201
    values = {**LEAST, **_KEEP, "caBundle": {"configMap": "company"}, "migrate": {"enabled": False}}

    def annotations() -> dict[str, str]:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/prod-moorage"
        found = cluster.ask("GET", path)[1]["spec"]["template"]["metadata"]["annotations"]
        return dict(found)

    installed = helm("install", "prod", *here, values=values)
    assert installed.returncode == 0, installed.stderr
    seen = [annotations()]
    changes = (None, (secret, "stringData", {"MOORAGE_SECRET_KEY": "b"}), (authorities, "data", {"ca.crt": "b"}))
    for change in changes:
        if change is not None:
            document, field, data = change
            path = f"{cluster.path_of(document, namespace)}/{document['metadata']['name']}"  # type: ignore[index]
            assert cluster.ask("PATCH", path, {field: data}, "merge-patch+json")[0] == 200
        assert helm("upgrade", "prod", *here, values=values).returncode == 0
        seen.append(annotations())
    assert seen[0] == seen[1]
    assert seen[1]["checksum/secret"] != seen[2]["checksum/secret"]
    assert seen[1]["checksum/authorities"] == seen[2]["checksum/authorities"] != seen[3]["checksum/authorities"]

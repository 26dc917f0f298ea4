"""The chart as `helm` renders it. `make chart` brings helm and runs this; `make test` leaves it out."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml  # type: ignore[import-untyped]

pytestmark = pytest.mark.chart

CHART = Path(__file__).parent.parent.parent / "helm"
LEAST: dict[str, Any] = {
    "image": {"repository": "registry.example.com/moorage"},
    "settings": {"MOORAGE_S3_BUCKET": "layers"},
    "secrets": {"MOORAGE_DATABASE_URL": "postgresql://u:p@db/moorage", "MOORAGE_SECRET_KEY": "k" * 40},
}
ALL_ON: dict[str, Any] = {
    "image": {"repository": "registry.example.com/moorage"},
    "imagePullSecrets": [{"name": "pull"}],
    "settings": {
        "MOORAGE_S3_BUCKET": "layers",
        "MOORAGE_LAYER_LIMIT_BYTES": "10000000000",
        "MOORAGE_DRAIN_SECONDS": "2.5",
        "MOORAGE_PUBLIC_URL": "https://r.example.com",
        "MOORAGE_TRUSTED_PROXIES": "10.0.0.0/8",
    },
    "database": {"maxConnections": 300},
    "existingSecret": "mine",
    "tls": {"existingSecret": "certificate"},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/moorage"}},
    "ingress": {"enabled": True, "className": "nginx", "hosts": ["r.example.com"], "annotations": {"a/b": "0"}},
    "autoscaling": {"enabled": True},
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True},
        "dashboard": {"enabled": True},
    },
    "server": {"tolerations": [{"operator": "Exists"}], "nodeSelector": {"a": "b"}},
    "tracing": {"endpoint": "http://collector:4318", "sampler": "parentbased_traceidratio", "samplerArg": "0.01"},
}


def helm(command: str, *arguments: str, values: dict[str, Any], folder: Path) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("helm")
    assert program, "there is no program «helm» on the PATH: `make chart` builds it, with Go"
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    argv = [program, command, *arguments, str(CHART), "--values", str(file)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def rendered(values: dict[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """What is installed, by «kind name»."""
    answer = helm("template", "prod", values=values, folder=folder)
    assert answer.returncode == 0, answer.stderr
    found = [document for document in yaml.safe_load_all(answer.stdout) if document]
    return {f"{document['kind']} {document['metadata']['name']}": document for document in found}


def pods(documents: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in documents.items():
        if document["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield name, document["spec"]["template"]["spec"]


@pytest.mark.parametrize("values", [LEAST, ALL_ON])
def test_lint(values: dict[str, Any], tmp_path: Path) -> None:
    answer = helm("lint", "--strict", values=values, folder=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_what_must_be_said_has_no_default(tmp_path: Path) -> None:
    answer = helm("template", "prod", values={}, folder=tmp_path)
    assert answer.returncode != 0
    for place in (
        "/image/repository",
        "/settings/MOORAGE_S3_BUCKET",
        "/secrets/MOORAGE_SECRET_KEY",
        "/secrets/MOORAGE_DATABASE_URL",
    ):
        assert place in answer.stderr


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"settings": {"MOORAGE_S3_BUCKET": "layers", "MOORAGE_WORKER": "2"}}, "MOORAGE_WORKER"),
        ({"settings": {"MOORAGE_S3_BUCKET": "layers", "MOORAGE_WORKERS": "many"}}, "/settings/MOORAGE_WORKERS"),
        ({"server": {"replicas": "two"}}, "/server/replicas"),
        ({"secrets": {**LEAST["secrets"], "MOORAGE_SECRET_KEY": "short"}}, "/secrets/MOORAGE_SECRET_KEY"),
    ],
)
def test_a_wrong_value_is_named(wrong: dict[str, Any], named: str, tmp_path: Path) -> None:
    answer = helm("template", "prod", values={**LEAST, **wrong}, folder=tmp_path)
    assert answer.returncode != 0
    assert named in answer.stderr


@pytest.mark.parametrize("values", [LEAST, ALL_ON])
def test_no_pod_is_root_or_writes_to_its_image(values: dict[str, Any], tmp_path: Path) -> None:
    found = dict(pods(rendered(values, tmp_path)))
    assert len(found) == 3
    for pod in found.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_least_installation(tmp_path: Path) -> None:
    found = rendered(LEAST, tmp_path)
    server = found["Deployment prod-moorage"]["spec"]
    (container,) = server["template"]["spec"]["containers"]
    assert (server["replicas"], container["args"]) == (2, ["serve"])
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http", "scheme": "HTTP"}
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert server["template"]["spec"]["terminationGracePeriodSeconds"] == 650
    assert found["Secret prod-moorage"]["stringData"] == LEAST["secrets"]
    assert found["Service prod-moorage"]["spec"]["selector"].items() <= server["template"]["metadata"]["labels"].items()
    assert "Ingress prod-moorage" not in found


def test_the_schema_is_migrated_before_anything_changes(tmp_path: Path) -> None:
    found = rendered(LEAST, tmp_path)
    job, secret = found["Job prod-moorage-migrate"], found["Secret prod-moorage-migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [int(document["metadata"]["annotations"]["helm.sh/hook-weight"]) for document in (secret, job)]
    assert weights == sorted(set(weights)), "the hook's secret is there before the hook"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate"]
    assert container["envFrom"] == [{"secretRef": {"name": "prod-moorage-migrate"}}]
    assert secret["stringData"] == LEAST["secrets"]


def test_everything_on(tmp_path: Path) -> None:
    found = rendered(ALL_ON, tmp_path)
    server = found["Deployment prod-moorage"]["spec"]
    (container,) = server["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert not [name for name in found if name.startswith("Secret ")]
    assert container["envFrom"] == [{"secretRef": {"name": "mine"}}]
    assert env["MOORAGE_LAYER_LIMIT_BYTES"] == "10000000000"
    assert env["MOORAGE_TLS_CERT"].startswith(container["volumeMounts"][1]["mountPath"])
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert "replicas" not in server
    assert found["HorizontalPodAutoscaler prod-moorage"]["spec"]["scaleTargetRef"]["name"] == "prod-moorage"
    assert found["Ingress prod-moorage"]["spec"]["rules"][0]["host"] == "r.example.com"
    assert "eks.amazonaws.com/role-arn" in found["ServiceAccount prod-moorage"]["metadata"]["annotations"]


def test_metrics_have_a_port_that_no_service_of_clients_leads_to(tmp_path: Path) -> None:
    found = rendered(LEAST, tmp_path)
    service = found["Service prod-moorage-metrics"]["spec"]
    assert [port["targetPort"] for port in service["ports"]] == ["metrics"]
    assert [port["targetPort"] for port in found["Service prod-moorage"]["spec"]["ports"]] == ["http"]
    for name in ("Deployment prod-moorage", "Deployment prod-moorage-worker"):
        (container,) = found[name]["spec"]["template"]["spec"]["containers"]
        assert {"name": "metrics", "containerPort": 9100} in container["ports"]
        assert {"name": "MOORAGE_ADMIN_LISTEN", "value": "0.0.0.0:9100"} in container["env"]
    assert not [name for name in found if name.startswith(("ServiceMonitor", "PrometheusRule"))]
    off = rendered(LEAST | {"metrics": {"enabled": False}}, tmp_path)
    assert "Service prod-moorage-metrics" not in off
    assert "MOORAGE_ADMIN_LISTEN" not in yaml.safe_dump_all(off.values())


def test_what_prometheus_and_grafana_are_given(tmp_path: Path) -> None:
    found = rendered(ALL_ON, tmp_path)
    monitor, service = found["ServiceMonitor prod-moorage"], found["Service prod-moorage-metrics"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    rules = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    assert found["PrometheusRule prod-moorage"]["spec"] == rules
    dashboard = orjson.loads(found["ConfigMap prod-moorage-dashboard"]["data"]["moorage.json"])
    assert dashboard == orjson.loads((CHART / "files" / "dashboard.json").read_bytes())


def test_traces_are_of_a_pod(tmp_path: Path) -> None:
    for _, pod in pods(rendered(ALL_ON, tmp_path)):
        (container,) = pod["containers"]
        env = {one["name"]: one.get("value") for one in container["env"]}
        assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
        assert (env["OTEL_TRACES_SAMPLER"], env["OTEL_TRACES_SAMPLER_ARG"]) == ("parentbased_traceidratio", "0.01")
        assert env["OTEL_RESOURCE_ATTRIBUTES"] == "k8s.namespace.name=default,k8s.pod.name=$(POD_NAME)"
        names = [one["name"] for one in container["env"]]
        assert names.index("POD_NAME") < names.index("OTEL_RESOURCE_ATTRIBUTES")  # or it is not put in
    for _, pod in pods(rendered(LEAST, tmp_path)):
        assert not [one for one in pod["containers"][0]["env"] if one["name"].startswith("OTEL_")]

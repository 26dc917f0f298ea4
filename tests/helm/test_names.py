"""Names of releases: whatever helm takes as one can be installed, and no two releases make objects of one name."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.helm.test_chart import ALL_ON, LEAST, helm

pytestmark = pytest.mark.chart

#: What Kubernetes takes as the name of a Service (RFC 1035).
_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
#: Without quotes, YAML takes most of these for something else than text.
_NAMES = ["y", "n", "on", "off", "yes", "no", "true", "null", "1", "123", "1e3", "0x1f", "1.5", "a.b", "2026-11-30"]
_LONGEST = 53


def of_release(name: str, values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    answer = helm("template", name, values=values, folder=folder)
    assert answer.returncode == 0, answer.stderr
    return [document for document in yaml.safe_load_all(answer.stdout) if document]


@pytest.mark.parametrize("name", [*_NAMES, "a" * _LONGEST, "1" * _LONGEST, "a" * 40 + ".moorage"])
def test_k8_k9_each_name_of_helm_can_be_installed(name: str, tmp_path: Path) -> None:
    for document in of_release(name, LEAST, tmp_path):
        metadata = document["metadata"]
        assert _LABEL.fullmatch(metadata["name"]), metadata["name"]
        assert metadata["labels"]["app.kubernetes.io/instance"] == name
        assert all(isinstance(value, str) for value in metadata["labels"].values())


def test_k10_long_names_that_begin_alike_are_two_releases(tmp_path: Path) -> None:
    made = [
        {f"{one['kind']} {one['metadata']['name']}" for one in of_release(name, LEAST, tmp_path)}
        for name in ("a" * 50 + "-b", "a" * 50 + "-c", "a.b", "a-b")
    ]
    assert len(set.union(*made)) == sum(map(len, made))


def test_names_that_had_no_fault_stay_as_they_were(tmp_path: Path) -> None:
    for name, expected in (("prod", "prod-moorage"), ("moorage", "moorage"), ("a" * 42, "a" * 42 + "-moorage")):
        kinds = {one["kind"]: one["metadata"]["name"] for one in of_release(name, LEAST, tmp_path)}
        assert kinds["Service"] in {expected, f"{expected}-metrics"}
        assert kinds["PodDisruptionBudget"] == expected


def test_k8_names_in_values_are_text_too(tmp_path: Path) -> None:
    values = {
        **ALL_ON,
        "existingSecret": "123",
        "tls": {"existingSecret": "12"},
        "serviceAccount": {"name": "on"},
        "ingress": {"enabled": True, "className": "yes", "hosts": ["r.example.com"]},
    }
    documents = of_release("prod", values, tmp_path)
    pods = [one["spec"]["template"]["spec"] for one in documents if one["kind"] in {"Deployment", "Job"}]
    for pod in pods:
        assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "123"}}]
        assert pod["volumes"][1]["secret"]["secretName"] == "12"
        assert pod.get("serviceAccountName", "on") == "on"
    assert [one["metadata"]["name"] for one in documents if one["kind"] == "ServiceAccount"] == ["on"]
    assert [one["spec"]["ingressClassName"] for one in documents if one["kind"] == "Ingress"] == ["yes"]


def test_k11_the_job_ends_before_helm_stops_waiting_for_it(tmp_path: Path) -> None:
    (job,) = (one for one in of_release("prod", LEAST, tmp_path) if one["kind"] == "Job")
    assert job["spec"]["activeDeadlineSeconds"] < 300, "helm's own --timeout, after which it deletes the job's secret"

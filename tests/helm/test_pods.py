"""What operators add to pods, and where pods go unless told."""

from pathlib import Path

import pytest

from tests.helm.test_chart import ALL_ON, LEAST, helm, rendered

pytestmark = pytest.mark.chart

_DIGEST = "sha256:" + "a" * 64
_ADDED = {
    "podLabels": {"team": "platform"},
    "priorityClassName": "high",
    "extraVolumes": [{"name": "issuers", "configMap": {"name": "issuers"}}],
    "extraVolumeMounts": [{"name": "issuers", "mountPath": "/etc/moorage/issuers", "readOnly": True}],
}


@pytest.mark.parametrize("values", [LEAST, ALL_ON])
def test_what_is_added_is_in_all_pods_and_in_no_selector(values: dict[str, object], tmp_path: Path) -> None:
    found = rendered({**values, **_ADDED}, tmp_path)
    specs = [one["spec"] for one in found.values() if one["kind"] in {"Deployment", "Job"}]
    assert len(specs) == 3
    for spec in specs:
        pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
        assert labels["team"] == "platform"
        assert labels["app.kubernetes.io/instance"] == "prod"
        assert "team" not in spec.get("selector", {}).get("matchLabels", {})
        assert pod["priorityClassName"] == "high"
        assert pod["volumes"][-1] == _ADDED["extraVolumes"][0]  # type: ignore[index]
        assert pod["containers"][0]["volumeMounts"][-1] == _ADDED["extraVolumeMounts"][0]  # type: ignore[index]


def test_an_image_by_digest(tmp_path: Path) -> None:
    image = {"repository": "registry.example.com/moorage", "tag": "1", "digest": _DIGEST}
    pod = rendered({**LEAST, "image": image}, tmp_path)["Deployment prod-moorage"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == f"registry.example.com/moorage:1@{_DIGEST}"
    wrong = helm("template", "prod", values={**LEAST, "image": {**image, "digest": "latest"}}, folder=tmp_path)
    assert "/image/digest" in wrong.stderr


def test_pods_of_the_server_are_spread_unless_told(tmp_path: Path) -> None:
    spec = rendered(LEAST, tmp_path)["Deployment prod-moorage"]["spec"]
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    for one in spread:
        assert one["whenUnsatisfiable"] == "ScheduleAnyway"
        assert one["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]
    own = [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]
    told = rendered({**LEAST, "server": {"topologySpreadConstraints": own}}, tmp_path)
    assert told["Deployment prod-moorage"]["spec"]["template"]["spec"]["topologySpreadConstraints"] == own

"""What the chart makes of several values together, what it demands, and its presets."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.helm.test_chart import ALL_ON, CHART, LEAST, helm, pods, rendered
from tests.support.processes import served

pytestmark = pytest.mark.chart

PRESETS = sorted((CHART / "presets").glob("*.yaml"))
_SERVER = "Deployment prod-moorage"


def preset(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "presets" / f"{name}.yaml").read_text()))


def with_settings(settings: dict[str, str], **more: object) -> dict[str, Any]:
    return {**LEAST, **more, "settings": {**LEAST["settings"], **settings}}


def environment(document: dict[str, Any], container: int = 0) -> dict[str, str | None]:
    told = document["spec"]["template"]["spec"]["containers"][container]["env"]
    names = [one["name"] for one in told]
    assert len(names) == len(set(names)), "said twice"
    return {one["name"]: one.get("value") for one in told}


def refused(values: dict[str, Any], folder: Path) -> str:
    answer = helm("template", "prod", values=values, folder=folder)
    assert answer.returncode != 0
    return answer.stderr


def notes(values: dict[str, Any], folder: Path) -> str:
    answer = helm("install", "prod", "--dry-run=client", values=values, folder=folder)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.partition("NOTES:")[2]


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: file.stem)
def test_each_preset_is_sound(file: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(file.read_text())
    found = rendered(values, tmp_path)
    assert helm("lint", "--strict", values=values, folder=tmp_path).returncode == 0
    for _, pod in pods(found):
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


# The addresses


_TLS = [{"secretName": "r", "hosts": ["r.example.com"]}]


def test_the_ingress_tells_how_clients_reach_it(tmp_path: Path) -> None:
    ingress = {"enabled": True, "hosts": ["r.example.com", "other.example.com"], "tls": _TLS}
    values = with_settings({"MOORAGE_TRUSTED_PROXIES": "10.0.0.0/8"}, ingress=ingress)
    assert environment(rendered(values, tmp_path)[_SERVER])["MOORAGE_PUBLIC_URL"] == "https://r.example.com"
    told = with_settings(
        {"MOORAGE_TRUSTED_PROXIES": "10.0.0.0/8", "MOORAGE_PUBLIC_URL": "https://x.example.com"}, ingress=ingress
    )
    assert environment(rendered(told, tmp_path)[_SERVER])["MOORAGE_PUBLIC_URL"] == "https://x.example.com"
    assert "MOORAGE_PUBLIC_URL" not in environment(rendered(LEAST, tmp_path)[_SERVER])


def test_what_an_ingress_needs_is_demanded(tmp_path: Path) -> None:
    hosts = {"enabled": True, "hosts": ["r.example.com"]}
    assert "settings.MOORAGE_TRUSTED_PROXIES" in refused(with_settings({}, ingress={**hosts, "tls": _TLS}), tmp_path)
    trusted = {"MOORAGE_TRUSTED_PROXIES": "10.0.0.0/8"}
    assert "settings.MOORAGE_PUBLIC_URL" in refused(with_settings(trusted, ingress=hosts), tmp_path)
    assert "/ingress/hosts" in refused(with_settings(trusted, ingress={"enabled": True}), tmp_path)
    assert "/httpRoute" in refused(with_settings(trusted, httpRoute={"enabled": True}), tmp_path)


def test_a_route_of_a_gateway(tmp_path: Path) -> None:
    found = rendered(preset("gateway"), tmp_path)
    route = found["HTTPRoute prod-moorage"]["spec"]
    assert (route["hostnames"], route["parentRefs"][0]["name"]) == (["registry.example"], "public")
    (rule,) = route["rules"]
    assert rule["backendRefs"] == [{"name": "prod-moorage", "port": 80}]
    assert found["Service prod-moorage"]["spec"]["ports"][0]["port"] == 80
    assert environment(found[_SERVER])["MOORAGE_PUBLIC_URL"] == "https://registry.example"


def test_who_may_speak_with_the_pods(tmp_path: Path) -> None:
    found = rendered(preset("gateway"), tmp_path)
    policy = found["NetworkPolicy prod-moorage"]["spec"]
    clients, metrics = policy["ingress"]
    assert [port["port"] for port in clients["ports"]] == [5000]
    namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}}
    # `helm test` asks from a pod of the release.
    labels = found["Pod prod-moorage-test"]["metadata"]["labels"]
    assert clients["from"][0] == namespace
    assert clients["from"][1]["podSelector"]["matchLabels"].items() <= labels.items()
    assert [port["port"] for port in metrics["ports"]] == [9100]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {port["port"] for port in policy["egress"][0]["ports"]} == {53}
    chosen = policy["podSelector"]
    for name in (_SERVER, "Deployment prod-moorage-worker"):
        labels = found[name]["spec"]["template"]["metadata"]["labels"]
        assert chosen["matchLabels"].items() <= labels.items()
        assert labels["app.kubernetes.io/component"] in chosen["matchExpressions"][0]["values"]
    anybody = rendered({**LEAST, "networkPolicy": {"enabled": True}}, tmp_path)["NetworkPolicy prod-moorage"]["spec"]
    assert anybody["policyTypes"] == ["Ingress"]
    assert "from" not in anybody["ingress"][0]


# PostgreSQL


@pytest.mark.parametrize(
    ("values", "most"),
    [
        # Pods while one more is started, two processes each; the worker and one more; what a start opens; the migration.
        (LEAST, 10 * (2 * 3 + 2) + 3 + 1),
        (with_settings({"MOORAGE_DATABASE_POOL": "5"}, autoscaling={"enabled": True, "maxReplicas": 4}), 5 * 12 + 4),
        (preset("one-node"), 10 * 3 + 4),
    ],
)
def test_connections_to_postgres_are_counted(values: dict[str, Any], most: int, tmp_path: Path) -> None:
    assert f"may open {most} connections" in notes(values, tmp_path)
    rendered({**values, "database": {"maxConnections": most + 5}}, tmp_path)
    told = refused({**values, "database": {"maxConnections": most + 4}}, tmp_path)
    assert f"may open {most} connections to PostgreSQL, and database.maxConnections leaves {most - 1}" in told


# Pods


@pytest.mark.parametrize("values", [LEAST, ALL_ON, preset("one-node")])
@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_authorities_of_ones_own_are_everywhere(kind: str, values: dict[str, Any], tmp_path: Path) -> None:
    for _, pod in pods(rendered({**values, "caBundle": {kind: "company", "key": "ca.pem"}}, tmp_path)):
        (volume,) = (one for one in pod["volumes"] if one["name"] == "authorities")
        assert "company" in (volume.get("secret", {}).get("secretName"), volume.get("configMap", {}).get("name"))
        for container in pod["containers"]:
            told = {one["name"]: one.get("value") for one in container["env"]}
            (mount,) = (one for one in container["volumeMounts"] if one["name"] == "authorities")
            assert told["SSL_CERT_FILE"] == f"{mount['mountPath']}/ca.pem"
    both = {**LEAST, "caBundle": {"configMap": "a", "secret": "b"}}
    assert "not both" in refused(both, tmp_path)


def test_more_containers_and_environment(tmp_path: Path) -> None:
    proxy = {"name": "sql-proxy", "image": "proxy", "restartPolicy": "Always"}
    logs = {"name": "logs", "image": "logs"}
    added = {"initContainers": [proxy], "extraContainers": [logs], "envFrom": [{"configMapRef": {"name": "more"}}]}
    found = rendered({**LEAST, **added}, tmp_path)
    for name, pod in pods(found):
        assert pod["initContainers"] == [proxy]
        # One that never ends would keep the job.
        assert (logs in pod["containers"]) is name.startswith("Deployment")
        assert pod["containers"][0]["envFrom"][1] == {"configMapRef": {"name": "more"}}


def test_openshift_chooses_the_ids(tmp_path: Path) -> None:
    for _, pod in pods(rendered(preset("openshift"), tmp_path)):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for _, pod in pods(rendered(LEAST, tmp_path)):
        assert pod["securityContext"]["runAsUser"] == 10001


def test_the_worker_is_asked_whether_it_lives(tmp_path: Path) -> None:
    (container,) = rendered(LEAST, tmp_path)["Deployment prod-moorage-worker"]["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}


def test_pods_start_anew_with_a_secret_of_the_chart(tmp_path: Path) -> None:
    def checksum(values: dict[str, Any]) -> object:
        return rendered(values, tmp_path)[_SERVER]["spec"]["template"]["metadata"]["annotations"]["checksum/secret"]

    other = {**LEAST, "secrets": {**LEAST["secrets"], "MOORAGE_SECRET_KEY": "x" * 40}}
    assert checksum(LEAST) == checksum(LEAST) != checksum(other)
    annotations = {"reloader.stakater.com/auto": "true"}
    found = rendered({**LEAST, "annotations": annotations}, tmp_path)
    for name in (_SERVER, "Deployment prod-moorage-worker"):
        assert found[name]["metadata"]["annotations"] == annotations


# The job


def test_the_job_has_nodes_an_account_and_a_log_of_its_own(tmp_path: Path) -> None:
    where = {"nodeSelector": {"pool": "db"}, "tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity": {}}}
    account = {"create": True, "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/owner"}}
    told = {**where, "podAnnotations": {"a/b": "c"}, "serviceAccount": account, "keepSeconds": 60}
    found = rendered({**LEAST, "migrate": told}, tmp_path)
    job, made = found["Job prod-moorage-migrate"], found["ServiceAccount prod-moorage-migrate"]
    pod = job["spec"]["template"]["spec"]
    assert where.items() <= pod.items()
    assert pod["serviceAccountName"] == "prod-moorage-migrate"
    assert account["annotations"].items() <= made["metadata"]["annotations"].items()  # type: ignore[attr-defined]
    weights = [int(one["metadata"]["annotations"]["helm.sh/hook-weight"]) for one in (made, job)]
    assert weights == sorted(set(weights)), "the account is there before the job"
    assert job["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation"
    assert job["spec"]["ttlSecondsAfterFinished"] == 60
    assert job["spec"]["template"]["metadata"]["annotations"] == {"a/b": "c"}
    plain = rendered(LEAST, tmp_path)["Job prod-moorage-migrate"]
    assert "serviceAccountName" not in plain["spec"]["template"]["spec"]


# One node


def test_one_node(tmp_path: Path) -> None:
    found = rendered(preset("one-node"), tmp_path)
    assert not [name for name in found if name.startswith(("Deployment", "HorizontalPodAutoscaler"))]
    spec = found["StatefulSet prod-moorage"]["spec"]
    assert (spec["replicas"], spec["serviceName"]) == (1, "prod-moorage")
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "100Gi"
    server, worker = spec["template"]["spec"]["containers"]
    for index, container in enumerate((server, worker)):
        env = environment(found["StatefulSet prod-moorage"], index)
        (mount,) = (one for one in container["volumeMounts"] if one["name"] == claim["metadata"]["name"])
        assert env["MOORAGE_STORE_PATH"] == mount["mountPath"]
        assert "MOORAGE_S3_BUCKET" not in env
    # One network, so two ports.
    listen = [environment(found["StatefulSet prod-moorage"], index)["MOORAGE_ADMIN_LISTEN"] for index in (0, 1)]
    assert listen == ["0.0.0.0:9100", "0.0.0.0:9101"]
    assert worker["livenessProbe"]["httpGet"]["port"] == "metrics-worker"
    ports = found["Service prod-moorage-metrics"]["spec"]["ports"]
    assert [port["targetPort"] for port in ports] == ["metrics", "metrics-worker"]
    job = found["Job prod-moorage-migrate"]["spec"]["template"]["spec"]
    assert "data" not in [one["name"] for one in job["containers"][0]["volumeMounts"]]
    assert "sts/prod-moorage" in notes(preset("one-node"), tmp_path)


def test_one_node_is_of_one_pod_and_one_store(tmp_path: Path) -> None:
    one = preset("one-node")
    assert "autoscaling" in refused({**one, "autoscaling": {"enabled": True}}, tmp_path)
    both = {**one, "settings": {**one["settings"], "MOORAGE_S3_BUCKET": "layers"}}
    assert "two stores" in refused(both, tmp_path)
    own = rendered({**one, "persistence": {"enabled": True, "existingClaim": "mine"}}, tmp_path)
    spec = own["StatefulSet prod-moorage"]["spec"]
    assert "volumeClaimTemplates" not in spec
    assert spec["template"]["spec"]["volumes"][-1]["persistentVolumeClaim"] == {"claimName": "mine"}


# After the installation


def test_the_notes_make_an_administrator(tmp_path: Path) -> None:
    said = notes(preset("ingress"), tmp_path)
    for command in (
        "rollout status deploy/prod-moorage",
        "user create admin --admin",
        "--scope site_admin",
        "user sign-in-link admin",
        "docker login registry.example --username admin",
        "doctor",
        "helm test prod",
    ):
        assert command in said
    assert "docker login" not in notes(LEAST, tmp_path)
    assert "settings.MOORAGE_PUBLIC_URL is empty" in notes(LEAST, tmp_path)


def test_helm_test_asks_the_service(tmp_path: Path) -> None:
    for values, scheme in ((LEAST, "http"), (ALL_ON, "https")):
        pod = rendered(values, tmp_path)["Pod prod-moorage-test"]
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        (container,) = pod["spec"]["containers"]
        assert container["env"] == [{"name": "SERVICE", "value": f"{scheme}://prod-moorage.default.svc:80"}]
        assert container["args"][0].strip() == (CHART / "files" / "ready.py").read_text().strip()


async def _helm_test(url: str) -> tuple[int | None, str]:
    program = [sys.executable, str(CHART / "files" / "ready.py")]
    process = await asyncio.create_subprocess_exec(*program, env={"SERVICE": url}, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_what_helm_test_runs(env: dict[str, str], registry: object, tmp_path: Path) -> None:
    assert registry  # migrated, and made the bucket
    async with served(env, 1, tmp_path / "log") as (url,):
        status, said = await _helm_test(url)
    assert status == 0
    assert said.startswith("/readyz 200 ready\n/v2/ 401 ")
    async with served({**env, "MOORAGE_S3_BUCKET": "of-nobody"}, 1, tmp_path / "log") as (url,):
        status, said = await _helm_test(url)
    assert status == 1
    assert "without its store" in said

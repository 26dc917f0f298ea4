"""The alerts of the chart, as `promtool` judges them: each fires on its fault, and none where all is well."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from registry.monitoring import WORKER, Monitoring
from registry.process.metrics import render

pytestmark = pytest.mark.chart

ALERTS = Path(__file__).parent.parent.parent / "helm" / "files" / "alerts.yaml"
#: A node and a worker that are well, as promtool writes series: a first value and how it grows each minute.
WELL = {
    'up{job="moorage",instance="a"}': "1+0x600",
    'moorage_http_requests_total{instance="a",route="manifest_get",status="2xx"}': "0+600x600",
    'moorage_http_requests_total{instance="a",route="manifest_get",status="5xx"}': "0+1x600",
    'moorage_http_request_duration_seconds_bucket{instance="a",route="manifest_get",le="0.01"}': "0+600x600",
    'moorage_http_request_duration_seconds_bucket{instance="a",route="manifest_get",le="0.5"}': "0+600x600",
    'moorage_http_request_duration_seconds_bucket{instance="a",route="manifest_get",le="+Inf"}': "0+600x600",
    'moorage_http_refused_total{instance="a",cause="busy"}': "0+0x600",
    'moorage_db_pool_waiting{instance="a"}': "0+0x600",
    'moorage_store_requests_total{instance="a",operation="GetObject",result="ok"}': "0+600x600",
    'moorage_store_requests_total{instance="a",operation="GetObject",result="failed"}': "0+1x600",
    'moorage_job_last_success_timestamp_seconds{instance="w",job_name="collect_garbage"}': "0+60x600",
    'moorage_job_last_success_timestamp_seconds{instance="w",job_name="turn_events"}': "0+60x600",
    'moorage_job_runs_total{instance="w",job_name="collect_garbage",result="ok"}': "0+2x600",
    'moorage_job_runs_total{instance="w",job_name="collect_garbage",result="failed"}': "0+1x600",
    'moorage_job_runs_total{instance="w",job_name="stream_audit",result="failed"}': "0+0x600",
    'moorage_database_up{instance="a",process="server-0"}': "1+0x600",
    'moorage_database_up{instance="w",process="worker"}': "1+0x600",
    'moorage_store_up{instance="a",process="server-0"}': "1+0x600",
    'moorage_store_up{instance="w",process="worker"}': "1+0x600",
    'moorage_read_only{instance="a"}': "0+0x600",
    'moorage_store_free_bytes{instance="a"}': "5e9+0x600",
    'moorage_store_disk_bytes{instance="a"}': "1e10+0x600",
    'moorage_upload_leases_stolen_total{instance="a"}': "0+1x600",
    'moorage_gc_oldest_review_seconds{instance="w"}': "30+0x600",
    'moorage_dead_objects_oldest_seconds{instance="w"}': "5+0x600",
    'moorage_hook_deliveries_waiting{instance="w"}': "7+0x600",
}
#: Each alert, and the series that differ.
FAULTS: dict[str, dict[str, str]] = {
    "MoorageErrors": {'moorage_http_requests_total{instance="a",route="manifest_get",status="5xx"}': "0+20x600"},
    "MoorageSlow": {
        'moorage_http_request_duration_seconds_bucket{instance="a",route="manifest_get",le="0.01"}': "0+300x600"
    },
    "MooragePoolStarved": {'moorage_db_pool_waiting{instance="a"}': "3+0x600"},
    "MoorageBusy": {'moorage_http_refused_total{instance="a",cause="busy"}': "0+60x600"},
    "MoorageStoreFailing": {
        'moorage_store_requests_total{instance="a",operation="GetObject",result="failed"}': "0+100x600"
    },
    "MoorageDatabaseGone": {'moorage_database_up{instance="a",process="server-0"}': "0+0x600"},
    "MoorageStoreGone": {'moorage_store_up{instance="w",process="worker"}': "0+0x600"},
    "MoorageDiskFilling": {'moorage_store_free_bytes{instance="a"}': "9e8+0x600"},
    #: What is refused meanwhile, and rests, is as the operator wants it.
    "MoorageReadOnly": {
        'moorage_read_only{instance="a"}': "1+0x600",
        'moorage_http_requests_total{instance="a",route="manifest_get",status="5xx"}': "0+20x600",
        'moorage_job_last_success_timestamp_seconds{instance="w",job_name="collect_garbage"}': "60+0x600",
    },
    "MoorageUploadsLost": {'moorage_upload_leases_stolen_total{instance="a"}': "0+10x600"},
    "MoorageJobFailing": {
        'moorage_job_runs_total{instance="w",job_name="stream_audit",result="failed"}': "0+6x600",
        'moorage_job_runs_total{instance="w",job_name="stream_audit",result="ok"}': "9+0x600",
    },
    "MoorageServerGone": {'up{job="moorage",instance="a"}': "0+0x600"},
    "MoorageWorkerGone": {
        'moorage_job_last_success_timestamp_seconds{instance="w",job_name="collect_garbage"}': "",
        'moorage_job_last_success_timestamp_seconds{instance="w",job_name="turn_events"}': "",
    },
    "MoorageJobSilent": {
        'moorage_job_last_success_timestamp_seconds{instance="w",job_name="collect_garbage"}': "60+0x600"
    },
    "MoorageGcStuck": {'moorage_gc_oldest_review_seconds{instance="w"}': "30000+0x600"},
    "MoorageHooksWaiting": {'moorage_hook_deliveries_waiting{instance="w"}': "10000+0x600"},
    "MoorageDeadObjectsStuck": {'moorage_dead_objects_oldest_seconds{instance="w"}': "90000+0x600"},
}


def promtool(*arguments: str, folder: Path, told: str | None = None) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("there is no promtool: Debian has it in its package «prometheus»")
    ran = subprocess.run([program, *arguments], cwd=folder, input=told, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def case(series: dict[str, str], fires: str | None) -> dict[str, object]:
    firing = [{"labels": f'{{alertname="{fires}"}}', "value": 1}] if fires else []
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items() if values],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "9h",
                "exp_samples": firing,
            }
        ],
    }


def test_each_fires_on_its_fault_alone(tmp_path: Path) -> None:
    rules = yaml.safe_load(ALERTS.read_text())
    assert {rule["alert"] for group in rules["groups"] for rule in group["rules"]} == FAULTS.keys()
    promtool("check", "rules", str(ALERTS), folder=tmp_path)
    tests = [case(WELL, None), *(case(WELL | differs, name) for name, differs in FAULTS.items())]
    file = tmp_path / "alerts_test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(file), folder=tmp_path)


def test_the_metrics_are_named_as_prometheus_likes(tmp_path: Path) -> None:
    slabs = Monitoring(["server-0", WORKER], ["acme"], tmp_path).slabs
    promtool("check", "metrics", folder=tmp_path, told=render(slabs, openmetrics=False).decode())

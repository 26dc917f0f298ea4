"""What the pages of administration tell, the API and the metrics of a worker tell too."""

import asyncio
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families as parse

from registry.devservers.processes import free_ports
from registry.jobs.schedule import SCHEDULE
from storage.metadata import read_only
from tests.support.people import browser
from tests.support.processes import worker
from tests.support.raw import ask, request
from tests.support.server import Registry


async def gauges(admin: str) -> dict[tuple[str, ...], float]:
    """The metrics of a worker, by name and the values of their labels."""
    text = (await ask(admin, request("GET", "/metrics", "Connection: close"))).body.decode()
    return {(sample.name, *sample.labels.values()): sample.value for family in parse(text) for sample in family.samples}


async def test_pages_api_and_gauges_agree(env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    admin_token = await registry.admin()
    boss = await browser(registry, "admin", site_admin=True)
    alice = await registry.user("alice")
    for name, size in (("alice/one", 100_000), ("alice/two", 3000)):
        await registry.push_image(name, "v1", alice, size=size)
    await registry.push_blob("alice/one", os.urandom(5000), alice)  # which no manifest names
    for _ in range(3):
        await registry.call("POST", "/v2/alice/two/blobs/uploads/", alice)
    db = registry.services.db
    await db.execute("UPDATE link_reviews SET due_at = now() - interval '2 hours'")
    await db.execute("INSERT INTO dead_objects (object_key, not_before) VALUES ('b/0', now() - interval '1 hour')")
    await read_only.switch_on(db, "so that all of it stays")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    async with worker({**env, "MOORAGE_ADMIN_LISTEN": address}, tmp_path / "log"):
        found: dict[tuple[str, ...], float] = {}
        async with asyncio.timeout(30):
            while not found.get(("moorage_packages",)) or not found.get(("moorage_read_only",)):
                with suppress(OSError):
                    found = await gauges(f"http://{address}")
                await asyncio.sleep(0.2)
        told: Any = (await registry.call("GET", "/api/v3/enterprise/stats/all", admin_token)).json
        page = (await boss.get("/-/admin/storage")).answer.body.decode()
        jobs: Any = (await registry.call("GET", "/api/v3/admin/jobs", admin_token)).json
        jobs_page = (await boss.get("/-/admin/jobs")).text
        health: Any = (await registry.call("GET", "/api/v3/admin/health", admin_token)).json
        found = await gauges(f"http://{address}")
    same = {
        "moorage_packages": (told["packages"]["total_packages"], r"Packages</dt><dd><span[^>]*>(\d+)<"),
        "moorage_versions": (told["packages"]["total_versions"], r">(\d+) versions"),
        "moorage_uploads_open": (told["storage"]["open_uploads"], r"Uploads under way</dt><dd><span[^>]*>(\d+)<"),
        "moorage_gc_reviews": (told["jobs"]["reviews"], r"a manifest needs them</dt><dd><span[^>]*>(\d+)<"),
        "moorage_dead_objects": (told["jobs"]["dead_objects"], r"delete from the store</dt><dd><span[^>]*>(\d+)<"),
    }
    for name, (of_api, words) in same.items():
        shown = re.search(words, page)
        assert shown is not None, (words, page)
        assert found[name,] == of_api == int(shown[1]) > 0, name
    assert found["moorage_storage_bytes",] == told["storage"]["stored_bytes"] > 100_000
    assert 7200 <= found["moorage_gc_oldest_review_seconds",] < 7300
    assert 3600 <= found["moorage_dead_objects_oldest_seconds",] < 3700
    assert (found["moorage_read_only",], found["moorage_store_up", "worker"]) == (1, 1)
    assert health["read_only"]["reason"] == "so that all of it stays"
    ran = {job["name"] for job in jobs if job["last_run_at"] is not None}
    assert ran <= {job for job in SCHEDULE if found["moorage_job_last_success_timestamp_seconds", job] > 0}
    assert "turn_events" in ran
    assert all(job in jobs_page for job in ran)

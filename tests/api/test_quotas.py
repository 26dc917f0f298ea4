"""Quotas and usage by API: who sets and sees them, and GitHub's shapes of billing."""

from datetime import UTC, datetime
from typing import Any

from registry.jobs.runner import run_once
from tests.support.api import acme
from tests.support.server import Registry
from tests.support.uploading import noise

_QUOTA = "/orgs/acme/packages/quota"


async def test_administrators_set_and_owners_see(registry: Registry) -> None:
    people = await acme(registry)
    for token, status in ((people.owner, 403), (people.member, 403), (people.stranger, 403)):
        await people.ok("PUT", _QUOTA, token, {"bytes": 7}, status)
        await people.ok("DELETE", _QUOTA, token, status=status)
    quota = {"bytes": 1000, "hard": True, "warn_percent": 90}
    assert await people.ok("PUT", _QUOTA, people.admin, {"bytes": 1000}) == quota
    for wrong in ({}, {"bytes": -1}, {"bytes": 1, "warn_percent": 0}, {"bytes": 10**19}):
        await people.ok("PUT", _QUOTA, people.admin, wrong, 422)
    usage = "/orgs/acme/packages/usage"
    assert (await people.ok("GET", usage, people.owner))["quota"] == quota
    for _ in range(2):
        await people.ok("DELETE", _QUOTA, people.admin, status=204)
    assert (await people.ok("GET", usage, people.owner))["quota"] is None
    await people.ok("PUT", "/users/stranger/packages/quota", people.admin, {"bytes": 5, "hard": False})
    assert (await people.ok("GET", "/user/packages/usage", people.stranger))["quota"]["hard"] is False
    for wrong_kind in ("/users/acme", "/orgs/stranger", "/users/nobody"):
        await people.ok("PUT", f"{wrong_kind}/packages/quota", people.admin, {"bytes": 5}, 404)
    log = await people.ok("GET", "/orgs/acme/audit-log", people.owner)
    assert [one["action"] for one in log][:2] == ["packages.quota_removed", "packages.quota_set"]


async def test_usage_of_an_owner_and_of_all(registry: Registry) -> None:
    people = await acme(registry)
    for name, sizes in (("web", (3000, 2000)), ("api", (3000,))):
        for size in sizes:
            await registry.push_blob(f"acme/{name}", noise(size, size), people.owner)
    await registry.push_blob("owner/app", noise(100), people.owner)
    before = await people.ok("GET", "/orgs/acme/packages/usage", people.owner)
    assert (before["used_bytes"], before["counted_at"], before["quota"]) == (0, None, None)
    await run_once(registry.services, ("fold_usage", "recount_usage"))
    await people.ok("PUT", _QUOTA, people.admin, {"bytes": 10_000})
    found = await people.ok("GET", "/orgs/acme/packages/usage", people.owner)
    assert (found["used_bytes"], found["used_percent"]) == (5000, 50.0)
    assert found["counted_at"] is not None
    assert found["quota"] == {"bytes": 10_000, "hard": True, "warn_percent": 90}
    assert found["packages"] == [
        {"name": "web", "bytes": 5000, "version_count": 0, "deleted": False},
        {"name": "api", "bytes": 3000, "version_count": 0, "deleted": False},
    ]
    every = await people.ok("GET", "/admin/usage", people.admin)
    assert [(one["login"], one["used_bytes"], one["used_percent"]) for one in every] == [
        ("Acme", 5000, 50.0),
        ("owner", 100, None),
    ]
    assert len(await people.ok("GET", "/admin/usage?per_page=1", people.admin)) == 1


async def test_billing_in_the_shapes_of_github(registry: Registry) -> None:
    people, db = await acme(registry), registry.services.db
    await db.execute(
        "INSERT INTO owner_usage (owner_id, bytes) SELECT id, 500000000000 FROM accounts WHERE login = 'Acme'"
    )
    now = datetime.now(UTC)
    today = now.date()
    await db.execute(
        "INSERT INTO usage_days SELECT id, $1, 24000000000 FROM accounts WHERE login IN ('Acme', 'owner')", today
    )
    path = "/organizations/acme/settings/billing/usage"
    item = {
        "date": today.isoformat(),
        "product": "packages",
        "sku": "Packages storage",
        "quantity": 24.0,
        "unitType": "GigabyteHours",
        "pricePerUnit": 0.0,
        "grossAmount": 0.0,
        "discountAmount": 0.0,
        "netAmount": 0.0,
        "organizationName": "Acme",
    }
    asked = ("", f"?year={now.year}", f"?month={now.month}", f"?year={now.year}&month={now.month}&day={now.day}")
    for query in asked:
        assert await people.ok("GET", path + query, people.owner) == {"usageItems": [item]}
    assert await people.ok("GET", f"{path}?year=2020", people.owner) == {"usageItems": []}
    for query in ("?month=13", "?year=x", "?year=99999", "?year=0&day=99"):
        await people.ok("GET", path + query, people.owner, status=422)
    await people.ok("GET", path, people.member, status=403)
    shared: Any = await people.ok("GET", "/orgs/acme/settings/billing/shared-storage", people.owner)
    assert set(shared) == {
        "days_left_in_billing_cycle",
        "estimated_paid_storage_for_month",
        "estimated_storage_for_month",
    }
    assert 0 <= shared["estimated_storage_for_month"] <= 501
    assert shared["estimated_paid_storage_for_month"] == 0
    mine = await people.ok("GET", "/users/owner/settings/billing/shared-storage", people.owner)
    assert mine["estimated_storage_for_month"] == 0
    await people.ok("GET", "/users/owner/settings/billing/shared-storage", people.stranger, status=404)

"""What nobody pulls from a mirror any more is deleted at once, and fetched again by whoever pulls it."""

from registry.jobs.evict_mirrors import evict_mirrors
from tests.mirror.conftest import Mirrored
from tests.mirror.test_mirror import MANIFESTS, pull


async def _age(mirrored: Mirrored, days: int) -> None:
    """Everything that was asked for was asked for so many days before."""
    db = mirrored.registry.services.db
    await mirrored.registry.services.downloads.flush()
    for table, column in (
        ("manifests", "created_at"), ("download_totals", "last_at"), ("mirror_answers", "told_at"),
    ):  # fmt: skip
        await db.execute(f"UPDATE {table} SET {column} = now() - make_interval(days => $1)", days)


async def _images(mirrored: Mirrored) -> list[str]:
    rows = await mirrored.registry.services.db.fetch(
        "SELECT package.name FROM manifests JOIN packages package ON package.id = package_id ORDER BY 1"
    )
    return [row["name"] for row in rows]


async def _pull(mirrored: Mirrored, *images: str) -> None:
    for image in images:
        found = await mirrored.registry.call("GET", f"/v2/hub/library/{image}/manifests/1", mirrored.member)
        assert found.status == 200


async def _evicted(mirrored: Mirrored) -> int:
    return await evict_mirrors(mirrored.registry.services)


async def test_what_is_idle_goes_and_is_fetched_again(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    assert await _evicted(mirrored) == 0
    await _age(mirrored, 31)
    await mirrored.set("idle_days = 32")
    assert await _evicted(mirrored) == 0
    await mirrored.set("idle_days = 0")
    assert await _evicted(mirrored) == 0
    await mirrored.set("idle_days = 30")
    assert await _evicted(mirrored) == 1
    assert await _images(mirrored) == []
    await pull(mirrored, mirrored.member)
    assert await _images(mirrored) == ["library/app"]
    assert await _evicted(mirrored) == 0
    log = await mirrored.registry.services.db.fetch(
        "SELECT via FROM events WHERE action = 'packages.package_version_deleted'"
    )
    assert [row["via"] for row in log] == ["mirror"]


async def test_what_was_pulled_meanwhile_stays(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await mirrored.push("other")
    await _pull(mirrored, "app", "other")
    await _age(mirrored, 40)
    await _pull(mirrored, "other")
    await mirrored.registry.services.downloads.flush()
    assert await _evicted(mirrored) == 1
    assert await _images(mirrored) == ["library/other"]


async def test_what_cannot_be_fetched_again_stays(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await _pull(mirrored, "app")
    await _age(mirrored, 40)
    for status in (404, 429, 500):
        mirrored.upstream.status = status
        assert await _evicted(mirrored) == 0
    mirrored.upstream.status = 0
    await mirrored.set("paused = true")
    assert await _evicted(mirrored) == 0
    await mirrored.set("paused = false")
    rule = {"tags": ["1"], "forbid": ["delete"]}
    token = await mirrored.registry.token("olga", ["admin:org"])
    kept = await mirrored.registry.call("PUT", "/api/v3/orgs/hub/tag-rules/kept", token, json=rule)
    assert kept.status == 201
    assert await _evicted(mirrored) == 0
    assert (await mirrored.registry.call("GET", f"{MANIFESTS}/1", mirrored.member)).status == 200


async def test_above_its_bytes_a_mirror_lets_the_longest_idle_go(mirrored: Mirrored) -> None:
    for image in ("app", "other", "third"):
        await mirrored.push(image, size=1000)
        await _pull(mirrored, image)
    await _age(mirrored, 2)
    db = mirrored.registry.services.db
    await db.execute("UPDATE manifests SET image_size = 1000")
    await mirrored.set("max_bytes = 2500")
    await db.execute(
        "UPDATE download_totals SET last_at = now() - interval '3 hours' WHERE package_id IN"
        " (SELECT id FROM packages WHERE name <> 'library/other')"
    )
    assert await _evicted(mirrored) == 1
    assert await _images(mirrored) == ["library/app", "library/third"]
    assert await _evicted(mirrored) == 0

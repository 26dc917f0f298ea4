"""The ten questions of docs/operate/watching.md, asked of a real Prometheus, and their answers beside the truth."""

import asyncio
import math
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import aiohttp
import orjson
import pytest

from registry.jobs.schedule import COLLECTOR, SCHEDULE
from storage.metadata import read_only
from storage.timings import SECONDS
from tests.support.server import Registry
from tests.support.tcp import TcpProxy
from tests.watch.fleet import Clients, Truth, fleet
from tests.watch.prometheus import Prometheus, Vector, prometheus, until

pytestmark = [pytest.mark.watch, pytest.mark.timeout(300)]

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "operate" / "watching.md"
DASHBOARD = ROOT / "helm" / "files" / "dashboard.json"
OWNERS = ("alice", "alice", "bob", "carol")
NAMED = ("alice", "bob")
CLIENTS, ROUNDS = 8, 12
LEFT_OPEN, FAILING, CROWD = 5, 7, 600
OVERDUE_SECONDS = 3600.0


def questions() -> dict[str, str]:
    """Each heading of the page, and its query."""
    return dict(re.findall(r"^## ([^\n]*)\n[^#]*?```promql\n(.*?)\n```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def test_the_dashboard_asks_them_too() -> None:
    asked = questions()
    assert len(asked) == 10
    panels = orjson.loads(DASHBOARD.read_bytes())["panels"]
    shown = {target["expr"] for panel in panels for target in panel.get("targets", ())}
    assert {query.replace("[5m]", "[$__rate_interval]") for query in asked.values()} <= shown


def test_prometheus_takes_the_configuration_of_the_page(tmp_path: Path) -> None:
    written = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(written[0])
    shutil.copy(DASHBOARD.with_name("alerts.yaml"), tmp_path)
    ran = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "SUCCESS: 1 rule files found" in ran.stdout


@dataclass
class Watched:
    """A fleet under load, its Prometheus, and what is known of it."""

    watching: Prometheus
    clients: Clients
    registry: Registry
    database: TcpProxy
    began: float = 0.0
    read_only_at: float = 0.0

    async def ask(self, title: str) -> Vector:
        """Answer a question over all of the load; of what is told a second, the sum."""
        seconds = math.ceil(time.monotonic() - self.began) + 5
        query = questions()[title].replace("[5m]", f"[{seconds}s]")
        scale = seconds if "quantile" not in query and "rate(" in query else 1
        return {labels: value * scale for labels, value in (await self.watching.ask(query)).items()}


@asynccontextmanager
async def watched(env: dict[str, str], registry: Registry, folder: Path) -> AsyncIterator[Watched]:
    tokens = {owner: await registry.user(owner) for owner in dict.fromkeys(OWNERS)}
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as database:
        url = database.through(env["MOORAGE_DATABASE_URL"])
        settings = {**env, "MOORAGE_DATABASE_URL": url, "MOORAGE_METRICS_OWNERS": ",".join(NAMED)}
        async with (
            fleet(settings, folder) as running,
            prometheus(folder / "prometheus", running.targets) as watching,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        ):
            await watching.scraped(4)
            await asyncio.sleep(3)  # what has no second value has not grown
            yield Watched(watching, Clients(http, running.urls, tokens), registry, database, time.monotonic())


async def load(clients: Clients, tokens: dict[str, str]) -> None:
    """Images of three owners are pushed and pulled by eight clients, who ask for what is not there, too."""

    async def work(number: int) -> None:
        owner = OWNERS[number % len(OWNERS)]
        for turn in range(ROUNDS):
            layer = await clients.push(owner, f"t{number}-{turn}", 200_000)
            for _ in range(3):
                await clients.pull(owner, f"t{number}-{turn}", layer)
            await clients.call("manifest_get", "GET", f"/v2/{owner}/app/manifests/none", tokens[owner])

    await asyncio.gather(*map(work, range(CLIENTS)))


async def plant(known: Watched, tokens: dict[str, str]) -> None:
    """Uploads that nobody ends, a link that is overdue, pushes that fail, and a crowd before a slow database."""
    clients, db = known.clients, known.registry.services.db
    for _ in range(LEFT_OPEN):
        await clients.call("upload_start", "POST", "/v2/bob/app/blobs/uploads/", tokens["bob"])
    await read_only.switch_on(db, "a test looks")
    known.read_only_at = time.monotonic()
    await db.execute(
        "UPDATE link_reviews SET due_at = now() - make_interval(secs => $1)"
        " WHERE (package_id, digest) = (SELECT package_id, digest FROM link_reviews LIMIT 1)",
        OVERDUE_SECONDS,
    )
    for _ in range(FAILING):
        await clients.call("upload_start", "POST", "/v2/bob/app/blobs/uploads/", tokens["bob"])
    known.database.slow(1.0)
    await asyncio.gather(
        *(clients.call("tags_list", "GET", "/v2/bob/app/tags/list", tokens["bob"], at=0) for _ in range(CROWD))
    )
    await known.database.heal()


def near(answer: float, truth: float, share: float = 0.06) -> bool:
    """Whether an answer is the truth; rate() extrapolates from the outer samples to the ends of its range.

    Each end may be a scrape away, a second, of a range of half a minute.
    """
    return abs(answer - truth) <= share * truth + 0.5


def failed(truth: Truth) -> dict[tuple[str, ...], int]:
    return {key: count for key, count in truth.answers.items() if key[1] in {"429", "5xx"}}


def same(answer: Vector, truth: dict[tuple[str, ...], int]) -> bool:
    """Whether the series that are not zero are those of the truth."""
    grown = {labels: value for labels, value in answer.items() if value > 0.5}
    return grown.keys() == truth.keys() and all(near(grown[labels], count) for labels, count in truth.items())


async def test_the_answers_are_the_truth(
    env: dict[str, str], registry: Registry, tmp_path: Path, table: Callable[[str, str], None]
) -> None:
    async with watched(env, registry, tmp_path) as known:
        clients, truth = known.clients, known.clients.truth
        tokens = dict(clients.tokens)
        await load(clients, tokens)
        await asyncio.sleep(2)
        assert (await known.ask("Does anything wait for PostgreSQL?"))[()] < 0.5
        await plant(known, tokens)
        await asyncio.sleep(3)

        answers = {title: await known.ask(title) for title in questions()}
        rested = time.monotonic() - known.read_only_at
        for title, answer in answers.items():
            for labels, value in sorted(answer.items()):
                if value > 0:
                    table("what Prometheus answers, under load", f"{title:60}{' '.join(labels):30}{value:14.3f}")

        assert truth.answers["upload_start", "5xx"] == FAILING
        assert truth.answers["tags_list", "429"] > 0
        assert same(answers["Which requests fail?"], failed(truth))
        assert_slow(answers["How slow is it?"], truth)
        moved = answers["How many bytes come and go?"]
        assert near(moved["in",], truth.sent)
        assert 0.97 * truth.received < moved["out",] < 1.03 * truth.received + 1500 * sum(truth.answers.values())
        assert near(answers["How much is pushed?"][()], sum(truth.pushes.values()))
        assert same(answers["Whose is it?"], of_owners(truth))
        refused = answers["Are requests refused because there are too many?"]
        assert near(refused["busy",], truth.answers["tags_list", "429"])
        assert refused["connections",] == 0
        assert answers["Does anything wait for PostgreSQL?"][()] > 0.5
        assert_jobs(answers["When did each job last end well?"], rested)

        async def seen() -> bool:
            return (await known.ask("How many uploads are open?"))[()] == LEFT_OPEN

        await until(seen, 40)
        late = (await known.ask("Is the garbage collector behind?"))[()]
        passed = time.monotonic() - known.read_only_at
        assert OVERDUE_SECONDS + passed - 3 < late < OVERDUE_SECONDS + passed + 3


def of_owners(truth: Truth) -> dict[tuple[str, ...], int]:
    """By owner and action, in the order of the names of labels: action, owner."""
    told: dict[tuple[str, ...], int] = {}
    for action, counts in (("pull", truth.pulls), ("push", truth.pushes)):
        for owner, count in counts.items():
            key = action, owner if owner in NAMED else "_other"
            told[key] = told.get(key, 0) + count
    return told


def assert_slow(answer: Vector, truth: Truth) -> None:
    """What the server takes is in no higher bucket than what its clients saw."""
    for route, seconds in truth.seconds.items():
        if len(seconds) >= 20:
            seen = quantiles(seconds, n=100)[98]
            most = min(bound for bound in SECONDS if bound >= seen)
            assert 0 < answer[route,] <= most, route
    assert answer["tags_list",] >= 1.0
    assert answer["manifest_get",] < 1.0


def assert_jobs(answer: Vector, rested: float) -> None:
    """Those that rest last ended well before; the others as their schedule says."""
    assert {job for (job,) in answer} == SCHEDULE.keys()
    for job, (_, pause) in SCHEDULE.items():
        ago = answer[job,]
        if job in {*COLLECTOR, "add_sizes", "keep_retention"}:
            assert rested - 3 < ago < rested + pause + 10, (job, ago, rested)
        else:
            assert ago < pause + 10, (job, ago)

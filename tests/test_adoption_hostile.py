"""`moorage adopt` against buckets that lie, servers that go away, and an old registry that goes on writing."""

import hashlib
import signal

import pytest

from storage.objects.base import ObjectKey
from tests.support.adopting import adopt, digest_of, moorage, started, until_more, why
from tests.support.faults import Fault, FaultProxy
from tests.support.server import Registry
from tests.support.shelved import Shelf
from tests.support.tcp import TcpProxy

pytestmark = pytest.mark.timeout(240)  # each runs the command, on a machine that may be busy


@pytest.fixture
async def token(registry: Registry) -> str:
    return await registry.user("team")


@pytest.fixture
def shelf(registry: Registry) -> Shelf:
    return Shelf(registry.services.stores)


async def test_what_lies_is_told_and_the_rest_is_taken(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    good = await shelf.image("team/app", "v1")
    nowhere = f"sha256:{'f' * 64}"
    await shelf.tag("team/app", "nowhere", nowhere)
    await shelf.put("team/app/_manifests/tags/huge/current/link", "sha256:" + "a" * 1_000_000)
    await shelf.put("team/app/_manifests/tags/upper/current/link", good.upper())
    await shelf.put("team/app/_manifests/tags/spaces/current/link", good[:-1] + " ")
    await shelf.put("team/app/_manifests/tags/late/current/link", good)
    await shelf.put(f"team/app/_manifests/tags/{'x' * 129}/current/link", good)
    await shelf.put(f"team/app/_manifests/revisions/sha256/{nowhere[7:]}/link", nowhere)
    body = b'{"schemaVersion":2,"x":"' + b"a" * (5 << 20) + b'"}'
    fat = f"sha256:{hashlib.sha256(body).hexdigest()}"
    await shelf.blob(body)
    await shelf.put(f"team/app/_manifests/revisions/sha256/{fat[7:]}/link", fat)
    deep = b"[" * 100_000
    nested = f"sha256:{hashlib.sha256(deep).hexdigest()}"
    await shelf.blob(deep)
    await shelf.put(f"team/app/_manifests/revisions/sha256/{nested[7:]}/link", nested)
    for name in (
        "team/ünïcode",
        "team/app/",
        "team/" + "a" * 300,
        "team/a b",
        "team/..b",
        "team/--",
        "team/esc\x7f\x9b2J",
    ):
        await shelf.image(name, "v1")
    report = await adopt(env, status=1)
    told = why(report)
    assert told[f"team/app:{nowhere[:15]}"] == "its bytes are missing"
    assert told["team/app:nowhere"] == f"its manifest {nowhere} was not adopted"
    assert {told[f"team/app:{tag}"] for tag in ("huge", "upper", "spaces")} == {"its link is broken"}
    assert "bytes" in told[f"team/app:{fat[:15]}"]
    assert f"team/app:{nested[:15]}" in told
    assert len([one for one in report["findings"] if one["repository"] != "team/app"]) >= 6
    assert await digest_of(registry, "team/app", "late", token) == good
    code, said = await moorage(env, "adopt")
    assert (code, [line for line in said.splitlines() if not line.replace("\t", "").isprintable()]) == (1, [])


async def test_what_is_pushed_while_it_runs_is_no_missing_blob(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    await shelf.image("team/app", "v1")
    first = await anext(shelf.store.scan(f"{shelf.root}/blobs/"))
    held = f"sha256:{first.key.split('/')[-2]}"
    async with registry.services.db.transaction() as tx:
        await tx.execute("INSERT INTO adopted_blobs VALUES ($1, $2, 1)", shelf.root, held)
        child = await started(env, "adopt")
        waits = "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        await until_more(registry, waits)  # it has listed the blobs
        late = await shelf.image("team/zlate", "v1", layers=(b"pushed since",))
        await tx.execute("DELETE FROM adopted_blobs")
    out, _ = await child.communicate()
    assert child.returncode == 0, out.decode()
    assert await digest_of(registry, "team/zlate", "v1", token) == late


async def test_a_store_that_fails_for_a_while_is_asked_again(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    made = await shelf.image("team/app", "v1")
    with FaultProxy(env["MOORAGE_S3_ENDPOINT"]) as proxy:
        proxy.inject(Fault.UNAVAILABLE, op="ListObjectsV2", times=None)
        code, said = await moorage({**env, "MOORAGE_S3_ENDPOINT": proxy.url}, "adopt")
        assert (code, said.count("\n"), said.startswith("moorage: ")) == (1, 0, True), said
        proxy.heal()
        for op in ("ListObjectsV2", "GetObject"):
            proxy.inject(Fault.UNAVAILABLE, op=op, times=2)
            proxy.inject(Fault.RESET_MIDWAY, op=op, times=1)
        report = await adopt({**env, "MOORAGE_S3_ENDPOINT": proxy.url})
    assert report["manifests"] == 1
    assert await digest_of(registry, "team/app", "v1", token) == made


async def test_who_may_not_read_the_bucket_is_told_so(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    await shelf.image("team/app", "v1")
    code, said = await moorage({**env, "AWS_SECRET_ACCESS_KEY": "wrong"}, "adopt")
    assert (code, said.count("\n"), said.startswith("moorage: ")) == (1, 0, True), said
    assert "wrong" not in said


async def test_a_database_that_goes_away_ends_it_in_one_line_and_nothing_is_lost(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    made = {f"v{n}": await shelf.image("team/app", f"v{n}", layers=(b"%d" % n,)) for n in range(60)}
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy:
        through = {**env, "MOORAGE_DATABASE_URL": proxy.through(env["MOORAGE_DATABASE_URL"])}
        child = await started(through, "adopt")
        await until_more(registry, "tags")
        await proxy.refuse()
        out, _ = await child.communicate()
    said = out.decode().strip()
    assert (child.returncode, said.count("\n"), said.startswith("moorage: ")) == (1, 0, True), said
    report = await adopt(env)
    assert report["known"] + report["manifests"] == len(made)
    for tag, digest in made.items():
        assert await digest_of(registry, "team/app", tag, token) == digest


async def test_ctrl_c_ends_it_in_one_line(env: dict[str, str], registry: Registry, shelf: Shelf, token: str) -> None:
    for number in range(40):
        await shelf.image("team/app", f"v{number}", layers=(b"%d" % number,))
    child = await started(env, "adopt")
    await until_more(registry, "tags")
    child.send_signal(signal.SIGINT)
    out, _ = await child.communicate()
    assert child.returncode != 0
    assert "Traceback" not in out.decode(), out.decode()
    assert (await adopt(env))["findings"] == []


async def test_other_programs_layouts_are_taken(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    """GitLab's names have any number of parts, Harbor's bucket has folders of its own, a pull-through cache a file."""
    gitlab = Shelf(shelf.store, "gitlab/docker/registry/v2")
    made = await gitlab.image("team/sub-group/deep/project/image", "v1")
    await shelf.store.put(ObjectKey("gitlab/scheduler-state.json"), [b"{}"])
    await gitlab.put("team/sub-group/deep/project/image/_uploads/3f/startedat", "2026")
    await gitlab.put("team/sub-group/deep/project/image/_uploads/3f/hashstates/sha256/0", "x")
    await gitlab.put("team/empty/_layers/sha256/" + "a" * 64 + "/link", "sha256:" + "a" * 64)
    report = await adopt(env, "gitlab")
    assert (report["repositories"], report["tags"], report["findings"]) == (1, 1, [])
    assert await digest_of(registry, "team/sub-group/deep/project/image", "v1", token) == made


async def test_verify_reads_all_and_finds_what_is_wrong(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    good = await shelf.image("team/app", "good", layers=(b"a good layer",))
    await shelf.image("team/app", "rotten", layers=(b"a bad layer",))
    bad = await shelf.blob(b"a bad layer")
    await shelf.store.put(shelf.key(bad), [b"a bat layer"])
    report = await adopt(env, "--verify", "--dry-run", status=1)
    assert report["verified"] == report["blobs"] - 1
    told = why(report)
    assert told.pop(f":{bad[:15]}") == "its bytes have another digest"
    assert f"the bytes of its blob {bad} have another digest" in told.values()
    await adopt(env)  # it believes
    assert await digest_of(registry, "team/app", "rotten", token) is not None
    assert (await registry.call("HEAD", f"/v2/team/app/blobs/{bad}", token)).status == 200
    await adopt(env, "--verify", status=1)
    await registry.push_blob("team/app", b"a bad layer", token)
    assert (await registry.call("GET", f"/v2/team/app/blobs/{bad}", token)).body == b"a bad layer"
    assert await digest_of(registry, "team/app", "good", token) == good


async def test_algorithms_that_nobody_uses_are_passed_over(
    env: dict[str, str], registry: Registry, shelf: Shelf, token: str
) -> None:
    made = await shelf.image("team/app", "v1")
    await shelf.put("team/app/_manifests/revisions/md5/abcd/link", "md5:abcd")
    await shelf.put("team/app/_manifests/tags/odd/current/link", "md5:abcd")
    await shelf.store.put(ObjectKey(f"{shelf.root}/blobs/md5/ab/abcd/data"), [b"x"])
    report = await adopt(env, status=1)
    assert why(report) == {"team/app:odd": "its link is broken"}
    assert await digest_of(registry, "team/app", "v1", token) == made

"""What docker, podman and skopeo print of a push above the quota of its owner, and that one under way ends well."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable

import pytest

from registry.jobs.runner import run_once
from tests.scenarios.conftest import Person, Refused
from tests.support.server import Registry

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(300)]


async def _quota(registry: Registry, admin: str, count: int) -> None:
    await run_once(registry.services, ("fold_usage", "recount_usage"))
    put = await registry.call("PUT", "/api/v3/users/alice/packages/quota", admin, json={"bytes": count})
    assert put.status == 200, put.body


async def test_each_prints_what_takes_the_room(
    registry: Registry,
    person: Callable[[str], Person],
    table: Callable[[str, str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    token, alice, admin = await registry.user("alice"), person("alice"), await registry.admin()
    await alice.login("alice", token)
    image = await alice.build("alice/app")
    await _quota(registry, admin, 10_000)
    await alice.docker("push", image)
    await _quota(registry, admin, 10)
    # What is there already may be pushed again, and under another tag.
    await alice.docker("tag", image, f"{image}:again")
    await alice.docker("push", f"{image}:again")
    told = "of its 10 B. moorage usage alice tells its owners what takes the room"
    with pytest.raises(Refused) as refused:
        await alice.push("alice/other")
    said = str(refused.value)
    assert "denied: alice has used" in said
    assert told in said
    table("over the quota:", f"docker: {said.splitlines()[-1]}")
    folder = tmp_path_factory.mktemp("oci")  # a short name: podman's has 50 characters
    for name in ("skopeo", "podman"):
        if not shutil.which(name):
            table("over the quota:", f"left out: there is no {name}")
            continue
        await _quota(registry, admin, 100_000)
        (folder / name).mkdir(parents=True)
        (folder / name / "Containerfile").write_text("FROM scratch\nCOPY it /it\n")
        (folder / name / "it").write_text(name)
        target = f"{alice.host}/alice/{name}"
        if name == "podman":
            words = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
            made = await asyncio.to_thread(
                subprocess.run, [*words, "build", "-t", target, f"{folder}/{name}"], capture_output=True, text=True
            )
            assert made.returncode == 0, made.stderr
            push = [*words, "push", "--tls-verify=false", "--creds", f"alice:{token}", target]
        else:
            await alice.docker("save", "-o", f"{folder}/image.tar", await alice.build("alice/skopeo"))
            push = ["skopeo", "copy", "--dest-tls-verify=false", f"--dest-creds=alice:{token}",
                    f"docker-archive:{folder}/image.tar", f"docker://{target}"]  # fmt: skip
        await _quota(registry, admin, 10)
        done = await asyncio.to_thread(subprocess.run, push, capture_output=True, text=True)
        assert done.returncode != 0
        assert "denied: alice has used" in done.stderr
        assert told in done.stderr
        table("over the quota:", f"{name}: {done.stderr.strip().splitlines()[-1]}")

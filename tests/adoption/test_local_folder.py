"""The folder of a distribution on a local disk, moved into the store and adopted there; `make adoption` runs it."""

import asyncio
from pathlib import Path

import pytest

from registry.devservers.processes import free_ports
from tests.docs.operated import distribution, run, section
from tests.support.adopting import adopt
from tests.support.images import Size, layout
from tests.support.server import on_disk, running
from tests.support.shelved import collect

pytestmark = [pytest.mark.adoption, pytest.mark.timeout(300)]
_CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/registry}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


async def test_both_serve_from_the_folder_of_a_local_disk(env: dict[str, str], tmp_path: Path) -> None:
    old, store = tmp_path / "registry", tmp_path / "store"
    store.mkdir()
    (port,) = free_ports(1)
    config = tmp_path / "config.yml"
    config.write_text(_CONFIG.format(folder=tmp_path, port=port))
    await asyncio.to_thread(layout, tmp_path / "image", Size(2, 2_000_000))
    async with distribution(config, port) as host, running(on_disk(env, store)) as registry:
        await registry.user("team")
        pushed = await run([f"crane push image {host}/team/app:v1", f"crane digest {host}/team/app:v1"], {}, tmp_path)
        moved = {"OLD": str(old), "MOORAGE_STORE_PATH": str(store)}
        await run(section("migrate/in-place.md", "A local disk"), moved, tmp_path)
        assert (await adopt(on_disk(env, store)))["tags"] == 1
        later = f"crane copy {host}/team/app:v1 {host}/team/app:v2"  # the old one goes on writing
        await run([later], {}, tmp_path)
        assert (await adopt(on_disk(env, store)))["tags"] == 1
        (tmp_path / "token").write_text(await registry.token("team"))
        new = registry.url.removeprefix("http://")
        said = await run(
            [
                f"crane auth login {new} --username team --password-stdin < token",
                f"crane validate --remote {new}/team/app:v2",
                f"crane digest {new}/team/app:v1",
            ],
            {},
            tmp_path,
        )
        assert "PASS" in said
        assert said.splitlines()[-1] == pushed.splitlines()[-1]
        before = sorted(str(path) for path in (store / "objects" / "docker").rglob("data"))
        gone = await registry.call("DELETE", "/api/v3/user/packages/container/app", await registry.token("team"))
        assert gone.status == 204
        await collect(registry)
        assert sorted(str(path) for path in (store / "objects" / "docker").rglob("data")) == before
        assert "PASS" in await run([f"crane validate --remote {host}/team/app:v2"], {}, tmp_path)

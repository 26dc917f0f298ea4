"""`moorage import` beside `crane copy` and `skopeo sync --all`: the same images, into the same registry, in one run."""

import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.cli.commands import Shell
from tests.copies.conftest import Row, Speed
from tests.copies.servers import serving
from tests.copies.test_import import published, run
from tests.support.multiplatform import Repository
from tests.support.server import Registry

pytestmark = [pytest.mark.copies, pytest.mark.timeout(900)]
_REPOSITORIES, _TAGS = 10, 10


@pytest.mark.parametrize("name", ["distribution", "zot"])
async def test_how_long_a_hundred_images_take(
    name: str, shell: Shell, registry: Registry, tmp_path: Path, table: list[Row | Speed]
) -> None:
    names = ("moorage", "again", "crane", "skopeo")
    tokens = {login: await registry.user(login) for login in names}
    with serving(name, tmp_path) as old:
        async with aiohttp.ClientSession() as http:
            await published(Repository(http, f"http://{old}", ""), _REPOSITORIES, _TAGS, keeps_referrers=name == "zot")
        crane = ("env", f"DOCKER_CONFIG={tmp_path}/docker", "crane")
        paths = [f"app{number}" for number in range(_REPOSITORIES)]
        await shell.ok("login", shell.host, "--with-token", given=tokens["moorage"])
        words = ["import", f"{old}/team/*", "--to", f"{shell.host}/moorage"]
        took = {one: await run(sys.executable, "-m", "registry", *words, env=shell._environment) for one in names[:2]}
        await run(*crane, "auth", "login", shell.host, "-u", "crane", "-p", tokens["crane"])
        began = time.monotonic()
        for path in paths:
            await run(*crane, "copy", "--all-tags", f"{old}/team/{path}", f"{shell.host}/crane/{path}")
        took["crane"] = time.monotonic() - began
        began = time.monotonic()
        for path in paths:
            await run(
                "skopeo", "sync", "--all", "--src", "docker", "--dest", "docker", "--src-tls-verify=false",
                "--dest-tls-verify=false", "--dest-creds", f"skopeo:{tokens['skopeo']}", f"{old}/team/{path}",
                f"{shell.host}/skopeo",
            )  # fmt: skip
        took["skopeo"] = time.monotonic() - began
        table.append(Speed(name, took))

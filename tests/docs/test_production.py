"""What docs/operate/production.md and docs/operate/upgrade.md tell: their settings are settings, and their commands do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from registry.config import Settings
from tests.docs.operated import run, section
from tests.support.processes import ROOT, served

_PAGE: Final = "operate/production.md"
_FOLDER: Final = ROOT / "docs" / "operate"


def _env_file() -> dict[str, str]:
    lines = (_FOLDER / "moorage.env").read_text().split()
    return dict(line.split("=", 1) for line in lines)


def test_the_settings_are_settings() -> None:
    told = _env_file()
    settings = Settings.from_env(told)
    assert (settings.drain_seconds, settings.stop_seconds) == (3, 600)
    assert settings.public_url == told["MOORAGE_PUBLIC_URL"]


def test_a_service_waits_for_what_the_settings_allow() -> None:
    settings = Settings.from_env(_env_file())
    waited = re.search(
        r"^TimeoutStopSec=([0-9]+)$", (_FOLDER / "systemd" / "moorage.service").read_text(), re.MULTILINE
    )
    assert waited is not None
    assert int(waited[1]) >= settings.drain_seconds + settings.stop_seconds + 25


@pytest.mark.parametrize("unit", ["moorage.service", "moorage-worker.service"])
def test_systemd_takes_the_services(unit: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    text = (_FOLDER / "systemd" / unit).read_text()
    (tmp_path / unit).write_text(text.replace("/opt/moorage/bin/moorage", "/bin/true").replace("User=moorage\n", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, unit in done.stderr) == (0, False), done.stderr


async def test_the_first_start(env: dict[str, str], postgres_empty: str, registry: object, tmp_path: Path) -> None:
    assert registry  # made the bucket
    env["MOORAGE_DATABASE_URL"] = postgres_empty
    assert "applied 0001_registry" in await run(section(_PAGE, "Start")[2:3], env, tmp_path)
    assert await run(section("operate/upgrade.md", "The order"), env, tmp_path) == "nothing to do\n"
    async with served(env, 2, tmp_path / "log") as urls:
        env["MOORAGE_PUBLIC_URL"] = urls[0]
        said = await run(section(_PAGE, "The first account"), env, tmp_path)
        assert said.startswith("created admin\n")
        assert re.search(rf"^{urls[0]}/login/code#\S+$", said, re.MULTILINE)
        env["MOORAGE_LISTEN"] = urlsplit(urls[0]).netloc
        assert "✗" not in await run(section(_PAGE, "Is it right?"), env, tmp_path)

"""The OCI Distribution conformance program, against one `moorage serve` and against three behind a balancer.

`make conformance` builds the program and runs this; `make test` leaves it out.
"""

import asyncio
import os
import shutil
import socket
import sys
import uuid
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from registry.accounts.accounts import create_token, create_user
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import DatabaseSettings, open_database
from tests.support.processes import served
from tests.support.roundrobin import balanced

pytestmark = pytest.mark.conformance

_SCOPES = ("read:packages", "write:packages", "delete:packages")


@pytest.fixture
def given(env: dict[str, str], s3: EmbeddedS3) -> dict[str, str]:
    return {**env, "MOORAGE_S3_BUCKET": s3.bucket}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["1.1", "dev"])
@pytest.mark.parametrize("instances", [1, 3])
async def test_the_program_of_the_specification_finds_nothing(
    given: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, instances: int
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    told = {**given, "MOORAGE_PUBLIC_URL": f"http://{place}"}
    token = await _token(given["MOORAGE_DATABASE_URL"])
    async with served(told, instances, tmp_path / "log") as urls, balanced(listener, urls) as balancer:
        await _run(place, token, version, tmp_path)
        share = [balancer.handled[url] for url in urls]
    figures = _judge(tmp_path)
    with capsys.disabled():
        sys.stdout.write(f"\nOCI {version}, {instances} x moorage serve: {figures}; requests of each: {share}\n")
    assert max(share) - min(share) <= 1, "every instance had its part"


async def _token(database_url: str) -> str:
    async with open_database(DatabaseSettings(database_url)) as db:
        await create_user(db, "somebody")
        token, _ = await create_token(db, "somebody", _SCOPES)
    return token.reveal()


async def _run(place: str, token: str, version: str, results: Path) -> None:
    program = shutil.which("conformance")
    assert program, "there is no program «conformance» on the PATH: `make conformance` builds it, with Go"
    run = uuid.uuid4().hex[:8]
    given = {
        "PATH": os.defpath,
        "HOME": str(results),
        "OCI_CONFIGURATION": os.devnull,
        "OCI_RESULTS_DIR": str(results),
        "OCI_VERSION": version,
        "OCI_REGISTRY": place,
        "OCI_TLS": "disabled",
        "OCI_REPO1": f"somebody/{run}-1",
        "OCI_REPO2": f"somebody/{run}-2",
        "OCI_USERNAME": "somebody",
        "OCI_PASSWORD": token,
    }
    process = await asyncio.create_subprocess_exec(
        program, cwd=results, env=given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    (results / "output").write_bytes(output)


def _judge(results: Path) -> str:
    """The number of cases that passed and of those left out; fails with the names of those that did not."""
    cases = list(ET.parse(results / "junit.xml").getroot().iter("testcase"))
    by_status = Counter(str(case.get("status")) for case in cases)
    named = "\n".join(str(case.get("name")) for case in cases if case.get("status") not in {"passed", "skipped"})
    assert not named, f"{named}\n\n{(results / 'log').read_text()[-4000:]}"
    assert by_status["passed"] > 100, (results / "output").read_text()[-2000:]
    return f"{by_status['passed']} cases passed, 0 failed, {by_status['skipped']} skipped"

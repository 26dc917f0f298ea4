"""`moorage doctor` as its operator runs it."""

import asyncio
import os
import sys

from tests.support.processes import measured


async def doctor(env: dict[str, str], *arguments: str, sent: str = "") -> tuple[int, str]:
    """Run it with these settings; its exit status and what it says, which never has a secret."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "doctor", *arguments,
        env={"PATH": os.defpath, "MOORAGE_WORKERS": "2", **measured(), **env},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await child.communicate(sent.encode())
    said = output.decode().strip()
    print(said)  # noqa: T201 - shown where a test fails
    assert "Traceback" not in said
    for name in ("MOORAGE_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"):
        assert env.get(name, "?" * 9) not in said
    password = env.get("MOORAGE_DATABASE_URL", "").partition("@")[0].rpartition(":")[2]
    assert not password or password not in said
    return child.returncode or 0, said


def lines(said: str, sign: str) -> list[str]:
    """What stands under this sign, each with its cure."""
    return [part for part in f"\n{said}".replace("\n    → ", " → ").split("\n") if part.startswith(sign)]

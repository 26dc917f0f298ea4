"""What docs/operate/lost-token.md tells: the operator's commands, one after the other."""

import re
from pathlib import Path
from typing import Final

from tests.docs.operated import run, section
from tests.support.server import Registry

_PAGE: Final = "operate/lost-token.md"


async def test_the_operator_helps(env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    env["MOORAGE_PUBLIC_URL"] = "https://registry.example"
    lost = await registry.user("alice", ["write:packages"])
    assert (await registry.call("GET", "/v2/", lost)).status == 200
    said = (await run(section(_PAGE, "A token of a person")[3:], env, tmp_path)).splitlines()
    assert said[0].startswith("1\talice\t…")
    assert said[1] == "revoked 1"
    assert (await registry.call("GET", "/v2/", lost)).status == 401
    assert (await registry.call("GET", "/v2/", said[2])).status == 200
    said = (await run(section(_PAGE, "A token in the wrong hands"), env, tmp_path)).splitlines()
    assert said == ["alice is suspended", "alice is active"]
    link = await run(section(_PAGE, "A password"), env, tmp_path)
    assert re.fullmatch(r"https://registry\.example/login/code#\S+\n", link)
    assert await run(section(_PAGE, "No administrator left"), env, tmp_path) == "alice is a site administrator\n"

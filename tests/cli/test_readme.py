"""The lines of README's section «The command line» do what it says."""

import re
import shlex
from pathlib import Path

from tests.cli.commands import Shell
from tests.support.api import SCOPES

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


async def test_the_lines_of_readme_run(shell: Shell) -> None:
    text = README.partition("## The command line\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^    moorage (.+)$", text, re.MULTILINE)
    assert len(lines) > 6
    token = await shell.registry.user("admin", SCOPES)
    await shell.registry.push_image("admin/hello-world", "latest", token)
    for line in lines:
        command, _, given = line.partition(" < ")
        words = shlex.split(command.replace("localhost:5000", shell.host))
        await shell.ok(*words, given=token if given == ".moorage/admin-token" else "", MOORAGE_HOST="")
    for name in ("admin/hello-world", "admin/twin"):
        assert "stable" in (await shell.ok("tags", name, "-q")).out.split()
    for name in re.findall(r"`moorage ([a-z]+)", text):
        assert name in (await shell.ok("--help")).out

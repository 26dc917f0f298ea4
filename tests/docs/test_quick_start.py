"""The first block of the first page: what `make run` prints once everything is installed."""

import os
import subprocess
import sys
from pathlib import Path

from registry.devservers.processes import free_ports
from tests.docs.pages import DOCS, read
from tests.docs.shell import ROOT
from tests.docs.transcript import for_readers, same


def test_it_prints_what_the_page_says(tmp_path: Path) -> None:
    (block,) = [one for one in read(DOCS / "start" / "quick-start.md").blocks if one.commands[0].text == "make run"]
    (port,) = free_ports(1)
    makefile = (ROOT / "Makefile").read_text()
    assert "DATA ?= .moorage\n" in makefile
    assert "PORT ?= 5000\n" in makefile
    command = [sys.executable, "-m", "registry", "run", "--port", str(port), "--data", ".moorage"]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}  # noqa: TID251 - of the tests
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = list[str]()
            for line in process.stdout:
                lines.append(line)
                if line.startswith("Ctrl-C"):
                    break
        finally:
            process.terminate()
            process.wait(30)
    names = {f"localhost:{port}": "localhost:5000", str(tmp_path): "/home/you/moorage"}
    printed = for_readers("".join(lines), names)
    assert same("\n".join(block.commands[0].printed), printed), printed

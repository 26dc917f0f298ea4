"""Installs what requirements.lock names, but for what is left out, into an environment of its own."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("environment", type=Path)
parser.add_argument("--without", nargs="+", default=[])
told = parser.parse_args()
blocks = re.split(r"^(?=[a-z0-9])", Path("requirements.lock").read_text(), flags=re.MULTILINE)
wanted = [block for block in blocks if block.partition("==")[0] not in told.without]
assert len(blocks) - len(wanted) == len(told.without), "the lock has not all that is left out"
lock = Path("wanted.lock")
lock.write_text("".join(wanted))
subprocess.run([sys.executable, "-m", "venv", str(told.environment)], check=True)
pip = [str(told.environment / "bin" / "python"), "-m", "pip", "install", "--no-cache-dir", "--no-deps"]
subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)

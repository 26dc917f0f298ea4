"""How quickly each command starts, against Python alone, and what the bare wheel weighs.

    python -m bench.startup [--runs 7] [--wheel]

Of each command `--help` is measured: the time of the processor, the least of so many runs, and the modules that it
imports and Python alone does not. ``--wheel`` has pip build the wheel, and tells its size and what it requires.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Final

from bench.deployment import ROOT
from registry.cli.client.commands import TABLE

_ENV: Final = {"HOME": "/nonexistent", "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
_TELL: Final = (
    "import atexit, sys; atexit.register(lambda: print(len(sys.modules), file=sys.stderr)); "
    "sys.argv[1:] = {0!r}; import runpy; runpy.run_module({1!r}, run_name='__main__')"
)
_ALONE: Final = "import sys, atexit, runpy; print(len(sys.modules), file=sys.stderr)"


def _python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=_ENV, cwd="/")


def seconds(runs: int, *arguments: str) -> float:
    """The processor's time that Python takes with these arguments, the least of so many runs."""
    found = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _python(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def modules(words: list[str], module: str = "registry") -> int:
    """How many modules a command imports that Python alone does not."""
    alone, told = _python("-c", _ALONE), _python("-c", _TELL.format(words, module))
    return int(told.stderr.split()[-1]) - int(alone.stderr.split()[-1])


def _wheel() -> None:
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT)]
        subprocess.run(build, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
            requires = message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []
            client = [one for one in archive.infolist() if one.filename.startswith("registry/cli/client/")]
            print(f"\nthe wheel: {wheel.stat().st_size / 1000:,.0f} kB in {len(archive.namelist())} files", end="; ")
        print(f"the user's commands in it: {sum(one.compress_size for one in client) / 1000:,.0f} kB in {len(client)}")
        bare = [one for one in requires if "extra ==" not in one]
        print(f"it requires {len(bare)} packages; {len(requires)} more with extras")


def main() -> None:
    parser = argparse.ArgumentParser(description="Print how quickly each command starts.")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--wheel", action="store_true", help="build the wheel, and tell what it weighs")
    options = parser.parse_args()
    alone = seconds(options.runs, "-c", "pass")
    print(f"{'':20}{'ms':>6}{'above Python':>14}{'modules':>9}\n{'python -c pass':20}{alone * 1000:6.0f}")
    for name in TABLE:
        took = seconds(options.runs, "-m", "registry", *name.split(), "--help")
        count = modules([*name.split(), "--help"])
        print(f"{name:20}{took * 1000:6.0f}{(took - alone) * 1000:14.0f}{count:9}", flush=True)
    helper = "registry.cli.client.docker_credential"
    took = seconds(options.runs, "-m", helper, "list")
    print(f"{'(docker-credential)':20}{took * 1000:6.0f}{(took - alone) * 1000:14.0f}{modules(['list'], helper):9}")
    if options.wheel:
        _wheel()


if __name__ == "__main__":
    main()

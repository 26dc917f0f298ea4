"""Makes the file system of the image: an environment, the Python below it, and what both load, with nothing else.

What of the base is in it stays in the list of Debian's packages, which scanners read.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

environment, root = map(Path, sys.argv[1:])
# Of the standard library, and of the environment: what no server loads.
UNUSED = (
    *(
        "test",
        "idlelib",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "pydoc_data",
        "config-*",
        "_test*.so",
        "_dbm.*.so",
        "_sqlite3.*.so",
    ),
    *("pip", "pip-*", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h"),
)
# botocore knows all of AWS; these are what S3 and the credentials for it need.
SERVICES = {"s3", "sts", "sso", "sso-oidc", "signin"}
USERS = "root:x:0:0:root:/tmp:/nologin\nmoorage:x:10001:10001:moorage:/tmp:/nologin\n"
GROUPS = "root:x:0:\nmoorage:x:10001:\n"


def copy(path: Path) -> None:
    """Copy a file, or a symbolic link and what it leads to, under the same name."""
    # Debian's /lib is a link to /usr/lib, and the loader is asked for by /lib64.
    target = root / (path.parent.resolve() / path.name).relative_to("/")
    if target.exists() or target.is_symlink():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target.symlink_to(path.readlink())
        copy(path.parent / path.readlink())
    elif path.is_dir():
        shutil.copytree(path, target, symlinks=True, ignore=shutil.ignore_patterns(*UNUSED))
    else:
        shutil.copy2(path, target)


def libraries(path: Path) -> set[Path]:
    said = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout
    return {Path(found) for found in re.findall(r"(/\S+) \(0x", said)}


def packages() -> str:
    """Return what dpkg knows of the packages that files of the image are of."""
    files = [f"/{path.relative_to(root)}" for path in root.rglob("*") if not path.is_dir() or path.is_symlink()]
    files = [path for path in files if not path.startswith(f"{environment}/")]
    said = subprocess.run(["dpkg", "-S", *files], capture_output=True, text=True, check=False).stdout
    names = {
        name.strip().partition(":")[0] for line in said.splitlines() for name in line.partition(": ")[0].split(",")
    }
    status = Path("/var/lib/dpkg/status").read_text().split("\n\n")
    return "\n\n".join(one for one in status if one.partition("\n")[0].removeprefix("Package: ") in names) + "\n"


for name in ("bin", "lib", "lib64", "sbin"):
    if Path("/", name).is_symlink():
        root.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(Path("/", name).readlink())
for folder in environment.glob("lib/python*/site-packages/botocore/data/*"):
    if folder.is_dir() and folder.name not in SERVICES:
        shutil.rmtree(folder)
copy(environment)
interpreter = environment / "bin" / "python"
while interpreter.is_symlink():
    interpreter = interpreter.parent / interpreter.readlink()
    copy(interpreter)
copy(Path(sysconfig.get_path("stdlib")))
loaded = [interpreter, *root.rglob("*.so"), *root.rglob("*.so.*")]
for library in set().union(*map(libraries, loaded)):
    if library.is_relative_to(environment):
        continue
    copy(library)
# Wheels bring the symbols that debuggers read: a third of their size.
subprocess.run(["strip", "--strip-unneeded", *(root / environment.relative_to("/")).rglob("*.so")], check=True)
# The system's authorities, as OpenSSL finds them, and where the loader finds libraries.
for path in (
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/etc/os-release",
    "/etc/debian_version",
):
    if Path(path).exists():
        copy(Path(path))
(root / "etc" / "passwd").write_text(USERS)
(root / "etc" / "group").write_text(GROUPS)
(root / "etc" / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
(root / "tmp").mkdir(mode=0o1777)
(root / "tmp").chmod(0o1777)
known = root / "var" / "lib" / "dpkg" / "status"
known.parent.mkdir(parents=True)
known.write_text(packages())

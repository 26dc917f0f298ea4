"""The file of sign-ins: ``hosts.toml``, readable for its owner only, in the user's configuration directory."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from registry.cli.client.errors import USAGE, CommandError

_HEAD: Final = "# The sign-ins of moorage: it writes this file. Whoever can read it can act as you.\n"

Entry = dict[str, Any]


def folder(env: Mapping[str, str]) -> str:
    """Return the configuration directory of the user."""
    base = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".config")  # noqa: PTH111, PTH118
    return os.path.join(base, "moorage")  # noqa: PTH118


def path_of(env: Mapping[str, str]) -> str:
    """Return the path of the file of sign-ins."""
    return os.path.join(folder(env), "hosts.toml")  # noqa: PTH118


def read(env: Mapping[str, str]) -> dict[str, Entry]:
    """Read the sign-ins by host. Raises CommandError for a file that cannot be read."""
    path = path_of(env)
    found = toml(path, attempt=f"rm {path}")
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)}


def toml(path: str, attempt: str = "") -> dict[str, Any]:
    """Read a TOML file; empty for none. Raises CommandError, which names ``attempt`` for what is no TOML."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", status=USAGE) from error
    import tomllib

    try:
        return tomllib.loads(text.decode())
    except ValueError as error:
        raise CommandError(f"cannot read {path}: {error}", status=USAGE, attempt=attempt) from error


@contextmanager
def changing(env: Mapping[str, str]) -> Iterator[dict[str, Entry]]:
    """Yield the sign-ins to change, and write them in place of the former file; one process at a time."""
    import fcntl

    os.makedirs(folder(env), mode=0o700, exist_ok=True)  # noqa: PTH103
    path = path_of(env)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        hosts = read(env)
        yield hosts
        fresh = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(_HEAD + "".join(_section(name, entry) for name, entry in sorted(hosts.items())))
            file.flush()
            os.fsync(fresh)
        os.replace(f"{path}.new", path)  # noqa: PTH105
    finally:
        os.close(lock)


def _section(name: str, entry: Entry) -> str:
    lines = [f"{key} = {_value(value)}\n" for key, value in entry.items() if value is not None]
    return f"\n[{_value(name)}]\n" + "".join(lines)


def _value(value: object) -> str:
    """Write a value. A basic string of TOML has the escapes of JSON, but none for halves of a pair."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

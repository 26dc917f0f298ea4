"""Preferences: the host and the owner that are meant where none is named, and where each comes from."""

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from registry.cli.client import store
from registry.cli.client.errors import USAGE, CommandError

KEYS: Final = ("host", "owner")
#: The file of a folder: what was cloned may have one, so no secret goes to the host that it names.
FOLDER_FILE: Final = ".moorage.toml"


class Preference(NamedTuple):
    """A value, and where it comes from; both empty for none."""

    value: str
    origin: str


def path_of(env: Mapping[str, str]) -> str:
    """Return the path of the user's file of preferences."""
    return os.path.join(store.folder(env), "config.toml")  # noqa: PTH118


def find(env: Mapping[str, str], key: str, flag: str = "", *, own: bool = False) -> Preference:
    """Find a preference: flag, environment, ./.moorage.toml, the user's file. ``own``: without the folder's file.

    Raises CommandError for a file that cannot be read.
    """
    if flag:
        return Preference(flag, f"--{key}")
    variable = f"MOORAGE_{key.upper()}"
    if env.get(variable):
        return Preference(env[variable], variable)
    for path in (*(() if own else (FOLDER_FILE,)), path_of(env)):
        value = read(path).get(key)
        if value:
            return Preference(value, path if path != FOLDER_FILE else f"./{FOLDER_FILE}")
    return Preference("", "")


def read(path: str) -> dict[str, str]:
    """Read a file of preferences; empty for none. Raises CommandError."""
    found = store.toml(path)
    for key, value in found.items():
        if key not in KEYS:
            raise CommandError(f"{path} has {key!r}", status=USAGE, why=f"expected {' and '.join(KEYS)}, and no token")
        if not isinstance(value, str):
            raise CommandError(f"{path}: {key} is no text", status=USAGE)
    return found

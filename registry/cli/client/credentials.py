"""Credentials of hosts: from the sign-ins of moorage, or from docker's stores by the protocol of their helpers."""

import json
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from registry.cli.client import store
from registry.cli.client.errors import CommandError

#: What helpers print where they have nothing; clients compare the text.
NOT_FOUND: Final = "credentials not found in native keychain"
OWN_HELPER: Final = "moorage"
_SECONDS: Final = 30
#: How docker names its own registry among its credentials.
_HUB: Final = "https://index.docker.io/v1/"


class Credential(NamedTuple):
    """A login with its token; ``source`` tells where they came from."""

    login: str
    token: str
    source: str


class HelperFailed(Exception):
    """A credential helper of docker is missing, or refuses."""


def find(env: Mapping[str, str], host: str) -> Credential | None:
    """Find the credential of a host: a sign-in of moorage, else one of docker's or podman's."""
    if host == "docker.io":
        host = _HUB
    entry = store.read(env).get(host)
    if entry is not None and entry.get("token"):
        return Credential(str(entry.get("login", "")), str(entry["token"]), store.path_of(env))
    named = None if entry is None else entry.get("helper")
    helper = str(named) if named else helper_of(env, host)
    if helper is not None and helper != OWN_HELPER:
        found = _asked(helper, host)
        if found is not None:
            return found
    return _listed(env, host)


def helper_of(env: Mapping[str, str], host: str) -> str | None:
    """Return the name of the helper that docker keeps the credentials of a host with."""
    config = docker_config(env)
    named = _object(config, "credHelpers").get(host) or config.get("credsStore")
    for path in [] if named else _podman_paths(env):
        named = named or _object(_json_file(path), "credHelpers").get(host)
    return str(named) if named else None


def docker_path(env: Mapping[str, str]) -> str:
    """Return the path of docker's configuration."""
    base = env.get("DOCKER_CONFIG") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".docker")  # noqa: PTH111, PTH118
    return os.path.join(base, "config.json")  # noqa: PTH118


def docker_config(env: Mapping[str, str]) -> dict[str, Any]:
    """Read docker's configuration; a file that is missing or malformed has nothing."""
    return _json_file(docker_path(env))


def ask_helper(name: str, action: str, given: str) -> str:
    """Run ``docker-credential-NAME ACTION`` with ``given`` on its stdin, and return its stdout. Raises HelperFailed."""
    import subprocess

    program = f"docker-credential-{name}"
    try:
        done = subprocess.run(  # noqa: S603 - the user's own configuration names it
            [program, action], input=given, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HelperFailed(f"cannot run {program}") from error
    if done.returncode != 0:
        raise HelperFailed(done.stdout.strip() or done.stderr.strip() or f"{program} failed")
    return done.stdout


def keep(env: Mapping[str, str], host: str, login: str, token: str, **facts: Any) -> str:
    """Keep the credential of a host where docker keeps others, else in the file; return where it is."""
    helper = helper_of(env, host)
    entry: store.Entry = {"login": login, **facts}
    if helper is not None and helper != OWN_HELPER:
        try:
            ask_helper(helper, "store", json.dumps({"ServerURL": host, "Username": login, "Secret": token}))
        except HelperFailed as error:
            raise CommandError(f"cannot keep the token with docker-credential-{helper}", why=str(error)) from error
        entry["helper"] = helper
    else:
        entry["token"] = token
    with store.changing(env) as hosts:
        hosts[host] = entry
    return store.path_of(env) if "token" in entry else f"docker-credential-{helper}"


def forget(env: Mapping[str, str], host: str) -> None:
    """Forget the credential that ``keep`` has kept."""
    with store.changing(env) as hosts:
        entry = hosts.pop(host, {})
    if entry.get("helper"):
        try:
            ask_helper(str(entry["helper"]), "erase", host)
        except HelperFailed as error:
            if str(error) != NOT_FOUND:
                raise CommandError(f"cannot erase the token with docker-credential-{entry['helper']}") from error


def _asked(helper: str, host: str) -> Credential | None:
    try:
        found = json.loads(ask_helper(helper, "get", host))
    except (HelperFailed, ValueError):
        return None
    if not isinstance(found, dict) or not found.get("Secret"):
        return None
    return Credential(str(found.get("Username", "")), str(found["Secret"]), f"docker-credential-{helper}")


def _podman_paths(env: Mapping[str, str]) -> list[str]:
    """List the files that podman reads, in its order (containers-auth.json(5))."""
    if env.get("REGISTRY_AUTH_FILE"):
        return [env["REGISTRY_AUTH_FILE"]]
    bases = (env.get("XDG_RUNTIME_DIR"), os.path.dirname(store.folder(env)))  # noqa: PTH120
    return [os.path.join(base, "containers", "auth.json") for base in bases if base]  # noqa: PTH118


def _listed(env: Mapping[str, str], host: str) -> Credential | None:
    """Find the credential in the files that docker and podman write without a helper."""
    for path in (docker_path(env), *_podman_paths(env)):
        text = _entry(_object(_json_file(path), "auths"), host).get("auth")
        if text:
            import base64
            import binascii

            try:
                login, _, token = base64.b64decode(text).decode().partition(":")
            except (binascii.Error, ValueError, TypeError):
                continue
            return Credential(login, token, path)
    return None


def _entry(auths: dict[str, Any], host: str) -> dict[str, Any]:
    """Find the entry of a host, which old clients wrote with a scheme and a path."""
    for name, entry in auths.items():
        scheme, separator, rest = name.partition("://")
        if name == host or (separator and scheme in {"http", "https"} and rest.partition("/")[0] == host):
            return entry if isinstance(entry, dict) else {}
    return {}


def _object(config: dict[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _json_file(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

"""The program ``docker-credential-moorage``: docker's protocol of credential helpers over the sign-ins of moorage.

Docker starts it for every operation, so it imports little. Texts are those of docker-credential-helpers, which
clients compare.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Final, TextIO

from registry.cli.client import store
from registry.cli.client.credentials import NOT_FOUND
from registry.cli.client.errors import CommandError

_NO_SERVER: Final = "no credentials server URL"
_NO_USER: Final = "no credentials username"
_USAGE: Final = "Usage: docker-credential-moorage <store|get|erase|list|version>"


class Refused(Exception):
    """The message that the protocol has for what went wrong."""


def main() -> int:
    """Run the program and return its exit status."""
    return run(sys.argv[1:], os.environ, sys.stdin, sys.stdout)


def run(arguments: list[str], env: Mapping[str, str], given: TextIO, out: TextIO) -> int:
    """Answer one request of the protocol; errors go to stdout, as the protocol has it."""
    actions = {"store": _store, "get": _get, "erase": _erase, "list": _list, "version": _version}
    action = actions.get(arguments[0]) if len(arguments) == 1 else None
    if action is None:
        out.write(_USAGE + "\n")
        return 1
    try:
        text = given.read() if action in {_store, _get, _erase} else ""
        out.write(action(env, text))
    except (Refused, CommandError) as error:
        out.write(f"{error}\n")
        return 1
    except UnicodeError:  # stdin is no UTF-8, or has half a pair of surrogates
        out.write(_NO_SERVER + "\n")
        return 1
    return 0


def host_of(server: str) -> str:
    """Return the host with its port that a server's URL names, however much of a URL it is."""
    found = server.strip().removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
    if not found or not found.isprintable():
        raise Refused(_NO_SERVER)
    return found.removesuffix(":443")


def _get(env: Mapping[str, str], given: str) -> str:
    host = host_of(given)
    entry = store.read(env).get(host, {})
    if not entry.get("token"):
        raise Refused(NOT_FOUND)
    found = {"ServerURL": given.strip(), "Username": entry.get("login") or "moorage", "Secret": entry["token"]}
    return json.dumps(found) + "\n"


def _store(env: Mapping[str, str], given: str) -> str:
    try:
        told = json.loads(given)
        server, login, secret = (told[key] for key in ("ServerURL", "Username", "Secret"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(_NO_SERVER) from error
    if not all(isinstance(one, str) for one in (server, login, secret)):
        raise Refused(_NO_SERVER)
    f"{server}{login}{secret}".encode()  # raises UnicodeEncodeError for half a pair
    host = host_of(server)
    if not login:
        raise Refused(_NO_USER)
    with store.changing(env) as hosts:
        former = hosts.get(host, {})
        kept: store.Entry = {key: former[key] for key in ("scheme", "insecure") if key in former}
        hosts[host] = {"login": login, **kept, "token": secret}
    return ""


def _erase(env: Mapping[str, str], given: str) -> str:
    host = host_of(given)
    with store.changing(env) as hosts:
        hosts.pop(host, None)
    return ""


def _list(env: Mapping[str, str], _given: str) -> str:
    found = {host: entry.get("login") or "moorage" for host, entry in store.read(env).items() if entry.get("token")}
    return json.dumps(found) + "\n"


def _version(_env: Mapping[str, str], _given: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"docker-credential-moorage {version('moorage')}\n"
    except PackageNotFoundError:
        return "docker-credential-moorage of a checkout\n"


if __name__ == "__main__":
    sys.exit(main())

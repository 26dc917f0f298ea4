"""Sign-in: the commands ``login``, ``logout`` and ``whoami``."""

import re
from argparse import ArgumentParser
from email.utils import parsedate_to_datetime
from typing import Any, Final

from registry.cli.client import credentials, store
from registry.cli.client.api import Api
from registry.cli.client.commands import Command
from registry.cli.client.context import Context, Target
from registry.cli.client.devices import sign_in
from registry.cli.client.errors import NOT_SIGNED_IN, USAGE, CommandError
from registry.cli.client.http import Reply
from registry.cli.client.output import Column

_SCOPES: Final = "read:packages,write:packages,delete:packages,user"
_TOKEN_MAX: Final = 1000
_LOGIN: Final = re.compile(r"[\x21-\x7e]{1,100}")
_SKEW_SECONDS: Final = 30


def _add_login(parser: ArgumentParser) -> None:
    parser.add_argument("registry", nargs="?", default="", metavar="HOST", help="as docker names it: HOST or HOST:PORT")
    parser.add_argument("--with-token", action="store_true", help="read an access token from stdin")
    parser.add_argument("--scope", default=_SCOPES, help=f"what the new token may, with commas between ({_SCOPES})")
    parser.add_argument("--token-name", metavar="NAME", help="what the new token is for (this machine)")
    parser.add_argument(
        "--docker", action="store_true", help="have docker and podman ask moorage for this host's token"
    )


def _login(context: Context) -> None:
    named = context.options.registry or context.preference("host", own=True).value
    if not named:
        raise CommandError("which host?", status=USAGE, attempt="moorage login HOST")
    scheme, host = context.scheme_of(named)
    if context.options.with_token:
        token, device = context.input.read(_TOKEN_MAX).strip(), False
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise CommandError("stdin has no token", status=USAGE, attempt=f"moorage login {host} --with-token < FILE")
    else:
        token, device = _asked(context, Target(scheme, host, "", "", ""))
    api = context.api_of(Target(scheme, host, "", token, "stdin"))
    login = _me(api)[0]["login"]
    facts: dict[str, Any] = {"scheme": scheme, "device": True if device else None}
    if context.options.insecure:
        facts["insecure"] = True
    kept = credentials.keep(context.env, host, login, token, **facts)
    if context.options.docker:
        _register(context, host)
    _tell(context, host, login, kept)


def _is_login(told: object) -> bool:
    return isinstance(told, str) and _LOGIN.fullmatch(told) is not None


def _me(api: Api) -> tuple[dict[str, Any], Reply]:
    """Ask who the token belongs to. Raises CommandError for an answer that names nobody."""
    reply = api.reply("GET", "/user")
    me = reply.json()
    if not isinstance(me, dict) or not _is_login(me.get("login")):
        raise CommandError(f"{api.host} does not say who you are", why="this is no answer of Moorage")
    return me, reply


def _tell(context: Context, host: str, login: str, kept: str) -> None:
    if kept == store.path_of(context.env):
        context.note(f"The token is in {kept}, readable for you only: docker has no credential helper here.")
    if context.env.get("MOORAGE_TOKEN"):
        context.note("MOORAGE_TOKEN is set, and goes before this sign-in.")
    also = "; docker and podman use it too" if context.options.docker else ""
    context.note(f"Signed in to {host} as {login}{also}.")
    if context.output.fields is not None:
        context.output.json({"host": host, "login": login})


def _asked(context: Context, target: Target) -> tuple[str, bool]:
    """Get a token by the device flow, or where the registry has none by asking for it."""
    token = sign_in(context, target, context.options.scope.replace(",", " "), context.options.token_name)
    if token is not None:
        return token, True
    if not context.input.isatty():
        raise CommandError(
            "nobody can be asked here", status=USAGE, attempt=f"moorage login {target.host} --with-token < FILE"
        )
    from getpass import getpass

    return getpass(f"Access token for {target.host}: ", context.output.err).strip(), False


def _register(context: Context, host: str) -> None:
    """Name moorage as the credential helper of the host in docker's configuration."""
    import json
    import os

    path = credentials.docker_path(context.env)
    config = credentials.docker_config(context.env)
    if not config and os.path.exists(path) and os.path.getsize(path):  # noqa: PTH110, PTH202
        raise CommandError(f"{path} is no JSON", why="it is left as it is: mend it, or move it away")
    if (config.get("credHelpers") or {}).get(host) == credentials.OWN_HELPER:
        return
    config["credHelpers"] = {**(config.get("credHelpers") or {}), host: credentials.OWN_HELPER}
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
    fresh = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(config, file, indent="\t")
    os.replace(f"{path}.new", os.path.realpath(path))  # noqa: PTH105


def _add_logout(parser: ArgumentParser) -> None:
    parser.add_argument("registry", nargs="?", default="", metavar="HOST")
    parser.add_argument("--no-revoke", action="store_true", help="leave the token good")


def _logout(context: Context) -> None:
    target = context.target(context.options.registry)
    entry = store.read(context.env).get(target.host)
    if entry is None:
        raise CommandError(f"not signed in to {target.host}", status=NOT_SIGNED_IN)
    found = credentials.find(context.env, target.host)
    revoked = ""
    if found is not None and entry.get("device") and not context.options.no_revoke:
        revoked = _revoke(context, Target(target.scheme, target.host, found.login, found.token, ""))
    credentials.forget(context.env, target.host)
    still = "" if revoked else " The token is still good: revoke it where it was made, if nothing else uses it."
    context.note(f"Signed out of {target.host}.{revoked or still}")


def _revoke(context: Context, target: Target) -> str:
    try:
        api = context.api_of(target)
        mine = own_token(api, target.token)
        if mine is None:
            return ""
        api.reply("DELETE", f"/user/tokens/{mine['id']}")
    except CommandError:
        return ""
    return f" Its token {mine['note']!r} is revoked."


def own_token(api: Api, token: str) -> dict[str, Any] | None:
    """Find what the registry tells of the token that is used; None if the token may not ask."""
    try:
        found = list(api.pages("/user/tokens"))
    except CommandError:
        return None
    return next((one for one in found if one["token_last_eight"] == token[-8:]), None)


def _add_whoami(_parser: ArgumentParser) -> None:
    pass


def _whoami(context: Context) -> None:
    target = context.target()
    if not target.token:
        raise CommandError(
            f"not signed in to {target.host}", status=NOT_SIGNED_IN, attempt=f"moorage login {target.host}"
        )
    api = context.api_of(target)
    (me, reply), mine = _me(api), own_token(api, target.token)
    scopes = [one for one in reply.headers.get("X-OAuth-Scopes", "").split(", ") if one]
    dated = reply.headers.get("Date")
    skew = None if dated is None else round(context.output.now - parsedate_to_datetime(dated).timestamp())
    facts = {
        "login": me["login"],
        "host": target.host,
        "source": target.source,
        "scopes": scopes,
        "token": None if mine is None else mine["note"],
        "expires_at": None if mine is None else mine["expires_at"],
        "site_admin": me.get("site_admin"),
    }
    if context.output.quiet:
        context.output.line(me["login"])
        return
    context.output.facts(facts, _WHOAMI)
    if skew is not None and abs(skew) > _SKEW_SECONDS:
        context.note(f"The clock of this machine and the registry's are {abs(skew)} s apart.")


_WHOAMI: Final = (
    Column("login", lambda one: one["login"]),
    Column("host", lambda one: one["host"]),
    Column("token from", lambda one: one["source"]),
    Column("token", lambda one: one["token"]),
    Column("may", lambda one: one["scopes"], "list"),
    Column("expires", lambda one: one["expires_at"], "time"),
)

COMMANDS: Final = {
    "login": Command(_add_login, _login),
    "logout": Command(_add_logout, _logout),
    "whoami": Command(_add_whoami, _whoami),
}

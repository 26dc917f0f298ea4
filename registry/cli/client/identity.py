"""The identity token of a CI job: the credential of a job that was given no secret."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from registry.cli.client.errors import NOT_SIGNED_IN, CommandError
from registry.cli.client.http import Connection, is_local

_OK: Final = 200


def offered(env: Mapping[str, str]) -> bool:
    """Return whether the job has an identity token, or may ask for one."""
    return bool(env.get("MOORAGE_ID_TOKEN") or env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))


def token_of(env: Mapping[str, str], host: str, trace: Callable[[str], None] | None) -> str:
    """Return the identity token for a host: MOORAGE_ID_TOKEN, or the one that GitHub Actions makes.

    Raises CommandError.
    """
    given = env.get("MOORAGE_ID_TOKEN", "").strip()
    if given:
        return given
    # docs.github.com, OpenID Connect in Actions: the address has a query already, and takes the audience by another.
    text = env.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
    url = urlsplit(text)
    if url.scheme != "https" and not (url.scheme == "http" and is_local(url.netloc)):
        raise CommandError("ACTIONS_ID_TOKEN_REQUEST_URL is no address", status=NOT_SIGNED_IN)
    headers = {"Authorization": f"Bearer {env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}", "Accept": "application/json"}
    target = f"{url.path or '/'}?{url.query}{'&' if url.query else ''}audience={quote(host, safe='')}"
    reply = Connection(url.scheme, url.netloc, trace).ask("GET", target, headers)
    found = reply.json()
    value = found.get("value") if isinstance(found, dict) else None
    if reply.status != _OK or not isinstance(value, str):
        why = f"{url.netloc} answered {reply.status}; the job needs `permissions: id-token: write`"
        raise CommandError("the job got no identity token", status=NOT_SIGNED_IN, why=why)
    return value

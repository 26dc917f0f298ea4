"""The registry's own URL, for the few absolute URLs, and the path of a request."""

import re
from typing import Final
from urllib.parse import unquote

from registry.config import Settings
from registry.http.proxies import forwarded_scheme_and_host
from registry.http.server.message import Request

_HOST: Final = re.compile(r"(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.ASCII | re.IGNORECASE)


def origin(http: Request, settings: Settings) -> str:
    """``scheme://host[:port]``: as configured; where nothing is, the host that this client has asked, if it is one.

    What the client has asked is told by a trusted proxy, if the request came through one.
    """
    if settings.public_url is not None:
        return settings.public_url
    scheme, named = forwarded_scheme_and_host(http, settings.trusted_proxies)
    asked = http.field(b"host") or ""
    host = next((text for text in (named, asked) if text is not None and _HOST.fullmatch(text)), "localhost")
    return f"{scheme or http.scheme}://{host}"


def api_base(http: Request, settings: Settings) -> str:
    """Return the URL of the API, without a slash at its end."""
    return settings.api_url or f"{origin(http, settings)}/api/v3"


def family_of(kind: str | None) -> str:
    """Return the first segment of the paths of an account in the API, as on GitHub, by the kind of the account."""
    return "orgs" if kind == "Organization" else "users"


def raw_path(target: str) -> str:
    """Return the path of ``target`` as it came, undecoded, without the query.

    A server must take the absolute form (RFC 9112 §3.2.2); whom it names is never believed.
    """
    path = target.partition("?")[0]
    return path if path[:1] == "/" else _ABSOLUTE.sub("", path, count=1) or "/"


def raw_query(target: str) -> str:
    """Return the query of ``target`` as it came, without the question mark: decoded it is fit for no header."""
    return target.partition("#")[0].partition("?")[2]


def decoded_path(target: str) -> str:
    """Return the path of ``target`` decoded once: what rights and handlers see, so that they see the same.

    What is no UTF-8 becomes U+FFFD and what was encoded twice keeps its percent signs: the grammars have neither.
    """
    path = raw_path(target)
    return unquote(path) if "%" in path else path

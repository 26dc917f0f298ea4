"""The proxy to the outside that the environment names: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as docker reads them."""

from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from registry.cli.client.errors import USAGE, CommandError


class Proxy(NamedTuple):
    """A proxy: its ``address``, HOST:PORT, and the Proxy-Authorization for it; empty for none."""

    address: str
    authorization: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(env: Mapping[str, str], scheme: str, host: str) -> Proxy | None:
    """Return the proxy to a host; None for the direct way. Raises CommandError for one that is not spoken."""
    name = f"{scheme.upper()}_PROXY"
    text = (env.get(name) or env.get(name.lower()) or "").strip()
    if not text or _goes_directly(env.get("NO_PROXY") or env.get("no_proxy") or "", scheme, host):
        return None
    url = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = url.port or 80
    except ValueError:
        port = 0
    if url.scheme != "http" or not url.hostname or not port:
        raise CommandError(f"{name} is no proxy that can be used", status=USAGE, why="expected http://HOST:PORT")
    address = f"[{url.hostname}]:{port}" if ":" in url.hostname else f"{url.hostname}:{port}"
    if url.username is None:
        return Proxy(address, "")
    secret = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return Proxy(address, "Basic " + b64encode(secret.encode()).decode())


def _goes_directly(exceptions: str, scheme: str, host: str) -> bool:
    url = urlsplit(f"{scheme}://{host}")
    name, port = (url.hostname or "").rstrip("."), url.port or (443 if scheme == "https" else 80)
    return any(_excepts(one.lower(), name, port) for one in exceptions.replace(",", " ").split())


def _excepts(text: str, name: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY is for a host: a name with those below it, an address, a network, or all."""
    if text == "*":
        return True
    entry, colon, wanted = text.rpartition(":")
    if colon and wanted.isdigit() and (":" not in entry or entry.endswith("]")):
        if int(wanted) != port:
            return False
        text = entry
    text = text.strip("[]")
    if "/" in text or name.replace(".", "").isdigit() or ":" in name:
        from ipaddress import ip_address, ip_network

        try:
            return ip_address(name) in ip_network(text, strict=False)
        except ValueError:
            return False
    text = text.removeprefix("*")
    return name.endswith(text) if text.startswith(".") else name == text or name.endswith(f".{text}")

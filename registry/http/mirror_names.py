"""Mirrors by the names that clients have for them: a host of ours that stands for the upstream, or ``ns=``.

docker asks a host, and containerd says ``ns=docker.io`` to any: both ask for ``library/alpine`` as the upstream calls
it, which here is ``hub/library/alpine``. The world is closed: a name that no mirror has is unknown, and never asked.
"""

from collections.abc import Iterable
from typing import Final

from auth.scopes import Grant
from registry.errors import NameUnknown, RegistryError
from registry.http.proxies import forwarded_scheme_and_host
from registry.http.server.message import Request
from registry.http.urls import origin
from registry.mirror.mirrors import Mirror
from registry.services import Services

_V2: Final = "/v2/"
_NAMELESS: Final = frozenset({"/v2/", "/v2/_catalog"})
_REPOSITORY: Final = "repository"


class NamespaceUnknown(NameUnknown):
    """No mirror of the registry has the name that ``ns=`` gives."""

    def __init__(self) -> None:
        RegistryError.__init__(self, "this registry is no mirror of the registry that ns= names")


def of_host(services: Services, http: Request) -> Mirror | None:
    """Return the mirror for which the host of a request stands."""
    hosts = services.mirroring.hosts
    return hosts.get((http.field(b"host") or "").lower()) if hosts else None


def named_by_host(services: Services, http: Request) -> None:
    """Have a request to the host of a mirror ask for the mirror's package."""
    mirror = of_host(services, http)
    if mirror is not None:
        http.target = _below(mirror, http.target)


def path_of(services: Services, http: Request, path: str) -> str:
    """Return the path, decoded, with the mirror that ``ns=`` names. Raises NamespaceUnknown."""
    named = http.query.get("ns")
    if named is None:
        return path
    asked, own = (http.field(b"host") or "").lower(), services.settings.own_hosts
    if named.lower() == asked or named.lower() in own or asked in services.mirroring.hosts:
        return path
    mirror = services.mirroring.aliases.get(named.lower())
    if mirror is not None:
        return _below(mirror, path)
    if services.mirroring.aliases or own:
        raise NamespaceUnknown
    return path  # nobody has told us our own name: it may be that


def origin_of(services: Services, http: Request) -> str:
    """Return the registry's own URL as ``origin`` does; at a mirror's host that, whose ``/token`` knows the mirror."""
    here = origin(http, services.settings)
    if of_host(services, http) is None:
        return here
    forwarded, _ = forwarded_scheme_and_host(http, services.settings.trusted_proxies)
    scheme = here.partition("://")[0] if services.settings.public_url else forwarded or http.scheme
    return f"{scheme}://{(http.field(b'host') or '').lower()}"


def asked_name(services: Services, http: Request, name: str) -> str:
    """Return the name of a package as the client of a mirror's host has it."""
    mirror = of_host(services, http)
    return name if mirror is None else name.removeprefix(f"{mirror.login.lower()}/")


def grants_of(services: Services, http: Request, asked: Iterable[Grant]) -> list[Grant]:
    """Return what is asked for at ``/token``; at the host of a mirror, of the mirror's packages."""
    mirror = of_host(services, http)
    if mirror is None:
        return list(asked)
    return [
        Grant(one.type, f"{mirror.login.lower()}/{one.name}", one.actions) if one.type == _REPOSITORY else one
        for one in asked
    ]


def _below(mirror: Mirror, target: str) -> str:
    """Return a path or target with the organization of a mirror before the package's name."""
    if not target.startswith(_V2) or target.partition("?")[0] in _NAMELESS:
        return target
    return f"{_V2}{mirror.login.lower()}/{target.removeprefix(_V2)}"

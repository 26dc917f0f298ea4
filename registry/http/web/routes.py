"""The addresses of pages, as patterns: ``/{owner}/{image}:{tag}``.

The address of a page is the reference that one pulls; what is below a package stands behind ``/-/``, as no component
of a name can be a hyphen, nor have a colon or an at sign in it.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web

from registry.http.web.opening import Opening, alone

if TYPE_CHECKING:
    from registry.http.web.call import PageCall

Handler = Callable[["PageCall"], Awaitable[web.StreamResponse]]

#: What a parameter may be; others are one component of a path.
_PARAMETERS: Final = {
    "owner": r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}",
    "image": r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)*",
    "tag": r"[^/:@]+",
    "digest": r"[a-z0-9+._-]+:[A-Za-z0-9=_-]+",
    "number": r"[0-9]{1,18}",
    "repository": r"[A-Za-z0-9._-]+",
}
_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """A page: who answers its address.

    ``token``: whether a POST has to bring the token of the viewer's forms; ``account``: whether for accounts only.
    ``opening``: how the viewer is found, and with it what the page is about.
    """

    method: str
    address: str
    handler: Handler
    token: bool = True
    opening: Opening = alone
    account: bool = True
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        literal = re.escape(self.address).replace(r"\{", "{").replace(r"\}", "}")
        object.__setattr__(self, "pattern", re.compile(_PARAMETER.sub(_group, literal), re.ASCII))


def _group(found: re.Match[str]) -> str:
    return f"(?P<{found[1]}>{_PARAMETERS.get(found[1], '[^/]+')})"


def match(routes: Sequence[Route], path: str, method: str) -> tuple[Route, dict[str, str]] | list[str]:
    """Find the route of a path, with its parameters; else the methods that the path has, none if it is no page."""
    allowed: list[str] = []
    for route in routes:
        found = route.pattern.fullmatch(path)
        if found is None:
            continue
        if method == route.method or (method, route.method) == ("HEAD", "GET"):
            return route, found.groupdict()
        allowed += ["GET", "HEAD"] if route.method == "GET" else [route.method]
    return sorted(set(allowed))

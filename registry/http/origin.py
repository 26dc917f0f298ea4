"""The request that a change comes by, as its event tells: id, address of the client, user agent."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from registry.config import Network
from registry.http.proxies import client_address
from registry.http.server.message import Request
from storage.metadata.events import ORIGIN, Origin

_AGENT_MAX: Final = 64


def come_by(request: Request, trusted: Sequence[Network]) -> None:
    """Have the changes of this task tell that they came by ``request``; it is only read when there is one."""
    ORIGIN.set(partial(origin_of, request, trusted))


def origin_of(request: Request, trusted: Sequence[Network]) -> Origin:
    """Return what is recorded of a request: its id, the address of its client and the user agent."""
    agent = (request.field(b"user-agent") or "")[:_AGENT_MAX]
    if not agent.isprintable():
        agent = "".join(letter if letter.isprintable() else " " for letter in agent)
    address = client_address(request, trusted)
    return Origin(request.id, address if address != "None" else "", agent)

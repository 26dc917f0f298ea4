"""The interface of a server to its connections: limits, request ids, the access log, and who answers."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from registry.http.server.access_log import AccessLog
from registry.http.server.message import Request


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines: for a head from its first byte, between two requests, for the rest of a body that nobody wants."""

    head_seconds: float
    idle_seconds: float
    linger_seconds: float = 5.0


class Site(Protocol):
    """All that is served."""

    def answer(self, request: Request) -> None:
        """Answer with ``request.client.respond`` or ``cut``, now or later. Does not raise."""


class Peer(Protocol):
    """A connection, as the server sees it."""

    deadline: float | None
    transport: asyncio.Transport | None

    def expire(self) -> None:
        """End a connection whose deadline has passed."""

    def finish(self) -> None:
        """End the connection with the response under way, or now if there is none."""


class Host(Protocol):
    """The server of a connection."""

    limits: Limits
    leaving: asyncio.Event
    access: AccessLog | None
    site: Site

    def enter(self, connection: Peer) -> bool:
        """Count a connection; False: it is one too many."""

    def leave(self, connection: Peer) -> None:
        """Forget a connection."""

    def new_id(self) -> str:
        """Return an id that no other request of any process has."""

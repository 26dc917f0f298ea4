"""The routes of the process: which requests are look-ups, which have a coroutine, which are aiohttp's.

Admission control stands before the latter two. Here is the last resort for exceptions, too.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from registry.errors import RegistryError, TooManyRequests
from registry.http import mirror_names, ops
from registry.http.errors import busy_page, github_body, is_for_api, is_for_pages
from registry.http.login_throttle import LoginThrottle
from registry.http.origin import come_by
from registry.http.server import guest
from registry.http.server.admission import Admission
from registry.http.server.guest import Guests
from registry.http.server.message import Request, Response, error_response
from registry.http.urls import api_base, decoded_path, raw_path
from registry.http.v2 import app as v2
from registry.http.v2 import search, token
from registry.process.logs import request_id
from registry.services import Services

if TYPE_CHECKING:
    from registry.http.tracing import Tracer

log = structlog.get_logger()

Handler = Callable[[Request], Awaitable[Response]]

_BLOB: Final = re.compile(r"/blobs/(?:uploads/)?[^/]*$")
_SESSION: Final = re.compile(r"/blobs/uploads/[^/]+$")


class Router:
    """The site that a process serves. ``tasks`` runs the handlers; ``running`` are their tasks."""

    def __init__(
        self,
        services: Services,
        throttle: LoginThrottle,
        guests: Guests,
        tasks: asyncio.TaskGroup,
        tracer: "Tracer | None" = None,
    ) -> None:
        self.admission = Admission()
        self.tracer = tracer
        self.running: set[asyncio.Task[None]] = set()
        self.throttle = throttle
        #: How often a rate limit was reached, by its name.
        self.refused = {} if services.limits is None else services.limits.refused
        self._services = services
        self._mirroring = services.mirroring
        self._guests = guests
        self._tasks = tasks
        self._api_host = services.settings.api_host
        self._own: Mapping[str, Handler] = {
            "/token": partial(token.serve, services, throttle),
            **{path: partial(search.serve, services, throttle, path) for path in (search.SEARCH, search.PING)},
            **{path: partial(handler, services) for path, handler in ops.HANDLERS.items()},
        }

    def answer(self, request: Request) -> None:
        """Answer with ``request.client``, after the return. Does not raise."""
        if self._mirroring.hosts:
            mirror_names.named_by_host(self._services, request)
        ours = not self._api_host or (request.field(b"host") or "").lower() != self._api_host
        if not ours or not v2.look_up(self._services, request, self._respond):
            self._spawn(request, self._admitted(request, self._handler(request) if ours else None))

    def _handler(self, request: Request) -> Handler | None:
        """Return who answers; None: aiohttp."""
        path = raw_path(request.target)
        if path.startswith("/v2"):
            return partial(v2.serve, self._services, self.throttle)
        handler = self._own.get(path)
        if handler is not None:
            request.route = path
        return handler

    async def _admitted(self, request: Request, handler: Handler | None) -> Response | None:
        """Answer a request in its turn; None: aiohttp has sent the response."""
        path = decoded_path(request.target)
        moves = (request.method == "GET" or not request.body.complete) and _BLOB.search(path) is not None
        waits = path not in ops.HANDLERS and _SESSION.search(path) is None
        await self.admission.enter(counted=not moves, waits=waits)
        try:
            if request.transport.is_closing():
                raise ConnectionResetError
            if not moves and not request.body.complete:
                request.body.suspended = self.admission.suspended
            return await (guest.serve(request, self._guests()) if handler is None else handler(request))
        finally:
            if not moves:
                self.admission.leave()

    def _spawn(self, request: Request, answering: Awaitable[Response | None]) -> None:
        task = self._tasks.create_task(self._run(request, answering))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _run(self, request: Request, answering: Awaitable[Response | None]) -> None:
        request_id.set(request.id)
        if self.tracer is not None:
            self.tracer.begin(request)
        come_by(request, self._services.settings.trusted_proxies)
        try:
            answer = await answering
        except asyncio.CancelledError:
            request.client.cut(request)
            raise
        except Exception as error:  # noqa: BLE001 - the last resort
            self._failed(request, error)
        else:
            if answer is not None:
                self._respond(request, answer)

    def _respond(self, request: Request, answer: v2.Answer) -> None:
        """Send what a handler has found; a coroutine is awaited first."""
        if isinstance(answer, Response):
            try:
                request.client.respond(request, answer)
            except ValueError as error:  # a line break in a header
                self._failed(request, error)
        elif isinstance(answer, Exception):
            self._failed(request, answer)
        else:
            self._spawn(request, answer)

    def _failed(self, request: Request, error: Exception) -> None:
        if request.transport.is_closing() or request.status is not None:
            # Nobody is left to be told, or half of a blob is on its way: a cut says that it is not whole.
            request.client.cut(request)
            return
        told = error if isinstance(error, RegistryError) else _unexpected(request, error)
        if isinstance(told, TooManyRequests) and raw_path(request.target).startswith("/v2"):
            request.route = v2.route_of(request)  # nobody has read it yet
        response = error_response(told)
        if is_for_api(request.target, request.field(b"host") or "", self._api_host):
            response.body = github_body(told, api_base(request, self._services.settings))
        elif isinstance(told, TooManyRequests) and is_for_pages(decoded_path(request.target)):
            response.headers = {**response.headers, "Content-Type": "text/html; charset=utf-8"}
            response.body = busy_page(told.retry_after_seconds)
        request.client.respond(request, response)


def _unexpected(request: Request, error: Exception) -> RegistryError:
    log.error("request.failed", method=request.method, path=raw_path(request.target), exc_info=error)
    return RegistryError("this is our fault, and it is in our log under the id of this request")

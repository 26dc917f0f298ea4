"""The routes of the process: which requests are look-ups, which have a coroutine, which are aiohttp's.

Admission control stands before the latter two. Here is the last resort for exceptions, too.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from registry.errors import RegistryError, TooManyRequests
from registry.http import ops
from registry.http.errors import busy_page, github_body, is_for_api, is_for_pages
from registry.http.login_throttle import LoginThrottle
from registry.http.server import guest
from registry.http.server.admission import Admission
from registry.http.server.guest import Guests
from registry.http.server.message import Request, Response, error_response
from registry.http.urls import api_base, decoded_path, raw_path
from registry.http.v2 import app as v2
from registry.http.v2 import token
from registry.process.logs import request_id
from registry.services import Services

log = structlog.get_logger()

Handler = Callable[[Request], Awaitable[Response]]

_BLOB: Final = re.compile(r"/blobs/(?:uploads/)?[^/]*$")
_SESSION: Final = re.compile(r"/blobs/uploads/[^/]+$")


class Router:
    """The site that a process serves. ``tasks`` runs the handlers; ``running`` are their tasks."""

    def __init__(self, services: Services, throttle: LoginThrottle, guests: Guests, tasks: asyncio.TaskGroup) -> None:
        self.admission = Admission(self._start, self._refuse)
        self.running: set[asyncio.Task[None]] = set()
        self.throttle = throttle
        self._services = services
        self._guests = guests
        self._tasks = tasks
        self._api_host = services.settings.api_host

    def answer(self, request: Request) -> None:
        """Answer with ``request.client``, now or later. Does not raise."""
        target = request.target
        if target.startswith("/v2/") and self._is_ours(request):
            if v2.look_up(self._services, request, self._respond):
                return
        elif target in ops.HANDLERS:
            self.admission.admit(request, counted=True, waits=False)
            return
        path = decoded_path(target)
        moves = (request.method == "GET" or not request.body.complete) and _BLOB.search(path) is not None
        self.admission.admit(request, counted=not moves, waits=_SESSION.search(path) is None)

    def _is_ours(self, request: Request) -> bool:
        return not self._api_host or (request.field(b"host") or "").lower() != self._api_host

    def _handler(self, request: Request) -> Handler | None:
        """Return who answers; None: aiohttp."""
        path = raw_path(request.target)
        if not self._is_ours(request):
            return None
        if path.startswith("/v2"):
            return partial(v2.serve, self._services, self.throttle)
        if path == "/token":
            return partial(token.serve, self._services, self.throttle)
        return partial(ops.HANDLERS[path], self._services) if path in ops.HANDLERS else None

    def _start(self, request: Request, done: Callable[[], None]) -> None:
        handler = self._handler(request)
        if handler is None:
            guest.serve(request, self._guests(), done)
        else:
            self._spawn(request, handler(request), done)

    def _spawn(self, request: Request, answering: Awaitable[Response], done: Callable[[], None] | None) -> None:
        task = self._tasks.create_task(self._run(request, answering, done))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _run(self, request: Request, answering: Awaitable[Response], done: Callable[[], None] | None) -> None:
        request_id.set(request.id)
        try:
            self._respond(request, await answering)
        except asyncio.CancelledError:
            request.client.cut(request)
            raise
        except Exception as error:  # noqa: BLE001 - the last resort
            self._respond(request, error)
        finally:
            if done is not None:
                done()

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
            self._spawn(request, answer, None)

    def _failed(self, request: Request, error: Exception) -> None:
        if request.transport.is_closing() or request.status is not None:
            # Nobody is left to be told, or half of a blob is on its way: a cut says that it is not whole.
            request.client.cut(request)
            return
        told = error if isinstance(error, RegistryError) else _unexpected(request, error)
        request.client.respond(request, error_response(told))

    def _refuse(self, request: Request, retry_after_seconds: int) -> None:
        error = TooManyRequests(retry_after_seconds)
        response = error_response(error)
        if is_for_api(request.target, request.field(b"host") or "", self._api_host):
            response.body = github_body(error, api_base(request, self._services.settings))
        elif is_for_pages(decoded_path(request.target)):
            response.headers = {**response.headers, "Content-Type": "text/html; charset=utf-8"}
            response.body = busy_page(retry_after_seconds)
        request.client.respond(request, response)


def _unexpected(request: Request, error: Exception) -> RegistryError:
    log.error("request.failed", method=request.method, path=raw_path(request.target), exc_info=error)
    return RegistryError("this is our fault, and it is in our log under the id of this request")

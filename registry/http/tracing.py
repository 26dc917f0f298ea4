"""Traces: spans of requests, and of what they waited for, made of the lines of the access log after the answers.

Invariants: nothing of a request that is not kept becomes a span; a span has no query, no header but Host and
User-Agent, and no value of a statement. Kept is what the sampler takes, and whatever was slow or failed.
Collaborators: ``registry.process.otlp`` sends the spans, ``storage.operations`` records what requests wait for.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from registry.config import Settings
from registry.egress.client import Egress
from registry.http.server.access_log import Line
from registry.http.server.message import Request
from registry.http.spans import ERRORS_FROM, operation_span, request_span
from registry.process.otlp import Exporter
from registry.process.trace_settings import TraceSettings
from registry.version import VERSION
from storage.operations import RECORDING, Operation, Recording

#: The caller's span (W3C Trace Context): its trace, itself, and flags. Later versions may have more behind these.
_TRACEPARENT: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_LATER: Final = re.compile(rb"(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16
_SAMPLED: Final = frozenset(b"%02x" % flags for flags in range(1, 256, 2))


class RequestRecording(Recording):
    """The recording of one request; its trace is the caller's, or one that begins when somebody asks for its id."""

    __slots__ = ("_fields", "_new_id", "_trace_id", "request_id")

    def __init__(self, request: Request, new_id: Callable[[int], str]) -> None:
        super().__init__()
        self.request_id = request.id
        self._fields = request.fields
        self._new_id = new_id
        self._trace_id: str | None = None

    @property
    def trace_id(self) -> str:
        if self._trace_id is None:
            caller = _caller(self._fields)
            self._trace_id = self._new_id(16) if caller is None else caller[1].decode()
        return self._trace_id


@dataclass(frozen=True, slots=True)
class Tracer:
    """Makes spans of finished requests; ``ids`` gives random bytes, ``now`` is Unix seconds."""

    settings: TraceSettings
    exporter: Exporter
    scheme: str
    now: Callable[[], float] = time.time
    ids: Callable[[int], bytes] = os.urandom

    def begin(self, request: Request) -> None:
        """Record what the task of a request waits for, and name its trace on all that it logs."""
        recording, before = RequestRecording(request, self._new_id), RECORDING.get()
        if before is not None and not isinstance(before, RequestRecording):  # of the look-up that it goes on from
            for operation in before.within(request.started, time.monotonic()):
                recording.add(operation)
        RECORDING.set(recording)

    def finished(self, lines: Sequence[Line]) -> None:
        """Make spans of the requests that are kept, and give the lines of all that are in a trace its id."""
        epoch, slow, sampler = self.now() - time.monotonic(), self.settings.slow_seconds, self.settings.sampler
        for line in lines:
            remarkable = line.ended - line.started >= slow or line.status >= ERRORS_FROM
            caller = _caller(line.fields)
            if caller is not None:
                line.trace_id, wanted = caller[1].decode(), caller[3] in _SAMPLED
            elif remarkable or sampler.ratio:
                own = _own(line)
                line.trace_id, wanted = self._new_id(16) if own is None else own.trace_id, None
            else:
                continue
            if remarkable or sampler.takes(line.trace_id, wanted):
                line.span_id = self._new_id(8)
                self._keep(line, "" if caller is None else caller[2].decode(), epoch)

    def _keep(self, line: Line, parent_id: str, epoch: float) -> None:
        operations, exporter = _waited_for(line), self.exporter
        if exporter.room <= len(operations):  # what is dropped is not made
            exporter.dropped += 1 + len(operations)
            return
        own = _own(line)
        spans = [request_span(line, parent_id, self.scheme, epoch, 0 if own is None else own.dropped)]
        spans += [operation_span(one, spans[0], self._new_id(8), epoch) for one in operations]
        exporter.add(spans)

    def _new_id(self, size: int) -> str:
        return self.ids(size).hex()


def _caller(fields: Mapping[bytes, bytes]) -> re.Match[bytes] | None:
    """Return the span of the caller; None: there is none, or none that can be believed."""
    sent = fields.get(b"traceparent")
    if sent is None:
        return None
    found = _TRACEPARENT.fullmatch(sent) or _LATER.fullmatch(sent)
    return None if found is None or found[1] == _NO_TRACE or found[2] == _NO_SPAN else found


def _own(line: Line) -> RequestRecording | None:
    """Return the recording of the request alone; None: a batch answered it, or the task of the request before it."""
    recording = line.recording
    own = isinstance(recording, RequestRecording) and recording.request_id == line.request_id
    return recording if own else None  # type: ignore[return-value]  # as was just asked


def _waited_for(line: Line) -> Sequence[Operation]:
    recording = _own(line) if isinstance(line.recording, RequestRecording) else line.recording
    return () if recording is None else recording.within(line.started, line.ended)


@asynccontextmanager
async def open_tracer(settings: Settings, wanted: TraceSettings) -> AsyncIterator[Tracer]:
    """Trace requests within the block, at the end of which the last spans are sent."""
    public = settings.public_url or ("http" if settings.tls is None else "https")
    exporter = Exporter(wanted, Egress().send, {"service.version": VERSION, "service.instance.id": str(uuid4())})
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(exporter.run())
        try:
            yield Tracer(wanted, exporter, public.partition("://")[0])
        finally:
            sending.cancel()

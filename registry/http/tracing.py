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
from registry.http.outbound import send
from registry.http.server.access_log import AccessLog, Line
from registry.http.server.message import Request
from registry.http.spans import Trace, operation_span, request_span
from registry.process.logs import trace_id
from registry.process.otlp import Exporter
from registry.process.trace_settings import TraceSettings
from registry.version import VERSION
from storage.operations import RECORDING, Operation, Recording

_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_INVALID_VERSION: Final = b"ff"
_OUR_VERSION: Final = b"00"
_SAMPLED: Final = 1
_ERRORS_FROM: Final = 500
#: The random bits of a trace's id (W3C Trace Context, level 2): what its share of all traces is judged by.
_RANDOM: Final = (1 << 56) - 1


class RequestRecording(Recording):
    """The recording of one request, whose trace is known from the beginning."""

    __slots__ = ("request_id", "trace")

    def __init__(self, request_id: str, trace: Trace) -> None:
        super().__init__()
        self.request_id = request_id
        self.trace = trace


class TracedLog(AccessLog):
    """An access log whose lines know what their requests waited for."""

    def note(self, line: Line) -> None:
        line.recording = RECORDING.get()
        super().note(line)


@dataclass(frozen=True, slots=True)
class Tracer:
    """Makes spans of finished requests; ``ids`` gives random bytes, ``now`` is Unix seconds."""

    settings: TraceSettings
    exporter: Exporter
    scheme: str
    now: Callable[[], float] = time.time
    ids: Callable[[int], bytes] = os.urandom
    log: type[AccessLog] = TracedLog

    def begin(self, request: Request) -> None:
        """Record what the task of a request waits for, and name its trace on all that it logs."""
        trace, before = self._trace(request.fields), RECORDING.get()
        recording = RequestRecording(request.id, trace)
        if before is not None and not isinstance(before, RequestRecording):  # of the look-up that it goes on from
            for operation in before.within(request.started, time.monotonic()):
                recording.add(operation)
        RECORDING.set(recording)
        trace_id.set(trace.trace_id.hex())

    def counter(self, count: Callable[[Sequence[Line]], None] | None) -> Callable[[Sequence[Line]], None]:
        """Return what traces finished requests, and counts them by ``count``."""

        def both(lines: Sequence[Line]) -> None:
            if count is not None:
                count(lines)
            self.finished(lines)

        return both

    def finished(self, lines: Sequence[Line]) -> None:
        """Make spans of the requests that are kept, and give the lines of all that are in a trace its id."""
        epoch, slow = self.now() - time.monotonic(), self.settings.slow_seconds
        silent = not self.settings.sampler.ratio
        for line in lines:
            remarkable = line.ended - line.started >= slow or line.status >= _ERRORS_FROM
            if silent and not remarkable and b"traceparent" not in line.fields:
                continue
            trace, operations = self._found(line)
            line.trace_id = trace.trace_id.hex()
            if remarkable or self._is_sampled(trace):
                line.span_id = trace.span_id.hex()
                self._keep(line, trace, operations, epoch)

    def _found(self, line: Line) -> tuple[Trace, tuple[Operation, ...]]:
        """Return the trace of a request, and the operations that it waited for."""
        recording = line.recording
        if isinstance(recording, RequestRecording):
            if recording.request_id == line.request_id:
                return recording.trace, recording.within(line.started, line.ended)
            recording = None  # of the request before it, in whose task it was answered
        operations = () if recording is None else recording.within(line.started, line.ended)
        return self._trace(line.fields), operations

    def _trace(self, fields: Mapping[bytes, bytes]) -> Trace:
        """Go on with the trace of the caller, or begin one."""
        sent = fields.get(b"traceparent")
        found = None if sent is None else _TRACEPARENT.fullmatch(sent)
        if found is None or found[1] == _INVALID_VERSION or (found[1] == _OUR_VERSION and found[5]):
            random = self.ids(24)
            return Trace(random[:16], random[16:])
        trace, parent = bytes.fromhex(found[2].decode()), bytes.fromhex(found[3].decode())
        if not any(trace) or not any(parent):
            random = self.ids(24)
            return Trace(random[:16], random[16:])
        return Trace(trace, self.ids(8), parent, bool(int(found[4], 16) & _SAMPLED))

    def _is_sampled(self, trace: Trace) -> bool:
        sampler = self.settings.sampler
        if sampler.follows and trace.sampled is not None:
            return trace.sampled
        return int.from_bytes(trace.trace_id, "big") & _RANDOM >= round((1 - sampler.ratio) * (_RANDOM + 1))

    def _keep(self, line: Line, trace: Trace, operations: Sequence[Operation], epoch: float) -> None:
        exporter = self.exporter
        if exporter.room <= len(operations):  # what is dropped is not made
            exporter.dropped += 1 + len(operations)
            return
        spans = [request_span(line, trace, self.scheme, epoch)]
        spans += [operation_span(one, trace, self.ids(8), epoch) for one in operations]
        exporter.add(spans)


@asynccontextmanager
async def open_tracer(settings: Settings, wanted: TraceSettings) -> AsyncIterator[Tracer]:
    """Trace requests within the block, at the end of which the last spans are sent."""
    public = settings.public_url or ("http" if settings.tls is None else "https")
    exporter = Exporter(wanted, send, {"service.version": VERSION, "service.instance.id": str(uuid4())})
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(exporter.run())
        try:
            yield Tracer(wanted, exporter, public.partition("://")[0])
        finally:
            sending.cancel()

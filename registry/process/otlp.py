"""Export of spans by OTLP over HTTP, in batches, beside what the process does for clients.

Invariants: memory is bounded, and so is the work: what is too much for the queue, or for a collector that does not
answer, is dropped and counted. The messages are those of opentelemetry/proto/collector/trace/v1/trace_service.proto,
encoded here: a handful, of bytes, texts and whole numbers, against a dozen packages and a thread in each process.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from registry.process.trace_settings import TraceSettings
from storage.errors import StorageError

log = structlog.get_logger()

#: Send a document to a URL, and return the status of the answer. Raises StorageError.
Send = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
Value = str | int

INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3

QUEUE_SPANS: Final = 2048
_BATCH_SPANS: Final = 512
_PAUSE_SECONDS: Final = 1.0
_PAUSE_MOST_SECONDS: Final = 60.0
_LAST_SECONDS: Final = 3.0
#: What a retry may mend (OTLP, «Retryable Response Codes»).
_NOT_NOW: Final = frozenset({429, 502, 503, 504})
_ERRORS_FROM: Final = 300
_SEVEN_BITS: Final = 0x7F
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"


class Span(msgspec.Struct, frozen=True):
    """A finished span; times in ns since 1970, ids in hexadecimal, ``parent_id`` "" for the root of a trace."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    started: int
    ended: int
    attributes: Mapping[str, Value]
    failed: bool = False


class Exporter:
    """Sends spans to a collector; ``about`` are attributes of the process, ``sent`` and ``dropped`` count spans."""

    def __init__(self, settings: TraceSettings, send: Send, about: Mapping[str, str]) -> None:
        self.sent = self.dropped = 0
        self._url = settings.endpoint
        self._headers = {**dict(settings.headers), "Content-Type": "application/x-protobuf"}
        self._send = send
        self._resource = {**about, **dict(settings.resource)}
        self._queue: deque[Span] = deque()
        self._failing = False

    @property
    def room(self) -> int:
        """The number of spans that the queue still takes."""
        return QUEUE_SPANS - len(self._queue)

    def add(self, spans: Sequence[Span]) -> None:
        """Queue spans; what is too much is dropped."""
        taken = spans[: self.room]
        self.dropped += len(spans) - len(taken)
        self._queue.extend(taken)

    async def run(self) -> None:
        """Send a batch a second until cancelled, less often while the collector takes none; then what is left."""
        pause = _PAUSE_SECONDS
        try:
            while True:
                await asyncio.sleep(pause)
                pause = _PAUSE_SECONDS if await self._flush() else min(2 * pause, _PAUSE_MOST_SECONDS)
        finally:
            try:
                async with asyncio.timeout(_LAST_SECONDS):
                    while self._queue and await self._flush():
                        pass
            except TimeoutError:
                pass
            self.dropped += len(self._queue)
            self._queue.clear()

    async def _flush(self) -> bool:
        """Send a batch; False: the collector does not take any now."""
        batch = [self._queue.popleft() for _ in range(min(_BATCH_SPANS, len(self._queue)))]
        if not batch:
            return True
        try:
            status = await self._send(self._url, encode(self._resource, batch), self._headers)
            problem = "" if status < _ERRORS_FROM else f"HTTP {status}"
            again = status in _NOT_NOW
        except StorageError as error:
            problem, again = str(error), True
        except asyncio.CancelledError:
            self._put_back(batch)  # perhaps it has come: twice is better than not at all
            raise
        if not problem:
            self.sent += len(batch)
        elif again:
            self._put_back(batch)
        else:
            self.dropped += len(batch)
        self._told(problem)
        return not problem

    def _put_back(self, batch: Sequence[Span]) -> None:
        kept = batch[len(batch) - min(self.room, len(batch)) :]
        self.dropped += len(batch) - len(kept)
        self._queue.extendleft(reversed(kept))

    def _told(self, problem: str) -> None:
        """Log that the collector takes no spans any more, or takes them again."""
        if bool(problem) == self._failing:
            return
        self._failing = bool(problem)
        if problem:
            log.warning("traces.not_sent", collector=self._url, problem=problem)
        else:
            log.info("traces.sent_again", collector=self._url, dropped=self.dropped)


def encode(resource: Mapping[str, Value], spans: Iterable[Span]) -> bytes:
    """Encode an ExportTraceServiceRequest with the spans of one resource."""
    scope_spans = (
        _field(1, _field(1, b"moorage"))
        + b"".join([_field(2, _span(span)) for span in spans])
        + _field(3, _SCHEMA.encode())
    )
    resource_spans = _field(1, _attributes(1, resource)) + _field(2, scope_spans) + _field(3, _SCHEMA.encode())
    return _field(1, resource_spans)


#: Status.code ERROR, in a Span's field 15.
_FAILED: Final = b"\x7a\x02\x18\x02"
#: Span.flags, the field 16, fixed32: the trace is sampled, and whether the parent is of another process.
_FLAGS_REMOTE: Final = b"\x85\x01" + 0x301.to_bytes(4, "little")
_FLAGS: Final = b"\x85\x01" + 0x101.to_bytes(4, "little")


def _span(span: Span) -> bytes:
    return b"".join(
        (
            _field(1, bytes.fromhex(span.trace_id)),
            _field(2, bytes.fromhex(span.span_id)),
            _field(4, bytes.fromhex(span.parent_id)) if span.parent_id else b"",
            _field(5, span.name.encode()),
            b"\x30",  # 6, varint
            _varint(span.kind),
            b"\x39",  # 7, fixed64
            span.started.to_bytes(8, "little"),
            b"\x41",  # 8, fixed64
            span.ended.to_bytes(8, "little"),
            _attributes(9, span.attributes),
            _FAILED if span.failed else b"",
            _FLAGS_REMOTE if span.kind == SERVER and span.parent_id else _FLAGS,
        )
    )


def _attributes(number: int, attributes: Mapping[str, Value]) -> bytes:
    return b"".join(
        [_field(number, _field(1, name.encode()) + _field(2, _any(value))) for name, value in attributes.items()]
    )


def _any(value: Value) -> bytes:
    if isinstance(value, str):
        return _field(1, value.encode("utf-8", "replace"))
    return b"\x18" + _varint(value)  # 3, varint


def _field(number: int, data: bytes) -> bytes:
    """Encode a field of bytes, a text or a message; numbers up to 15."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > _SEVEN_BITS:
        encoded.append(number & _SEVEN_BITS | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)

"""A collector of OTLP over HTTP, which reads what it gets with OpenTelemetry's own messages."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.server import until


@dataclass(frozen=True)
class Span:
    """A span as the collector got it, with its attributes as a mapping."""

    raw: trace_pb2.Span
    attributes: Mapping[str, str | int]
    resource: Mapping[str, str | int]

    @property
    def name(self) -> str:
        return self.raw.name

    @property
    def trace(self) -> str:
        return self.raw.trace_id.hex()

    @property
    def parent(self) -> str:
        return self.raw.parent_span_id.hex()

    @property
    def id(self) -> str:
        return self.raw.span_id.hex()

    @property
    def milliseconds(self) -> float:
        return (self.raw.end_time_unix_nano - self.raw.start_time_unix_nano) / 1e6

    @property
    def failed(self) -> bool:
        return self.raw.status.code == trace_pb2.Status.STATUS_CODE_ERROR


@dataclass
class Collector:
    """What came; it answers with ``status``, or while ``silent`` not within 30 s."""

    url: str = ""
    status: int = 200
    silent: bool = False
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def requests(self) -> list[Span]:
        """The spans of requests."""
        return [span for span in self.spans if span.raw.kind == trace_pb2.Span.SPAN_KIND_SERVER]

    def below(self, span: Span) -> list[Span]:
        """The spans whose parent is ``span``."""
        return [one for one in self.spans if (one.trace, one.parent) == (span.trace, span.id)]

    async def got(self, count: int) -> Sequence[Span]:
        """Wait until so many spans of requests have come."""
        await until(lambda: len(self.requests()) >= count)
        return self.requests()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        if self.silent:
            await asyncio.sleep(30)
        if self.status == 200:
            sent = ExportTraceServiceRequest.FromString(body)
            for of_resource in sent.resource_spans:
                resource = _values(of_resource.resource.attributes)
                for of_scope in of_resource.scope_spans:
                    self.spans += [Span(raw, _values(raw.attributes), resource) for raw in of_scope.spans]
        return web.Response(status=self.status)


def _values(attributes: Sequence[KeyValue]) -> dict[str, str | int]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector, listening."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector._take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    collector.url = f"http://{host}:{port}"
    try:
        yield collector
    finally:
        await runner.cleanup()

"""Checks the collector of traces: whether it takes an empty message of OTLP."""

import asyncio
from typing import Final

from registry.doctor.http import FAILURES, ask
from registry.doctor.report import Check, hint, reason_of, right
from registry.process.trace_settings import TraceSettings

_PART: Final = "traces"
_OK: Final = range(200, 300)
_REFUSED: Final = (401, 403)


async def check_traces(settings: TraceSettings | None) -> list[Check]:
    """Check the collector, where traces are wanted. A registry works without, so that a fault is worth a look."""
    if settings is None:
        return []
    url = settings.endpoint
    headers = {**dict(settings.headers), "Content-Type": "application/x-protobuf"}
    try:
        reply = await asyncio.to_thread(ask, url, "POST", headers, b"")
    except FAILURES as error:
        cure = "start the collector, or unset OTEL_EXPORTER_OTLP_ENDPOINT: spans that cannot be sent are dropped"
        return [hint(_PART, f"{url} cannot be reached: {reason_of(error)}", cure)]
    if reply.status in _OK:
        return [right(_PART, f"{url} takes spans")]
    cure = "OTEL_EXPORTER_OTLP_ENDPOINT has to be OTLP over HTTP, which most collectors have at port 4318"
    if reply.status in _REFUSED:
        cure = "give it the token that it wants by OTEL_EXPORTER_OTLP_HEADERS"
    return [hint(_PART, f"{url} answers {reply.status}", cure)]

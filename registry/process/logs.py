"""Logs: JSON lines on standard error, dotted event names, units in the names of fields, never a secret."""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final

import orjson
import structlog

from storage.operations import RECORDING

#: The id of the request that is being answered; on every line that is logged meanwhile.
request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)


def configure() -> None:
    """Configure structlog for this process."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            _with_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    # Its pool connects again and again to a server that is away; registry.process.outages tells so, once.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)  # noqa: TID251 - asyncpg's
    logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)


def _with_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    number = request_id.get()
    if number is not None:
        event["request_id"] = number
    recording = RECORDING.get()
    if recording is not None and recording.trace_id is not None:
        event["trace_id"] = recording.trace_id
    return event


class _Foreign(logging.Handler):
    """A logging handler that writes the records of libraries through structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        failed = record.levelno >= logging.ERROR
        (log.error if failed else log.warning)(
            "library.log", logger=record.name, message=record.getMessage(), exc_info=record.exc_info
        )

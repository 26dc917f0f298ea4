"""Metrics of HTTP: requests, durations and bytes by route, counted a batch of finished requests at a time.

A route is a name of the tables of routes, never a path: what clients ask for adds no series.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from typing import Final

from registry.http.api.app import ROUTES as API_ROUTES
from registry.http.ops import HANDLERS as OPS
from registry.http.router import Router
from registry.http.server.access_log import Count, Line
from registry.http.server.protocol import Server
from registry.http.v2 import search
from registry.oci.request import METHODS, Kind
from registry.process.gauges import Gauges
from registry.process.metrics import Catalog, Family, Slab
from registry.rate_limits import POLICIES
from storage.timings import SECONDS

#: What no table has a name for.
OTHER: Final = "other"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", OTHER)
_STATUSES: Final = ("2xx", "3xx", "400", "401", "403", "404", "4xx", "429", "5xx")
#: What clients ask for all the time is shown from the start: its first failure is one that Prometheus sees.
_SHOWN: Final = frozenset(
    {
        *((kind.name.lower(), method) for kind, method in METHODS),
        *((route, method) for route in ("token", "page") for method in ("GET", "POST")),
        *((OTHER, method) for method in _METHODS),
    }
)
DIRECTIONS: Final = ("in", "out", "redirected")
BLOBS: Final = frozenset({Kind.BLOB_GET, Kind.UPLOAD_START, Kind.UPLOAD_CHUNK, Kind.UPLOAD_FINISH})
MANIFESTS: Final = frozenset({Kind.MANIFEST_GET, Kind.MANIFEST_PUT})
#: Of a histogram, the slot of the sum.
_SUM: Final = len(SECONDS) + 1

_Slots = tuple[int, int, int, int, int]


class HttpMetrics:
    """The families of HTTP in a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        requests = ("route", "method", "status")
        self._requests = catalog.add(
            Family("moorage_http_requests", "counter", "Requests by route.", requests, sparse=2, shown=_SHOWN)
        )
        seconds = "From the head of a request to the end of its response."
        shown = {(route,) for route, _ in _SHOWN}
        self._seconds = catalog.add(
            Family("moorage_http_request_duration_seconds", "histogram", seconds, ("route",), sparse=1, shown=shown)
        )
        moved = "Bytes that were received, sent, and left to the store to send."
        self._bytes = catalog.add(Family("moorage_bytes", "counter", moved, ("direction", "kind")))
        self._open = catalog.add(Family("moorage_http_open_connections", "gauge", "Open connections of clients."))
        self._working = catalog.add(Family("moorage_http_working", "gauge", "Requests that are worked on."))
        self._waiting = catalog.add(Family("moorage_http_waiting", "gauge", "Requests that wait for their turn."))
        many = "Requests and connections that were too many."
        self._refused = catalog.add(Family("moorage_http_refused", "counter", many, ("cause",)))
        limited = "Requests that were over a rate limit, by the limit."
        self._limited = catalog.add(Family("moorage_rate_limited", "counter", limited, ("policy",), sparse=True))
        wrong = "Credentials that were wrong; limited: of an address or name with too many of them."
        self._failed = catalog.add(Family("moorage_failed_logins", "counter", wrong, ("result",)))
        spans = "Spans of traces that the collector has taken, and those that it could not be given."
        self._spans = catalog.add(Family("moorage_trace_spans", "counter", spans, ("result",)))
        catalog.slots(self._spans, ("sent", "dropped"))
        catalog.slots(self._bytes, DIRECTIONS, ("blob", "manifest", OTHER))
        catalog.slots(self._refused, ("busy", "connections"))
        catalog.slots(self._limited, POLICIES)
        catalog.slots(self._failed, ("failed", "limited"))
        self._names = _names()
        names = tuple(dict.fromkeys(self._names.values()))
        catalog.slots(self._seconds, names)
        catalog.slots(self._requests, names, _METHODS, _STATUSES)

    def read_into(self, gauges: Gauges, router: Router, server: Server) -> None:
        """Have the measures of a process that answers read."""
        admission, throttle = router.admission, router.throttle
        gauges.gauge(self._open.slot, lambda: len(server.connections))
        gauges.gauge(self._working.slot, lambda: admission.working)
        gauges.gauge(self._waiting.slot, lambda: admission.waiting)
        gauges.counter(self._refused.series["busy",], lambda: admission.refused)
        gauges.counter(self._refused.series["connections",], lambda: server.refused)
        for policy in router.refused:
            gauges.counter(self._limited.series[policy,], partial(router.refused.__getitem__, policy))
        gauges.counter(self._failed.series["failed",], lambda: throttle.failed)
        gauges.counter(self._failed.series["limited",], lambda: throttle.refused)
        if router.tracer is not None:
            exporter = router.tracer.exporter
            gauges.counter(self._spans.series["sent",], lambda: exporter.sent)
            gauges.counter(self._spans.series["dropped",], lambda: exporter.dropped)

    def counter(self, slab: Slab) -> Count:
        """Return what counts finished requests in a slab."""
        known: dict[tuple[str, str, int], _Slots] = {}

        def count(lines: Sequence[Line]) -> None:
            for line in lines:
                key = line.route, line.method, line.status
                slots = known.get(key)
                if slots is None:
                    slots = self._slots(*key)
                    if line.method in _METHODS:  # else it is what a client likes to call it
                        known[key] = slots
                requests, buckets, received, sent, redirected = slots
                seconds = line.ended - line.started
                slab[requests] += 1.0
                slab[buckets + bisect_left(SECONDS, seconds)] += 1.0
                slab[buckets + _SUM] += seconds
                slab[sent] += line.sent_bytes
                if line.received_bytes:
                    slab[received] += line.received_bytes
                if line.redirected_bytes:
                    slab[redirected] += line.redirected_bytes

        return count

    def _slots(self, route: str, method: str, status: int) -> _Slots:
        name = self._names[route]
        requests = self._requests.series[name, method if method in _METHODS else OTHER, label_of(status)]
        kind = "blob" if route in BLOBS else "manifest" if route in MANIFESTS else OTHER
        received, sent, redirected = (self._bytes.series[direction, kind] for direction in DIRECTIONS)
        return requests, self._seconds.series[name,], received, sent, redirected


def label_of(status: int) -> str:
    """Return a status as a label: its class, or itself where operators ask for it; 499, a client that left, is 4xx."""
    text = str(status)
    return text if text in _STATUSES else f"{text[0]}xx"


def _names() -> dict[str, str]:
    """Return the label of every route that a request can have."""
    return {
        **{kind.value: kind.name.lower() for kind in Kind},
        **{route.path: route.path for route in API_ROUTES},
        **{path: path.strip("/") for path in OPS},
        **dict.fromkeys((search.SEARCH, search.PING), "search"),
        "/token": "token",
        "page": "page",
        OTHER: OTHER,
    }

"""Metrics of mirrors: what their upstreams answered, and what was fetched."""

from functools import partial

from registry.mirror.blobs import FETCHES
from registry.mirror.mirroring import Mirroring
from registry.mirror.upstream import KINDS
from registry.process.gauges import Gauges
from registry.process.metrics import Catalog, Family


class MirrorMetrics:
    """The families of mirrors in a catalog, as each process sees them."""

    def __init__(self, catalog: Catalog) -> None:
        told = "Answers of the upstreams of mirrors: ok, or what was wrong."
        self._answers = catalog.add(Family("moorage_mirror_answers", "counter", told, ("result",)))
        catalog.slots(self._answers, ("ok", *KINDS))
        text = "Fetches of blobs by mirrors: begun, resumed behind what another process had, stored, failed."
        self._fetches = catalog.add(Family("moorage_mirror_fetches", "counter", text, ("result",)))
        catalog.slots(self._fetches, FETCHES)
        under_way = "Fetches of blobs that clients of a process wait for, whichever process is at them."
        self._under_way = catalog.add(Family("moorage_mirror_fetches_under_way", "gauge", under_way)).slot
        self._bytes = catalog.add(
            Family("moorage_mirror_fetched_bytes", "counter", "Bytes of blobs of upstreams.")
        ).slot
        stale = "Pulls that were answered with what may be older than what the upstream has."
        self._stale = catalog.add(Family("moorage_mirror_stale_answers", "counter", stale)).slot

    def read_into(self, gauges: Gauges, mirroring: Mirroring) -> None:
        """Have the measures of these mirrors read."""
        answers, blobs = mirroring.upstream.answers, mirroring.blobs
        for (result,), slot in self._answers.series.items():
            gauges.counter(slot, partial(answers.__getitem__, result))
        for (result,), slot in self._fetches.series.items():
            gauges.counter(slot, partial(blobs.counts.__getitem__, result))
        gauges.gauge(self._under_way, lambda: blobs.under_way)
        gauges.counter(self._bytes, lambda: blobs.counts["bytes"])
        gauges.counter(self._stale, lambda: mirroring.counts["stale"])

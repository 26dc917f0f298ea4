"""Metrics of the owners that the operator names: pulls, pushes and bytes; all others are one."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from registry.http.metrics import BLOBS, DIRECTIONS, MANIFESTS
from registry.http.server.access_log import CLIENT_LEFT, Count, Line
from registry.http.urls import decoded_path
from registry.oci.request import Kind
from registry.process.metrics import OTHER_OWNERS, Catalog, Family, Slab

_COUNTED: Final = {Kind.MANIFEST_GET: "pull", Kind.MANIFEST_PUT: "push"}
#: Those that move bytes of packages.
_MOVING: Final = BLOBS | MANIFESTS
_REFUSED: Final = 400
_OWNER: Final = 2  # of the parts of /v2/owner/image/…


class OwnerMetrics:
    """The families of these owners in a catalog."""

    def __init__(self, catalog: Catalog, owners: Sequence[str]) -> None:
        manifests = "Manifests that were pulled and pushed, by owner."
        self._manifests = catalog.add(Family("moorage_owner_manifests", "counter", manifests, ("owner", "action")))
        moved = "Bytes that were received, sent, and left to the store to send, by owner."
        self._bytes = catalog.add(Family("moorage_owner_bytes", "counter", moved, ("owner", "direction")))
        self._owners = frozenset(owners)
        names = (*owners, OTHER_OWNERS)
        catalog.slots(self._manifests, names, tuple(_COUNTED.values()))
        catalog.slots(self._bytes, names, DIRECTIONS)

    def counter(self, slab: Slab) -> Count:
        """Return what counts finished requests in a slab."""
        manifests, moved = self._manifests.series, self._bytes.series

        def count(lines: Sequence[Line]) -> None:
            for line in lines:
                if line.route not in _MOVING or (line.status >= _REFUSED and line.status != CLIENT_LEFT):
                    continue  # of a client that has left, what it took until then was sent
                named = _named(line.target)
                owner = named if named in self._owners else OTHER_OWNERS
                action = _COUNTED.get(line.route)  # type: ignore[call-overload]  # a Kind is its text
                if action is not None and line.status != CLIENT_LEFT:
                    slab[manifests[owner, action]] += 1.0
                slab[moved[owner, "out"]] += line.sent_bytes
                if line.received_bytes:
                    slab[moved[owner, "in"]] += line.received_bytes
                if line.redirected_bytes:
                    slab[moved[owner, "redirected"]] += line.redirected_bytes

        return count


@lru_cache(256)  # clients pull the same again and again; a target has up to 8 KiB
def _named(target: str) -> str:
    return decoded_path(target).split("/", _OWNER + 1)[_OWNER]

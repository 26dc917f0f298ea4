"""The pace at which a registry lets manifests be read: slower once a tenth of what the registry lets is left."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from registry.cli.client.errors import INTERRUPTED, CommandError

_SHARE: Final = 0.1
#: No registry is known that lets less than a hundred an hour for long; a longer wait is no pace but an end.
_EVERY_MAX_SECONDS: Final = 300.0
_NUMBER: Final = r"(\d{1,12})"
_COUNTED: Final = re.compile(rf"{_NUMBER}(?:\s*;\s*w={_NUMBER})?")
_LEFT: Final = re.compile(rf";\s*r={_NUMBER}\s*;\s*t={_NUMBER}")
_QUOTA: Final = re.compile(rf";\s*q={_NUMBER}")


class Pace:
    """A pace, by what a registry tells of its limit, for all threads that read from there."""

    def __init__(self, host: str = "", tell: Callable[[str], None] | None = None) -> None:
        self._host = host
        self._tell = tell
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._every = self._next = 0.0

    def stop(self) -> None:
        """End all waiting."""
        self._stop.set()

    def wait(self) -> None:
        """Wait for the next turn, if there is too little left for haste. Raises CommandError once stopped."""
        with self._lock:
            if not self._every:
                return
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._every
        if self._stop.wait(turn - now):
            raise CommandError("stopped", status=INTERRUPTED)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Read how much is left: Docker Hub's headers, or those of draft-ietf-httpapi-ratelimit-headers."""
        every = min(_every(headers), _EVERY_MAX_SECONDS)
        with self._lock:
            slower, self._every = every and not self._every, every
            if slower:
                self._next = time.monotonic() + every
        if slower and self._tell is not None:
            self._tell(f"{self._host} lets little more be read for now: a manifest every {every:.0f} s from here on")


def _every(headers: Mapping[str, str]) -> float:
    """Return the seconds between two manifests; 0 for no need to wait."""
    left, limit = (_COUNTED.match(headers.get(f"RateLimit-{name}") or "") for name in ("Remaining", "Limit"))
    if left and limit and (window := limit[2] or left[2]):
        quota = max(int(limit[1]), 1)
        return int(window) / quota if int(left[1]) <= quota * _SHARE else 0.0
    told, policy = (pattern.search(headers.get(name) or "") for pattern, name in
                    ((_LEFT, "RateLimit"), (_QUOTA, "RateLimit-Policy")))  # fmt: skip
    if told and policy and int(told[1]) <= int(policy[1]) * _SHARE:
        return int(told[2]) / max(int(told[1]), 1)
    return 0.0

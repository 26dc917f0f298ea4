"""The progress of a copy: one line on stderr, on a terminal only."""

import threading
import time
from collections.abc import Mapping
from typing import Final

from registry.cli.client.output import Output, plural, size

_EVERY_SECONDS: Final = 0.2


class Progress:
    """How much of which blobs has arrived; for several threads. ``stopped``: no more is to be sent."""

    def __init__(self, output: Output, wanted: Mapping[str, int]) -> None:
        self._output = output
        self._wanted = wanted
        self._arrived = dict.fromkeys(wanted, 0)
        self._finished = 0
        self._sent = 0
        self._began = time.monotonic()
        self._shown = 0.0
        self._lock = threading.Lock()
        self._line = output.err.isatty() and not output.quiet
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, unless the copy has stopped."""
        self._stop.wait(seconds)

    def add(self, digest: str, count: int) -> None:
        """Count bytes of a blob."""
        with self._lock:
            self._arrived[digest] += count
            self._sent += count
            if self._line and time.monotonic() - self._shown >= _EVERY_SECONDS:
                self._show()

    def begin(self, digest: str, offset: int) -> None:
        """Begin a blob, of which so many bytes are there."""
        with self._lock:
            self._arrived[digest] = offset

    def done(self, digest: str) -> None:
        """Count a blob that is there now."""
        with self._lock:
            self._arrived[digest] = self._wanted[digest]
            self._finished += 1

    def stop(self, *, goes_on: bool) -> None:
        """Stop, and show how far a copy that can go on has come."""
        self._stop.set()
        if self._line:
            self._output.err.write("\r\x1b[K")
        if goes_on:
            self._output.note(
                f"{self._finished} of {plural(len(self._wanted), 'blob')} are there; the same command goes on"
            )

    def would(self, text: str) -> None:
        """Tell what would be sent."""
        self._output.note(text)

    def end(self) -> None:
        """Show the end."""
        if self._line:
            self._output.err.write("\r\x1b[K")
        if self._wanted:
            self._output.note(f"{plural(len(self._wanted), 'blob')}, {size(self._sent)} sent")

    def _show(self) -> None:
        now = time.monotonic()
        self._shown = now
        rate = self._sent / max(now - self._began, 0.001)
        arrived, total = sum(self._arrived.values()), sum(self._wanted.values())
        text = f"{self._finished}/{len(self._wanted)} blobs  {size(arrived)} of {size(total)}  {size(rate)}/s"
        self._output.err.write(f"\r\x1b[K{text}")
        self._output.err.flush()

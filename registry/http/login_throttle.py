"""Rate limit of failed logins: at most ten failures in five minutes for each address and user name.

Only failures count, and only failures are refused for them: whoever has a good token is never locked out by others
behind the same address or under the same name. (There are no passwords here: a token has 214 random bits, so this
keeps the logs and Postgres from noise more than it keeps anybody from guessing one.)
Each process counts for itself: N processes allow up to N times as many.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_KEYS_MAX: Final = 10_000


@dataclass(slots=True)
class LoginThrottle:
    """A limit of ``most`` failures in ``window_seconds`` for each key (an address, a user name)."""

    most: int = 10
    window_seconds: float = 300.0
    #: Failed logins, and those of them that were refused unseen.
    failed: int = 0
    refused: int = 0
    _times: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def note(self, keys: Iterable[str], now: float) -> int | None:
        """Count a failure at ``now`` (seconds); return the seconds to wait if a key exceeds the limit, else None."""
        waits = [self._note(key, now) for key in keys]
        longest = max(waits, default=0.0)
        self.failed += 1
        self.refused += longest > 0
        return int(longest) + 1 if longest > 0 else None

    def _note(self, key: str, now: float) -> float:
        times = self._times.setdefault(key, deque(maxlen=self.most))
        self._times.move_to_end(key)
        if len(self._times) > _KEYS_MAX:
            self._times.popitem(last=False)
        if len(times) == self.most and now - times[0] < self.window_seconds:
            return self.window_seconds - (now - times[0])
        times.append(now)
        return 0.0

"""The death signal: a child process ends when its parent is gone.

The workers of `moorage serve` and the servers of `moorage run` both need it, so it knows neither. Start children from
the main thread only: Linux sends the signal when the *thread* that forked ends (prctl(2)).
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def prctl(option: int, *arguments: int) -> bool:
    """Call the system's prctl and return whether the call succeeded; False outside Linux."""
    if _LIBC is None:
        return False
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return bool(_LIBC.prctl(option, *(ctypes.c_ulong(value) for value in padded)) == 0)


def die_with_parent(parent: int, death: signal.Signals) -> None:
    """Ask the kernel to send ``death`` to this process when the process ``parent`` ends (Linux only).

    A change of uid clears it, so it comes after that.
    """
    prctl(_PR_SET_PDEATHSIG, death)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)

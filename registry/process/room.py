"""The room on a disk below which nothing new is taken."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Room:
    """The disk that holds ``path``, of which ``reserve_bytes`` are to stay free for deleting."""

    path: Path
    reserve_bytes: int

    def free_bytes(self) -> int:
        """Return the bytes that this user may still write."""
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    async def is_short(self) -> bool:
        """Return whether less than the reserve is free."""
        return await asyncio.to_thread(self.free_bytes) < self.reserve_bytes

"""The room that a quota leaves to uploads: what is refused, and what is warned of."""

from collections.abc import Sequence
from typing import Final

from registry.errors import NotAllowed
from registry.sizes import size
from storage.metadata.quotas import Large, Room

_PERCENT: Final = 100


class QuotaExceeded(NotAllowed):
    """The owner's quota has no room for another upload. ``largest``: packages that the caller may know of."""

    def __init__(self, room: Room, largest: Sequence[Large]) -> None:
        owner, used, quota = room.owner, room.used, room.quota
        most = "; the largest are " + ", ".join(f"{one.name} ({size(one.bytes)})" for one in largest) if largest else ""
        message = (
            f"{owner} has used {size(used)} of its {size(quota)}{most}. moorage usage {owner} tells its owners what"
            " takes the room: delete versions that nobody needs, which count until they can no longer be restored, or"
            " ask an administrator of this registry for a larger quota"
        )
        detail = {
            "owner": owner,
            "used_bytes": used,
            "quota_bytes": quota,
            "largest": [{"name": one.name, "bytes": one.bytes} for one in largest],
            "fix": f"moorage usage {owner}",
        }
        super().__init__(message)
        self.detail = detail


def warning_of(room: Room) -> str | None:
    """Return what a client that may go on is told of the quota; None: there is room."""
    if room.used * _PERCENT < room.quota * room.warn_percent:
        return None
    percent = room.used * _PERCENT // max(room.quota, 1)
    return f"{room.owner} has used {percent} % of its {size(room.quota)}; see moorage usage {room.owner}"

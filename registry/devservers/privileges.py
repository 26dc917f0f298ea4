"""The user PostgreSQL runs as: it refuses to be root, yet a checkout of root's is often below a closed /root.

As root the program becomes `nobody` and keeps one capability, CAP_DAC_OVERRIDE, as an *ambient* one (capabilities(7)),
so that it passes closed directories. No directory above is opened for anybody.
"""

import ctypes
import os
import pwd
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.devservers.processes import CannotStart
from registry.process.lifeline import prctl

_CAP_CHOWN: Final = 0
_CAP_DAC_OVERRIDE: Final = 1
_CAP_SETGID: Final = 6
_CAP_SETUID: Final = 7
_CAP_SETPCAP: Final = 8
_PR_SET_SECUREBITS: Final = 28
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
#: setuid(2) keeps the capabilities, and access(2), which initdb asks first, minds them.
_SECBIT_NO_SETUID_FIXUP: Final = 1 << 2
_CAPABILITY_VERSION_3: Final = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@dataclass(frozen=True, slots=True)
class Account:
    """The user a program runs as; ``keeps_access``: the program may enter closed directories (CAP_DAC_OVERRIDE)."""

    name: str
    uid: int
    gid: int
    keeps_access: bool

    def own(self, path: Path) -> None:
        """Change the owner of ``path`` to this account."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def become(self) -> Callable[[], None] | None:
        """Return the callback that drops to this account between fork and exec; None if the process runs as it."""
        if os.geteuid() == self.uid:
            return None
        libc = ctypes.CDLL(None, use_errno=True)

        def drop() -> None:
            if self.keeps_access:
                prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)
            if self.keeps_access:
                mask = 1 << _CAP_DAC_OVERRIDE
                low = _Data(mask, mask, mask)
                data = (_Data * 2)(low, _Data(0, 0, 0))
                libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), data)
                prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)

        return drop


def choose_account(data: Path) -> Account:
    """Choose the user for the server of ``data``: the current one; for root the owner of ``data``, or else `nobody`.

    Raises CannotStart where root cannot become somebody else.
    """
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), keeps_access=False)
    if sys.platform != "linux":
        raise CannotStart("PostgreSQL refuses to run as root: run this as an ordinary user")
    owner = data.stat().st_uid if data.exists() else 0
    try:
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    except KeyError as error:
        raise CannotStart("PostgreSQL refuses to run as root, and there is no user nobody here") from error
    permitted = _permitted()
    if not _all_of(permitted, _CAP_CHOWN, _CAP_SETGID, _CAP_SETUID):
        raise CannotStart("PostgreSQL refuses to run as root, and this root may not become nobody: run as another user")
    keeps_access = _all_of(permitted, _CAP_DAC_OVERRIDE, _CAP_SETPCAP)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, keeps_access)


def require_reachable(account: Account, *paths: Path) -> None:
    """Raises CannotStart when a directory on the way to one of ``paths`` is closed to ``account``."""
    if account.keeps_access or os.geteuid() == account.uid:
        return
    for path in paths:
        for directory in reversed(path.resolve().parents):
            if not _may_pass(account, directory):
                raise CannotStart(
                    f"PostgreSQL cannot run as root, and {account.name} may not enter {directory}: "
                    "move the checkout and the data to where other users may go, or run as an ordinary user"
                )


def _may_pass(account: Account, directory: Path) -> bool:
    found = directory.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & 0o100)
    return bool(found.st_mode & (0o010 if found.st_gid == account.gid else 0o001))


def _all_of(permitted: int, *capabilities: int) -> bool:
    return all(permitted >> capability & 1 for capability in capabilities)


def _permitted() -> int:
    """Return the process's permitted capabilities, one bit each (proc(5), CapPrm)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0

"""Numbers of bytes, as people are told them."""

import re
from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_THOUSAND: Final = 1000
_HUNDRED: Final = 100


def size(count: int) -> str:
    """Render a number of bytes in powers of ten: ``3.4 MB``."""
    value, unit = float(count), 0
    while value >= _THOUSAND - 0.5 and unit < len(_UNITS) - 1:
        value, unit = value / _THOUSAND, unit + 1
    if unit == 0:
        return f"{count} B"
    return f"{value:.{1 if value < _HUNDRED - 0.05 else 0}f} {_UNITS[unit]}"


_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(?:([kmgtp])(i?)b?|b)?", re.IGNORECASE)
_POWERS: Final = " kmgtp"


def parse_size(text: str) -> int | None:
    """Read a number of bytes as people write it: ``500GB``, ``1.5 TiB``, ``1000``; None: it is none."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS.index((unit or " ").lower()))

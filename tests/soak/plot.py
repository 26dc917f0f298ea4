"""Lines over time, as an SVG of a few hundred bytes and its points."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Final

_WIDTH: Final = 860
_HEIGHT: Final = 320
_LEFT: Final = 56
_TOP: Final = 28
_BOTTOM: Final = 36
_COLOURS: Final = ("#0b6bcb", "#9aa5b1", "#c41c1c")
_STEPS: Final = 5

Points = Sequence[tuple[float, float]]
#: Where a point of the data is drawn: x and y, with a comma.
At = Callable[[float, float], str]


def plot(lines: Mapping[str, Points], phases: Sequence[tuple[float, str]], of: str, up: str, along: str) -> str:
    """``lines`` by name; ``phases``: what is the case at which time, "" where nothing is to be said of it."""
    right = max(x for points in lines.values() for x, _ in points)
    top = _round_up(max(y for points in lines.values() for _, y in points))

    def at(x: float, y: float) -> str:
        across, high = x / right * (_WIDTH - _LEFT - 10), y / top * (_HEIGHT - _TOP - _BOTTOM)
        return f"{_LEFT + across:.1f},{_HEIGHT - _BOTTOM - high:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        *_bands(phases, of, at, top),
    ]
    for step in range(_STEPS + 1):
        value = top * step / _STEPS
        x, y = at(0, value).split(",")
        parts.append(f'<path d="M{at(0, value)}L{at(right, value)}" stroke="#e3e7eb"/>')
        parts.append(f'<text x="{float(x) - 6}" y="{float(y) + 4}" text-anchor="end">{value:g}</text>')
    for colour, (name, points) in zip(_COLOURS, lines.items(), strict=False):
        path = " ".join(at(x, y) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        x, y = at(*points[-1]).split(",")
        parts.append(f'<text x="{x}" y="{float(y) - 6}" text-anchor="end" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{_LEFT - 6}" y="16" text-anchor="end">{up}</text>')
    parts.append(f'<text x="{_WIDTH - 10}" y="{_HEIGHT - 12}" text-anchor="end">{right:.0f} {along}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _bands(phases: Sequence[tuple[float, str]], of: str, at: At, top: float) -> list[str]:
    """A band behind each stretch of time of which there is something to say."""
    parts = []
    for text, group in groupby(phases, key=lambda phase: phase[1]):
        times = [x for x, _ in group]
        if text:
            left, y = at(times[0], top).split(",")
            right, bottom = at(times[-1], 0).split(",")
            width, height = float(right) - float(left), float(bottom) - float(y)
            parts.append(f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{height:.1f}" fill="#eef4fb"/>')
            middle = float(left) + width / 2
            parts.append(f'<text x="{middle:.1f}" y="16" text-anchor="middle" fill="#445">{text} {of}</text>')
    return parts


def _round_up(most: float) -> float:
    """A number of which a fifth is round."""
    for step in (1, 2, 5, 10, 20, 25, 50, 60, 75, 100, 150, 200, 500, 1000):
        if most <= step * _STEPS:
            return step * _STEPS
    return most

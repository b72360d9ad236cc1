"""The pictures of the page: SVG by hand, readable on light and on dark."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.samples import Spread

_Scale = Callable[[float], float]

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 190, 110, 30, 56
_PLOT_HEIGHT = 240
_STYLE = """\
  <style>
    .card { fill: #fff; stroke: #d8dee4 } text { fill: #24292f; font: 13px system-ui, sans-serif }
    .title { font-weight: 600; font-size: 15px } .note { fill: #57606a; font-size: 12px } .rule { stroke: #d8dee4 }
    .spread { stroke: #24292f; stroke-width: 1.5 } .line { fill: none; stroke-width: 2 }
    .c0 { fill: #1f6feb; stroke: #1f6feb } .c1 { fill: #6e7781; stroke: #6e7781 } .c2 { fill: #bf5b04; stroke: #bf5b04 }
    .c3 { fill: #1a7f37; stroke: #1a7f37 } .line.c0, .line.c1, .line.c2, .line.c3 { fill: none }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #30363d } text { fill: #e6edf3 } .note { fill: #8d96a0 } .rule { stroke: #30363d }
      .spread { stroke: #e6edf3 } .c0 { fill: #58a6ff; stroke: #58a6ff } .c1 { fill: #8d96a0; stroke: #8d96a0 }
      .c2 { fill: #f0883e; stroke: #f0883e } .c3 { fill: #3fb950; stroke: #3fb950 }
    }
  </style>
"""


@dataclass(frozen=True)
class Bar:
    name: str
    spread: Spread
    is_ours: bool = False


def bars(title: str, note: str, rows: Sequence[Bar], *, digits: int = 2, is_log: bool = False) -> str:
    """One bar a row; the thin line is the range over the rounds."""
    room = WIDTH - LEFT - RIGHT
    most = max(row.spread.most for row in rows)
    least = min(row.spread.least for row in rows if row.spread.least > 0) / 2 if is_log else 0.0

    def x(value: float) -> float:
        if is_log:
            return LEFT + room * math.log(max(value, least) / least) / math.log(most / least)
        return LEFT + room * value / most

    parts = []
    for number, row in enumerate(rows):
        y = TOP + number * ROW
        middle = y + 9
        end = x(row.spread.median)
        parts.append(f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(row.name)}</text>')
        kind = "c0" if row.is_ours else "c1"
        parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="18" rx="2"/>')
        ends = x(row.spread.least), x(row.spread.most)
        parts.append(f'<path class="spread" d="M{ends[0]:.1f} {middle}H{ends[1]:.1f}"/>')
        where = max(end, ends[1]) + 8
        parts.append(f'<text x="{where:.1f}" y="{y + 14}">{row.spread.median:,.{digits}f}</text>')
    return _card(title, note, TOP + len(rows) * ROW + 12, parts)


def lines(title: str, note: str, places: Sequence[str], series: Mapping[str, Sequence[Spread | None]]) -> str:
    """One line each; a mark's thin line is the range over the rounds."""
    most = max(point.most for points in series.values() for point in points if point is not None) or 1.0
    bottom, left, room = TOP + 24 + _PLOT_HEIGHT, 70, WIDTH - 70 - 40
    step = room / max(1, len(places) - 1)
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - share * _PLOT_HEIGHT
        parts.append(f'<path class="rule" d="M{left} {y:.1f}H{left + room}"/>')
        parts.append(
            f'<text class="note" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(most * share)}</text>'
        )
    for number, place in enumerate(places):
        x = left + number * step
        parts.append(f'<text class="note" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{escape(place)}</text>')
    ours = [name for name in series if name.startswith("vestibule")]  # always in the same colour
    kinds = {name: kind for kind, name in enumerate([*ours[:1], *(name for name in series if name not in ours[:1])])}
    for name, points in series.items():
        parts += _line(kinds[name], name, points, lambda n: left + n * step, lambda v: bottom - v / most * _PLOT_HEIGHT)
    return _card(title, note, bottom + 36, parts)


def _line(number: int, name: str, points: Sequence[Spread | None], x: "_Scale", y: "_Scale") -> Sequence[str]:
    kind = f"c{number % 4}"
    there = [(x(place), point) for place, point in enumerate(points) if point is not None]
    path = " ".join(f"{across:.1f},{y(point.median):.1f}" for across, point in there)
    legend = 70 + number * 165
    parts = [
        f'<polyline class="line {kind}" points="{path}"/>',
        f'<rect class="{kind}" x="{legend}" y="{TOP - 4}" width="12" height="12" rx="2"/>',
        f'<text x="{legend + 18}" y="{TOP + 7}">{escape(name)}</text>',
    ]
    for across, point in there:
        parts.append(f'<path class="{kind}" d="M{across:.1f} {y(point.least):.1f}V{y(point.most):.1f}"/>')
        parts.append(f'<circle class="{kind}" cx="{across:.1f}" cy="{y(point.median):.1f}" r="3"/>')
    return parts


def _card(title: str, note: str, height: float, parts: Sequence[str]) -> str:
    body = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title, quote=True)}">\n{_STYLE}'
        f'  <rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="6"/>\n'
        f'  <text class="title" x="16" y="26">{escape(title)}</text>\n'
        f'  <text class="note" x="16" y="44">{escape(note)}</text>\n  {body}\n</svg>\n'
    )


def _short(value: float) -> str:
    return f"{value / 1000:,.1f}k" if value >= 1000 else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"

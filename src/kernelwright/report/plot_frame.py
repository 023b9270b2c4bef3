"""Axes, ticks and the page around a plot, as SVG text that needs nothing else; light and dark.

Several plots may stand in one HTML page: their style is scoped by the class `plot`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kernelwright.report.figures import format_number

STYLE = """
.plot { --page: #fbfbf9; --ink: #1c1d1f; --soft: #62666d; --rule: #e3e3de; --c0: #0b6e4f; --c1: #b3541e; --c2: #3b5b92;
  --c3: #8a3b75; --c4: #7a6a00; --c5: #4a4f57;
  --c6: #1f8a9e; --c7: #a03030; font-family: system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { .plot { --page: #16181b; --ink: #e8e8e4; --soft: #9da2aa; --rule: #33363b;
  --c0: #56c596; --c1: #e39a68; --c2: #8fb0e8; --c3: #d79ac6; --c4: #cdbb4c; --c5: #a9b0ba;
  --c6: #6fd0e0; --c7: #f08a8a; } }
.plot .page { fill: var(--page); } .plot text { fill: var(--ink); font-size: 12px; } .plot .soft { fill: var(--soft); }
.plot .title { font-size: 15px; font-weight: 600; } .plot .grid { stroke: var(--rule); }
.plot .line { fill: none; stroke-width: 2; } .plot .thin { fill: none; stroke-width: 1; stroke: var(--soft); }
.plot .dash { stroke-dasharray: 5 4; } .plot .hollow { fill: var(--page); }
""" + "".join(
    f".plot .f{i}, .plot text.f{i} {{ fill: var(--c{i}); }} .plot .s{i} {{ stroke: var(--c{i}); }}\n" for i in range(8)
)
COLOURS = 8


@dataclass(frozen=True)
class Axis:
    """From `low` to `high` in units of the data; `is_log` for logarithmic; `label` says quantity and unit."""

    low: float
    high: float
    label: str
    is_log: bool = True

    def share(self, value: float) -> float:
        """Return where `value` lies, 0 at `low` and 1 at `high`."""
        if self.is_log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 8) -> list[float]:
        """Return round values on the axis, at most `most` of them where that can be met."""
        return _log_ticks(self.low, self.high, most) if self.is_log else _even_ticks(self.low, self.high, most)


@dataclass(frozen=True)
class Frame:
    """A rectangle of the drawing with two axes; y grows upwards in the data, downwards on the page."""

    left: float
    top: float
    width: float
    height: float
    x: Axis
    y: Axis

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a value lies on the page."""
        return self.left + self.width * self.x.share(x), self.top + self.height * (1.0 - self.y.share(y))

    def axes(self, most: int = 8) -> str:
        """Return grid, ticks and labels."""
        parts = []
        bottom, right = self.top + self.height, self.left + self.width
        for value in self.y.ticks(most):
            y = self.place(self.x.low, value)[1]
            parts.append(line(self.left, y, right, y, "grid"))
            parts.append(text(self.left - 8, y + 4, short(value), "soft", "end"))
        for value in self.x.ticks(most):
            x = self.place(value, self.y.low)[0]
            parts.append(line(x, self.top, x, bottom, "grid"))
            parts.append(text(x, bottom + 17, short(value), "soft", "middle"))
        parts.append(text(self.left + self.width / 2, bottom + 37, self.x.label, "soft", "middle"))
        parts.append(text(self.left, self.top - 9, self.y.label, "soft"))
        return "".join(parts)


def drawing(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    """Return the whole SVG file; `label` is read to those who do not see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(label)}"><style>{STYLE}</style>'
        f'<rect class="page" width="{width:g}" height="{height:g}"/>{"".join(parts)}</svg>\n'
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return words at a place; `anchor` start, middle or end."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def path(points: Sequence[tuple[float, float]], kind: str, dashes: str = "") -> str:
    """Return a line through points; `dashes` are lengths of strokes and gaps, whole if empty."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline class="{kind}"{dashed} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def dot(x: float, y: float, kind: str, words: str, radius: float = 4.5) -> str:
    """Return a filled circle with words that a pointer shows."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"><title>{escape(words)}</title></circle>'


def limits(values: Sequence[float], room: float = 1.25) -> tuple[float, float]:
    """Return least and largest of positive values with room on both sides, for a logarithmic axis."""
    return min(values) / room, max(values) * room


def short(value: float) -> str:
    """Return a number for a tick: thousands and more with a letter."""
    for factor, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{letter}"
    return format_number(value)


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = [10.0**power for power in range(first, last + 1)]
    fine = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    for steps in (fine, (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * decade for decade in decades for step in steps if low <= step * decade <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: -(-len(ticks) // most)]


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * s for s in (1, 2, 5, 10, 20) if span / (power * s) <= most)
    return [round(step * number, 12) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
